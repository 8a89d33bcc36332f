-- The number of the node's last batch that the partition has, as text; nothing when the node is unknown here.
--
-- KEYS[1]  prefix:{p}:nodes
-- ARGV[1]  the node

return redis.call('HGET', KEYS[1], ARGV[1])
