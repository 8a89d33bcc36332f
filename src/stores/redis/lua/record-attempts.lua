-- Adds attempts to the delivery log.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  about how many to keep; empty: all
-- ARGV[2…] of each: wall time of its start in ms, app, webhook, job, 1 if it failed, the rest as JSON
-- Reply: 1
--
-- Its id in the stream begins with its time, or that of the attempt before it where that is later. The fields of all are in
-- one order: t, a, w, i, f, j.

local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', '1')
local ms, rank = 0, 0
if #last > 0 then
  local id = last[1][1]
  local dash = string.find(id, '-', 1, true)
  ms, rank = tonumber(string.sub(id, 1, dash - 1)), tonumber(string.sub(id, dash + 1))
end
for i = 2, #ARGV, 6 do
  local at = math.floor(tonumber(ARGV[i]))
  if at > ms then
    ms, rank = at, 0
  else
    rank = rank + 1
  end
  redis.call('XADD', KEYS[1], string.format('%.0f', ms) .. '-' .. string.format('%.0f', rank), 't', ARGV[i],
    'a', ARGV[i + 1], 'w', ARGV[i + 2], 'i', ARGV[i + 3], 'f', ARGV[i + 4], 'j', ARGV[i + 5])
end
if ARGV[1] ~= '' then
  redis.call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[1])
end
return 1
