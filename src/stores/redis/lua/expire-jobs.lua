-- Buries jobs of an endpoint that are due and have waited longer than their retry window: a page of its line.
--
-- KEYS[1]  prefix:{jobs}:due:<version>:<endpoint>
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  version; ARGV[4]  endpoint
-- ARGV[5]  since when the endpoint is known to be down, wall time
-- ARGV[6]  reason; ARGV[7]  first place of the page; ARGV[8]  last place
-- ARGV[9]  how many that became due are to be brought home at most
-- Reply: how many were looked at, how many were buried

wake(queue_ms(), ARGV[9])
local since = tonumber(ARGV[5])
local looked, buried = 0, 0
for _, number in ipairs(redis.call('ZRANGE', KEYS[1], ARGV[7], ARGV[8])) do
  looked = looked + 1
  local job = redis.call('HMGET', base .. 'job:' .. number, 'r', 'w', 'a')
  if job[1] and wall_ms - math.max(since, tonumber(job[2])) > tonumber(job[1]) then
    withdraw(number, 'd', ARGV[3], ARGV[4])
    bury(number, ARGV[4], ARGV[6], job[3])
    buried = buried + 1
  end
end
return { looked, buried }
