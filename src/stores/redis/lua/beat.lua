-- A node's sign of life; answers who has given none for too long.
--
-- KEYS[1]  prefix:{nodes}:channels   zset   node → when it last gave one, ms
-- KEYS[2]  prefix:{nodes}:reapers    hash   dead node → when somebody began to clean up after it, ms
-- KEYS[3]  prefix:{nodes}:beat       string when anybody last gave one, ms
-- ARGV[1]  time
-- ARGV[2]  the node
-- ARGV[3]  a node is dead after so many ms
-- ARGV[4]  another takes over from a reaper after so many ms
-- Reply: 1 if the node was known; how many nodes are alive; then the dead that this node is to clean up after
--
-- Where nobody gave a sign of life for a while, it was the store that was away, or its clock that jumped: everybody gets
-- his time anew, or the first to come back would bury all the others.

local nowMs = math.floor(now_us() / 1000)
local ttlMs = tonumber(ARGV[3])
local wasKnown = redis.call('ZSCORE', KEYS[1], ARGV[2]) and 1 or 0
local last = tonumber(redis.call('GET', KEYS[3]) or '')
if last and (nowMs - last > ttlMs / 2 or nowMs < last) then
  for _, other in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs), other)
  end
end
redis.call('SET', KEYS[3], string.format('%.0f', nowMs))
redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs), ARGV[2])
redis.call('HDEL', KEYS[2], ARGV[2])

local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. string.format('%.0f', nowMs - ttlMs))
local reply = { wasKnown, redis.call('ZCARD', KEYS[1]) - #dead }
for _, other in ipairs(dead) do
  local since = tonumber(redis.call('HGET', KEYS[2], other) or '')
  if not since or nowMs < since or nowMs - since > tonumber(ARGV[4]) then
    redis.call('HSET', KEYS[2], other, string.format('%.0f', nowMs))
    table.insert(reply, other)
  end
end
return reply
