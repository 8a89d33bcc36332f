-- A node enters a partition, or enters it again: from now on its batches count from the one behind this number.
--
-- KEYS[1]  prefix:{p}:nodes
-- KEYS[2]  prefix:{p}:last:<node>
-- ARGV[1]  the node
-- ARGV[2]  number of its last batch
-- Reply: the number of the last batch that was applied before it was taken for dead, as text; nothing when it was not

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('GET', KEYS[2])
