-- A sender is not to be counted on any more.
--
-- KEYS[1]  prefix:{jobs}:senders
-- ARGV[1]  the sender
-- Reply: 1 if it was known

return redis.call('HDEL', KEYS[1], ARGV[1])
