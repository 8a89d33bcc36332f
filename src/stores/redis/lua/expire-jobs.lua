-- Buries jobs of an endpoint that are due and have waited longer than their retry window: a page of its line.
--
-- KEYS[1]  prefix:{jobs}:due:<version>:<endpoint>
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  for how long the endpoint is known to be down, ms
-- ARGV[4]  reason; ARGV[5]  first place of the page; ARGV[6]  last place
-- ARGV[7]  how many that became due are to be brought home at most
-- Reply: how many were looked at, how many were buried

wake(queue_ms(), ARGV[7])
local since = wall_ms - tonumber(ARGV[3])
local numbers = redis.call('ZRANGE', KEYS[1], ARGV[5], ARGV[6])
if #numbers == 0 then
  return finish({ 0, 0 })
end
local tries = redis.call('HMGET', base .. 'tries', unpack(numbers))
local buried = 0
for place, record in ipairs(redis.call('HMGET', base .. 'jobs', unpack(numbers))) do
  local endpoint, _, version, window, waits_since = read_job(record)
  if wall_ms - math.max(since, tonumber(waits_since)) > tonumber(window) then
    leave_line(numbers[place], version, endpoint)
    bury(numbers[place], endpoint, ARGV[4], words(tries[place] or '0 ', 1)[1])
    buried = buried + 1
  end
end
return finish({ #numbers, buried })
