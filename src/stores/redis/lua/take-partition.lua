-- Takes a partition that is free, or whose owner's time is over.
--
-- KEYS[1]  prefix:{p}:owner
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  for how long, ms
-- ARGV[4]  the highest epoch that the packager knows of
-- Reply: the new epoch, as text; nothing when somebody has it
--
-- Guarantees: no epoch has two owners. It grows with each, also after the store was emptied, for it is not below the time
-- in microseconds.

local now = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until')
local nowUs = math.floor(now_us())
local nowMs = math.floor(nowUs / 1000)
if now[1] and nowMs < tonumber(now[3] or '0') then
  return false
end
local last = math.max(tonumber(now[2] or '0'), tonumber(ARGV[4]))
local epoch = string.format('%.0f', math.max(last + 1, nowUs))
local untilMs = string.format('%.0f', nowMs + tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'epoch', epoch, 'until', untilMs, 'settlements', '0')
return epoch
