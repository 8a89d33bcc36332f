-- Jobs of one settlement that are in the outbox.
--
-- KEYS[1]  prefix:{p}:outbox:<name>
-- ARGV[1]  place of the first
-- ARGV[2]  place of the last
-- Reply: jobs, in their order

return redis.call('LRANGE', KEYS[1], ARGV[1], ARGV[2])
