-- What becomes of events, in one step: their jobs are in the outbox, and they are gone or marked.
--
-- KEYS[1]  prefix:{p}:owner
-- KEYS[2]  prefix:{p}:events
-- KEYS[3]  prefix:{p}:handled
-- KEYS[4]  prefix:{p}:outbox          set    names of settlements whose jobs may not be in the queue yet
-- ARGV[1]  the packager
-- ARGV[2]  its epoch
-- ARGV[3]  how many settlements of it were answered, at least
-- ARGV[4]  prefix:{p}:outbox:         behind it a name: list of the settlement's jobs
-- ARGV[5]  name of the settlement, which has its jobs in it; empty where it has none
-- ARGV[6]  how many jobs it has
-- ARGV[7]  place of the first job that follows, from 0: those before it were staged
-- ARGV[8…] lists, each behind its length: jobs; numbers of events that are settled; number and webhook in turn of events that
--          are in a job for it; names of settlements whose jobs have reached the queue
-- Reply: nothing when the partition is another's, or the store lacks settlements of this one. Else how many settlements of
-- it there are, and
--   noted    the jobs are in the outbox
--   reached  the settlement has no jobs, or was made before and they have reached the queue
--   unstaged staged jobs are missing; nothing has changed
--
-- Guarantees: a settlement that is repeated notes its jobs once, for they are noted if it changed any event. Where all its
-- events are lost, its jobs are none.

if not is_owned(ARGV[1], ARGV[2], ARGV[3]) then
  return false
end
local base, name = ARGV[4], ARGV[5]
local jobs_at = 8
local settled_at = jobs_at + tonumber(ARGV[jobs_at]) + 1
local handled_at = settled_at + tonumber(ARGV[settled_at]) + 1
local reached_at = handled_at + tonumber(ARGV[handled_at]) + 1

for i = reached_at + 1, reached_at + tonumber(ARGV[reached_at]) do
  redis.call('DEL', base .. ARGV[i])
  redis.call('SREM', KEYS[4], ARGV[i])
end

local isNoted = name ~= '' and redis.call('SISMEMBER', KEYS[4], name) == 1
if name ~= '' and not isNoted then
  if append_jobs(base .. name, tonumber(ARGV[7]), jobs_at) < tonumber(ARGV[6]) then
    return { tonumber(ARGV[3]), 'unstaged' }
  end
end

local isNew = false
for i = settled_at + 1, handled_at - 1 do
  if redis.call('XDEL', KEYS[2], ARGV[i] .. '-0') == 1 then
    isNew = true
  end
  redis.call('HDEL', KEYS[3], ARGV[i])
end
for i = handled_at + 1, reached_at - 1, 2 do
  local number, webhook = ARGV[i], ARGV[i + 1]
  local isThere = #redis.call('XRANGE', KEYS[2], number .. '-0', number .. '-0') > 0
  local marks = redis.call('HGET', KEYS[3], number)
  local isMarked = marks and string.find(' ' .. marks .. ' ', ' ' .. webhook .. ' ', 1, true)
  if isThere and not isMarked then
    isNew = true
    redis.call('HSET', KEYS[3], number, marks and (marks .. ' ' .. webhook) or webhook)
  end
end

if name ~= '' and not isNoted then
  if isNew then
    isNoted = true
    redis.call('PERSIST', base .. name)
    redis.call('SADD', KEYS[4], name)
  else
    redis.call('DEL', base .. name)
  end
end
local settlements = redis.call('HINCRBY', KEYS[1], 'settlements', '1')
return { settlements, isNoted and 'noted' or 'reached' }
