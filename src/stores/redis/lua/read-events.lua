-- Events of a partition that are not settled, oldest first.
--
-- KEYS[1]  prefix:{p}:owner
-- KEYS[2]  prefix:{p}:events     stream   <number>-0 → a app, j event as JSON
-- KEYS[3]  prefix:{p}:sequence   string   number of the event that was appended last
-- KEYS[4]  prefix:{p}:handled    hash     number → '<webhook> <webhook> …'
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  its epoch
-- ARGV[4]  how many settlements of it were answered, at least
-- ARGV[5]  those behind this number, one that the packager has seen, or 0
-- ARGV[6]  how many at most
-- Reply: nothing when the partition is another's, or the store lacks what the packager has seen of it: it must begin anew.
-- Else the time in microseconds as text, then of each event: number, app, event, webhooks for which it is in a job

if not is_owned(ARGV[2], ARGV[3], ARGV[4]) then
  return false
end
if tonumber(redis.call('GET', KEYS[3]) or '0') < tonumber(ARGV[5]) then
  return false
end
local reply = { string.format('%.0f', math.floor(now_us())) }
local hasHandled = redis.call('EXISTS', KEYS[4]) == 1
for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. ARGV[5] .. '-0', '+', 'COUNT', ARGV[6])) do
  local id, fields = entry[1], entry[2]
  local number = string.sub(id, 1, string.len(id) - 2)
  table.insert(reply, number)
  table.insert(reply, fields[2])
  table.insert(reply, fields[4])
  table.insert(reply, (hasHandled and redis.call('HGET', KEYS[4], number)) or '')
end
return reply
