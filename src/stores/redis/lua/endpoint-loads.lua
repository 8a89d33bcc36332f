-- Jobs of each endpoint by where they are: a page of endpoints. Those that have nothing any more are forgotten.
--
-- KEYS[1]  prefix:{jobs}:endpoints
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  cursor, '0' at first; ARGV[4]  about how many
-- ARGV[5]  how many that became due are to be brought home at most
-- Reply: the next cursor, then a list of each: endpoint, URL, due, leased, delayed, dead, '<since> <reason>' or nothing

wake(queue_ms(), ARGV[5])
finish()
local versions = redis.call('SMEMBERS', base .. 'versions')
local page = redis.call('SSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local reply = { page[1] }
for _, endpoint in ipairs(page[2]) do
  local load = redis.call('HMGET', base .. 'load:' .. endpoint, 'u', 'l', 'w', 'x')
  local due = 0
  for _, version in ipairs(versions) do
    due = due + redis.call('ZCARD', line_of(version, endpoint))
  end
  local leased, delayed, dead = tonumber(load[2] or '0'), tonumber(load[3] or '0'), tonumber(load[4] or '0')
  local paused = redis.call('HGET', base .. 'paused', endpoint)
  if due + leased + delayed + dead > 0 or paused then
    table.insert(reply, { endpoint, load[1] or '', due, leased, delayed, dead, paused })
  else
    redis.call('DEL', base .. 'load:' .. endpoint)
    redis.call('SREM', KEYS[1], endpoint)
  end
end
return reply
