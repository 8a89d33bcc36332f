-- A node is dead: from now on others speak for it in this partition, and it does not until it joins again.
--
-- KEYS[1]  prefix:{p}:nodes
-- KEYS[2]  prefix:{p}:node:<node>
-- ARGV[1]  the node
-- Reply: 1 if there is, or may be, something of it here

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], 'reaping')
return 1
