-- The last event of a cache channel.
--
-- KEYS[1]  prefix:{p}:cache:<app>/<channel>
-- ARGV[1]  the event
-- ARGV[2]  for how long, ms
-- Reply: 1

redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
