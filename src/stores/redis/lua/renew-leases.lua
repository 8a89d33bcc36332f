-- Prolongs leases, also such as have ended if nobody else had the job since.
--
-- KEYS[1]  prefix:{jobs}:leased
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  for how long from now, ms
-- ARGV[4…] number and token of each
-- Reply: 1 for each that holds, 0 for each that is lost

local now = queue_ms()
local until_ms = string.format('%.0f', now + tonumber(ARGV[3]))
local reply = {}
for i = 4, #ARGV, 2 do
  local number = ARGV[i]
  local job = redis.call('HMGET', base .. 'job:' .. number, 't', 'q', 'v', 'e')
  if job[1] ~= ARGV[i + 1] then
    table.insert(reply, 0)
  else
    if job[2] ~= 'l' then
      withdraw(number, job[2], job[3], job[4])
      redis.call('HSET', base .. 'job:' .. number, 'q', 'l')
      redis.call('HINCRBY', base .. 'load:' .. job[4], 'l', '1')
    end
    redis.call('ZADD', KEYS[1], until_ms, number)
    table.insert(reply, 1)
  end
end
return reply
