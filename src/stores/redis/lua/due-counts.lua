-- Channels whose count had to wait and is overdue: whoever was to tell it is gone.
--
-- KEYS[1]  prefix:{p}:counts
-- ARGV[1]  time
-- ARGV[2]  overdue for so many milliseconds
-- ARGV[3]  how many at most
-- Reply: '<app>/<channel>' of each

local beforeMs = math.floor(now_us() / 1000) - tonumber(ARGV[2])
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', beforeMs), 'LIMIT', '0', ARGV[3])
