-- Settlements whose jobs may not be in the queue yet.
--
-- KEYS[1]  prefix:{p}:outbox
-- Reply: their names

return redis.call('SMEMBERS', KEYS[1])
