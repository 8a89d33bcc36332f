-- What became of leased jobs.
--
-- KEYS[1]  prefix:{jobs}:delayed
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3…] of each: number, token, and
--            delivered, '', ''
--            retry, delay in ms, spent in ms
--            returned, delay in ms, ''
--            buried, attempts, reason
-- Reply: 1 for each whose lease held, 0 for each that was lost: that changed nothing
--
-- It runs also when memory is full: it is what frees it.

local now = nil
local reply = {}
for i = 3, #ARGV, 5 do
  local number, token, what = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local key = base .. 'job:' .. number
  local job = redis.call('HMGET', key, 't', 'q', 'v', 'e', 'id', 'f', 'l')
  if job[1] ~= token then
    table.insert(reply, 0)
  else
    local endpoint = job[4]
    withdraw(number, job[2], job[3], endpoint)
    if what == 'delivered' then
      forget(number, job[5], endpoint)
    elseif what == 'buried' then
      bury(number, endpoint, ARGV[i + 4], ARGV[i + 3])
    else
      now = now or queue_ms()
      if what == 'retry' then
        redis.call('HINCRBY', key, 'a', '1')
        redis.call('HSET', key, 's', ARGV[i + 4], 'f', job[6] or job[7])
      end
      redis.call('HDEL', key, 't')
      redis.call('HSET', key, 'q', 'w')
      redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[i + 3])), number)
      redis.call('HINCRBY', base .. 'load:' .. endpoint, 'w', '1')
    end
    table.insert(reply, 1)
  end
end
return reply
