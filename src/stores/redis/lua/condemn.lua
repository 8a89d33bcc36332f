-- A node is dead: from now on others speak for it in this partition, and it does not until it joins again.
--
-- KEYS[1]  prefix:{p}:nodes
-- KEYS[2]  prefix:{p}:node:<node>
-- KEYS[3]  prefix:{p}:last:<node>   string   number of its last batch, for when it lives after all
-- ARGV[1]  the node
-- ARGV[2]  for how long that is kept, ms
-- Reply: 1 if there is, or may be, something of it here

if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 and redis.call('EXISTS', KEYS[2]) == 0 then
  return 0
end
local last = redis.call('HGET', KEYS[1], ARGV[1])
if last and last ~= 'reaping' then
  redis.call('SET', KEYS[3], last, 'PX', ARGV[2])
end
redis.call('HSET', KEYS[1], ARGV[1], 'reaping')
return 1
