-- Jobs of each endpoint by where they are: a page of endpoints.
--
-- KEYS[1]  prefix:{jobs}:endpoints
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  cursor, '0' at first; ARGV[4]  about how many
-- ARGV[5]  how many that became due are to be brought home at most
-- Reply: the next cursor, then of each: endpoint, URL, due, leased, delayed, dead, '<since> <reason>' or nothing

wake(queue_ms(), ARGV[5])
local page = redis.call('SSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local reply = { page[1] }
for _, endpoint in ipairs(page[2]) do
  local load = redis.call('HMGET', base .. 'load:' .. endpoint, 'u', 'l', 'w', 'x')
  table.insert(reply, endpoint)
  table.insert(reply, load[1] or '')
  table.insert(reply, due_count(endpoint))
  table.insert(reply, load[2] or '0')
  table.insert(reply, load[3] or '0')
  table.insert(reply, load[4] or '0')
  table.insert(reply, redis.call('HGET', base .. 'paused', endpoint))
end
return reply
