-- Strikes a node off the list of nodes: one that is cleaned up after and gave no sign of life meanwhile, or one that leaves.
--
-- KEYS[1]  prefix:{nodes}:channels
-- KEYS[2]  prefix:{nodes}:reapers
-- ARGV[1]  the node
-- ARGV[2]  'leaves', or 'dead'
-- Reply: 1 if it was struck off

if ARGV[2] == 'dead' and redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  return 0
end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])
