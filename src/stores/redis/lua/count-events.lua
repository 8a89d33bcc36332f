-- How many events of a partition are not settled, and the number of the oldest as text, empty when there is none.
--
-- KEYS[1]  prefix:{p}:events
-- ARGV[1]  time
-- Reply: how many, number of the oldest, the time in microseconds as text

local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', '1')
local number = ''
if #first > 0 then
  number = string.sub(first[1][1], 1, string.len(first[1][1]) - 2)
end
return { redis.call('XLEN', KEYS[1]), number, string.format('%.0f', math.floor(now_us())) }
