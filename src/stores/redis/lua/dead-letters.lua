-- Dead letters, newest first: a page of them, as many of it as are meant.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  first place; ARGV[4]  last place, counted from the newest
-- ARGV[5]  '=' and the app, or empty; ARGV[6]  the same with a webhook; ARGV[7]  with a job's id
-- ARGV[8]  buried since; ARGV[9]  before
-- Reply: how many were looked at, then of each that is meant: number, id, endpoint, version, JSON, body or nothing, reason,
-- attempts, buried at

local page = redis.call('ZREVRANGE', KEYS[1], ARGV[3], ARGV[4])
local reply = { #page }
for _, number in ipairs(page) do
  local letter = redis.call('HMGET', base .. 'job:' .. number, 'id', 'e', 'v', 'z', 'a', 'x')
  local endpoint, at = letter[2], tonumber(letter[6])
  local slash = string.find(endpoint, '/', 1, true)
  if (ARGV[5] == '' or ARGV[5] == '=' .. string.sub(endpoint, 1, slash - 1))
    and (ARGV[6] == '' or ARGV[6] == '=' .. string.sub(endpoint, slash + 1))
    and (ARGV[7] == '' or ARGV[7] == '=' .. letter[1])
    and at >= tonumber(ARGV[8]) and at < tonumber(ARGV[9]) then
    table.insert(reply, number)
    table.insert(reply, letter[1])
    table.insert(reply, endpoint)
    table.insert(reply, letter[3])
    table.insert(reply, redis.call('HGET', base .. 'texts', number))
    table.insert(reply, redis.call('HGET', base .. 'bodies', number))
    table.insert(reply, letter[4])
    table.insert(reply, letter[5])
    table.insert(reply, letter[6])
  end
end
return reply
