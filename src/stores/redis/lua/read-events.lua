-- Events of a partition that are not settled, oldest first.
--
-- KEYS[1]  prefix:{p}:owner
-- KEYS[2]  prefix:{p}:events
-- KEYS[3]  prefix:{p}:handled   hash   number → '<webhook> <webhook> …'
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  its epoch
-- ARGV[4]  those behind this number
-- ARGV[5]  how many at most
-- Reply: nothing when the partition is another's; else the time in microseconds as text, then of each event: id in the
-- stream, app, event, webhooks for which it is in a job

local owned = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if owned[1] ~= ARGV[2] or owned[2] ~= ARGV[3] then
  return false
end
local reply = { string.format('%.0f', math.floor(now_us())) }
local hasHandled = redis.call('EXISTS', KEYS[3]) == 1
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[4] .. '-0', '+', 'COUNT', ARGV[5])) do
  local id, fields = entry[1], entry[2]
  table.insert(reply, id)
  table.insert(reply, fields[2])
  table.insert(reply, fields[4])
  local number = string.sub(id, 1, string.len(id) - 2)
  table.insert(reply, (hasHandled and redis.call('HGET', KEYS[3], number)) or '')
end
return reply
