-- Forgets a dead node of which nothing is left in the partition, unless it lives again.
--
-- KEYS[1]  prefix:{p}:nodes
-- KEYS[2]  prefix:{p}:node:<node>
-- ARGV[1]  the node
-- Reply: 1 when nothing is left of it, 0 when there is

if redis.call('HGET', KEYS[1], ARGV[1]) ~= 'reaping' then
  return 1
end
if redis.call('SCARD', KEYS[2]) > 0 then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
