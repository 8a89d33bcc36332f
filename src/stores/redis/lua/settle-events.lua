-- What becomes of events, in one step: the jobs that were made of them are noted, and events are gone or marked.
--
-- KEYS[1]  prefix:{p}:owner
-- KEYS[2]  prefix:{p}:events
-- KEYS[3]  prefix:{p}:handled
-- KEYS[4]  prefix:{p}:outbox   hash   job id → job, on its way to the queue
-- ARGV[1]  the packager
-- ARGV[2]  its epoch
-- ARGV[3…] lists, each behind its length: numbers of events that are settled; number and webhook in turn of events that are
--          in a job for it; ids of jobs that have reached the queue; id and text in turn of jobs
-- Reply: nothing when the partition is another's; else ids of those of the jobs that are in the outbox
--
-- Guarantees: jobs are noted if any of the events changed by this, so a settlement that is repeated adds nothing.

local owned = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if owned[1] ~= ARGV[1] or owned[2] ~= ARGV[2] then
  return false
end

local at = 3
local isNew = false

local count = tonumber(ARGV[at])
for i = at + 1, at + count do
  if redis.call('XDEL', KEYS[2], ARGV[i] .. '-0') == 1 then
    isNew = true
  end
  redis.call('HDEL', KEYS[3], ARGV[i])
end
at = at + count + 1

count = tonumber(ARGV[at])
for i = at + 1, at + count, 2 do
  local number, webhook = ARGV[i], ARGV[i + 1]
  local isThere = #redis.call('XRANGE', KEYS[2], number .. '-0', number .. '-0') > 0
  local marks = redis.call('HGET', KEYS[3], number)
  local isMarked = marks and string.find(' ' .. marks .. ' ', ' ' .. webhook .. ' ', 1, true)
  if isThere and not isMarked then
    isNew = true
    redis.call('HSET', KEYS[3], number, marks and (marks .. ' ' .. webhook) or webhook)
  end
end
at = at + count + 1

count = tonumber(ARGV[at])
for i = at + 1, at + count do
  redis.call('HDEL', KEYS[4], ARGV[i])
end
at = at + count + 1

count = tonumber(ARGV[at])
local reply = {}
for i = at + 1, at + count, 2 do
  if isNew then
    redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1])
    table.insert(reply, ARGV[i])
  elseif redis.call('HEXISTS', KEYS[4], ARGV[i]) == 1 then
    table.insert(reply, ARGV[i])
  end
end
return reply
