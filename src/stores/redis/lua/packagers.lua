-- A packager's sign of life; answers who gave one lately.
--
-- KEYS[1]  prefix:{nodes}:packagers   zset   packager → when it last gave one, ms
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  one that gave none for so many ms is gone
-- Reply: the time in ms, as text; then the packagers, this one included

local nowMs = math.floor(now_us() / 1000)
-- Where the clock was set back, those who are gone would stay for as long.
for _, other in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', nowMs), '+inf')) do
  redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs), other)
end
redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs), ARGV[2])
local beforeMs = nowMs - tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', beforeMs))
local reply = redis.call('ZRANGE', KEYS[1], '0', '-1')
table.insert(reply, 1, string.format('%.0f', nowMs))
return reply
