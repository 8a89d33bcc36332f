-- A node enters a partition, or enters it again: from now on its batches count from the one behind this number.
--
-- KEYS[1]  prefix:{p}:nodes
-- ARGV[1]  the node
-- ARGV[2]  number of its last batch
-- Reply: 1

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
