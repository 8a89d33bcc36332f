-- Nobody leases jobs of the endpoint until it is resumed.
--
-- KEYS[1]  prefix:{jobs}:paused
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  endpoint; ARGV[4]  reason
-- Reply: 1

local known = redis.call('HGET', KEYS[1], ARGV[3])
local since = string.format('%.0f', wall_ms)
if known then
  since = string.sub(known, 1, string.find(known, ' ', 1, true) - 1)
end
redis.call('HSET', KEYS[1], ARGV[3], since .. ' ' .. ARGV[4])
redis.call('SADD', base .. 'endpoints', ARGV[3])
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  leave_turns(version, ARGV[3])
end
return 1
