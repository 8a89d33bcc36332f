-- Jobs of the endpoint are leased again.
--
-- KEYS[1]  prefix:{jobs}:paused
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  endpoint
-- Reply: 1 if it was paused

if redis.call('HDEL', KEYS[1], ARGV[3]) == 0 then
  return 0
end
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  if redis.call('EXISTS', line_of(version, ARGV[3])) == 1 then
    enter_turns(version, ARGV[3])
  end
end
redis.call('SPUBLISH', base .. 'doorbell', '')
return finish(1)
