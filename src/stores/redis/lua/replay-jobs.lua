-- Puts dead letters back into the queue, their attempts and their window fresh.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3…] their numbers, in the order in which they are to be due
-- Reply: how many were there

local now = queue_ms()
local count = 0
for i = 3, #ARGV do
  local number = ARGV[i]
  local key = base .. 'job:' .. number
  local job = redis.call('HMGET', key, 'q', 'v', 'e')
  if job[1] == 'x' then
    withdraw(number, 'x', job[2], job[3])
    redis.call('HDEL', key, 'z', 'x', 'f')
    redis.call('HSET', key, 'a', '0', 's', '0', 'w', string.format('%.0f', wall_ms))
    make_due(number, job[2], job[3], now)
    count = count + 1
  end
end
if count > 0 then
  redis.call('SPUBLISH', base .. 'doorbell', '')
end
return count
