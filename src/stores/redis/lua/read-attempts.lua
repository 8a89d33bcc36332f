-- Attempts, newest first: a page of them, as many of it as are meant.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  '+', or '(' and the id behind which to go on
-- ARGV[2]  how many to look at; ARGV[3]  how many to answer at most
-- ARGV[4]  begun at or after; ARGV[5]  before; wall time
-- ARGV[6]  '=' and the app, or empty; ARGV[7]  the same with a webhook; ARGV[8]  with a job; ARGV[9]  with 1: failed, 0: did not
-- Reply: the id behind which to go on, empty at the end; then a list of each that is meant: time, app, webhook, job, the
-- rest as JSON

local since, before, wanted = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[3])
local page = redis.call('XREVRANGE', KEYS[1], ARGV[1], string.format('%.0f', math.floor(since)), 'COUNT', ARGV[2])
local reply = { '' }
for _, entry in ipairs(page) do
  local field = entry[2]
  local at = tonumber(field[2])
  if at >= since and at < before
    and (ARGV[6] == '' or ARGV[6] == '=' .. field[4])
    and (ARGV[7] == '' or ARGV[7] == '=' .. field[6])
    and (ARGV[8] == '' or ARGV[8] == '=' .. field[8])
    and (ARGV[9] == '' or ARGV[9] == '=' .. field[10]) then
    table.insert(reply, { field[2], field[4], field[6], field[8], field[12] })
    wanted = wanted - 1
    if wanted == 0 then
      return reply
    end
  end
end
if #page == tonumber(ARGV[2]) then
  reply[1] = page[#page][1]
end
return reply
