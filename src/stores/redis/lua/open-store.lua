-- What the store is. A new one is made so by whoever comes first.
--
-- KEYS[1]  prefix:{nodes}:meta   hash   format; readable-by, the oldest format whose programs may use it; partitions
-- ARGV[1]  the caller's format
-- ARGV[2]  the oldest format that may use what the caller writes
-- ARGV[3]  into how many partitions a new store is divided
-- Reply: format, readable-by, partitions, as text
--
-- A newer program raises what is written here, and never lowers it: nodes of two versions share a store while one replaces
-- the other.

redis.call('HSETNX', KEYS[1], 'partitions', ARGV[3])
local format = redis.call('HGET', KEYS[1], 'format')
if not format or tonumber(format) < tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'format', ARGV[1], 'readable-by', ARGV[2])
end
return redis.call('HMGET', KEYS[1], 'format', 'readable-by', 'partitions')
