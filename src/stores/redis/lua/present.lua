-- The nodes that have something in a partition, or may have.
--
-- KEYS[1]  prefix:{p}:nodes
-- Reply: their ids

return redis.call('HKEYS', KEYS[1])
