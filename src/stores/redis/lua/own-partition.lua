-- Takes a partition, keeps it, or lets it go.
--
-- KEYS[1]  prefix:{p}:owner   hash   owner; epoch; until, ms
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  for how long, ms
-- ARGV[4]  take, keep or release
-- Reply: the epoch, as text, if it is the packager's now; nothing if it is not
--
-- Guarantees: no epoch has two owners. It grows with each owner, also after the store was emptied, for it is not below the
-- time in microseconds. A lease that has ended counts until somebody else takes the partition.

local now = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until')
local owner, epoch, until_ms = now[1], now[2], tonumber(now[3] or '0')
local nowUs = now_us()
local nowMs = math.floor(nowUs / 1000)
if ARGV[4] == 'release' then
  if owner == ARGV[2] then
    redis.call('HDEL', KEYS[1], 'owner', 'until')
  end
  return false
end
if owner ~= ARGV[2] then
  if ARGV[4] == 'keep' or (owner and nowMs < until_ms) then
    return false
  end
  epoch = string.format('%.0f', math.max(tonumber(epoch or '0') + 1, math.floor(nowUs)))
  redis.call('HSET', KEYS[1], 'owner', ARGV[2], 'epoch', epoch)
end
redis.call('HSET', KEYS[1], 'until', string.format('%.0f', nowMs + tonumber(ARGV[3])))
return epoch
