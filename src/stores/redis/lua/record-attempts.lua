-- Adds attempts to the delivery log.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV     of each: wall time of its start in ms, and the attempt as JSON
-- Reply: 1
--
-- Its id in the stream begins with its time, or that of the attempt before it where that is later.

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')
local ms, rank = 0, 0
if #last > 0 then
  local id = last[1][1]
  local dash = string.find(id, '-', 1, true)
  ms, rank = tonumber(string.sub(id, 1, dash - 1)), tonumber(string.sub(id, dash + 1))
end
for i = 1, #ARGV, 2 do
  local at = tonumber(ARGV[i])
  if at > ms then
    ms, rank = at, 0
  else
    rank = rank + 1
  end
  redis.call('XADD', KEYS[1], string.format('%.0f', ms) .. '-' .. string.format('%.0f', rank), 'j', ARGV[i + 1])
end
return 1
