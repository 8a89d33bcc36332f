-- How many jobs are where.
--
-- KEYS[1]  prefix:{jobs}:clock
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  how many that became due are to be brought home at most
-- ARGV[4…] endpoints to which nothing is sent now
-- Reply: due (without those of paused endpoints), how many of these are of none of the endpoints that were given, leased,
-- delayed, dead, how long the oldest has been due in ms, paused endpoints

local now = queue_ms()
wake(now, ARGV[3])
local due, blocked, oldest = 0, 0, now
local is_blocked = {}
for i = 4, #ARGV do
  is_blocked[ARGV[i]] = true
end
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  for _, app in ipairs(redis.call('ZRANGE', base .. 'apps:' .. version, '0', '-1')) do
    for _, endpoint in ipairs(redis.call('ZRANGE', turns_of(version, app), '0', '-1')) do
      local line = line_of(version, endpoint)
      local jobs = redis.call('ZCARD', line)
      due = due + jobs
      if is_blocked[endpoint] then
        blocked = blocked + jobs
      end
      local first = redis.call('ZRANGE', line, '0', '0', 'WITHSCORES')
      if first[2] then
        oldest = math.min(oldest, tonumber(first[2]))
      end
    end
  end
end
return finish({
  due,
  due - blocked,
  redis.call('ZCARD', base .. 'leased'),
  redis.call('ZCARD', base .. 'delayed'),
  redis.call('ZCARD', base .. 'dead'),
  now - oldest,
  redis.call('HLEN', base .. 'paused'),
})
