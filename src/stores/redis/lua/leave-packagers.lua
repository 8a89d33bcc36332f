-- A packager goes.
--
-- KEYS[1]  prefix:{nodes}:packagers
-- ARGV[1]  the packager
-- Reply: 1 if it was there

return redis.call('ZREM', KEYS[1], ARGV[1])
