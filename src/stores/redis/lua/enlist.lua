-- Puts nodes that partitions know on the list of nodes, if they are not: each has its time from now on to give a sign of life.
--
-- KEYS[1]  prefix:{nodes}:channels
-- ARGV[1]  time
-- ARGV[2…] nodes
-- Reply: how many were not on the list
--
-- A node may be in a partition and not on the list: it was struck off while it was away, or the list was lost, and it died
-- before its next sign of life. Nobody else would find out.

local now = string.format('%.0f', math.floor(now_us() / 1000))
local added = 0
for i = 2, #ARGV do
  added = added + redis.call('ZADD', KEYS[1], 'NX', now, ARGV[i])
end
return added
