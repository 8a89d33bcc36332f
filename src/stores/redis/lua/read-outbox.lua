-- Jobs that may not have reached the queue.
--
-- KEYS[1]  prefix:{p}:outbox
-- Reply: id and text in turn

return redis.call('HGETALL', KEYS[1])
