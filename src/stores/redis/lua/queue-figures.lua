-- How many jobs are where.
--
-- KEYS[1]  prefix:{jobs}:clock
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  how many that became due are to be brought home at most
-- Reply: due (without those of paused endpoints), leased, delayed, dead, how long the oldest has been due in ms, paused
-- endpoints

local now = queue_ms()
wake(now, ARGV[3])
local due, oldest = 0, now
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  for _, app in ipairs(redis.call('ZRANGE', base .. 'apps:' .. version, '0', '-1')) do
    for _, endpoint in ipairs(redis.call('ZRANGE', turns_of(version, app), '0', '-1')) do
      local line = line_of(version, endpoint)
      due = due + redis.call('ZCARD', line)
      local first = redis.call('ZRANGE', line, '0', '0', 'WITHSCORES')
      if first[2] then
        oldest = math.min(oldest, tonumber(first[2]))
      end
    end
  end
end
return finish({
  due,
  redis.call('ZCARD', base .. 'leased'),
  redis.call('ZCARD', base .. 'delayed'),
  redis.call('ZCARD', base .. 'dead'),
  now - oldest,
  redis.call('HLEN', base .. 'paused'),
})
