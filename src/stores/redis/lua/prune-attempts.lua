-- Forgets attempts: keeps so many, and none that came before that id.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  how many to keep
-- ARGV[2]  id of the oldest to keep
-- Reply: how many were forgotten

local before = redis.call('XLEN', KEYS[1])
redis.call('XTRIM', KEYS[1], 'MAXLEN', ARGV[1])
redis.call('XTRIM', KEYS[1], 'MINID', ARGV[2])
return before - redis.call('XLEN', KEYS[1])
