-- Brings jobs of a settlement that has too many for one call. Without the settlement they are nothing, and go by themselves.
--
-- KEYS[1]  prefix:{p}:owner
-- KEYS[2]  prefix:{p}:outbox
-- KEYS[3]  prefix:{p}:outbox:<name>
-- ARGV[1]  the packager
-- ARGV[2]  its epoch
-- ARGV[3]  how many settlements of it were answered, at least
-- ARGV[4]  name of the settlement, which has its jobs in it: the same name is the same jobs
-- ARGV[5]  how long they wait for the settlement, ms
-- ARGV[6]  place of the first job that follows, from 0
-- ARGV[7…] number of jobs that follow, and they
-- Reply: nothing when the partition is another's; else how many of the jobs are there

if not is_owned(ARGV[1], ARGV[2], ARGV[3]) then
  return false
end
if redis.call('SISMEMBER', KEYS[2], ARGV[4]) == 1 then
  return redis.call('LLEN', KEYS[3])
end
local there = append_jobs(KEYS[3], tonumber(ARGV[6]), 7)
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return there
