-- A sender says how it fares.
--
-- KEYS[1]  prefix:{jobs}:senders   hash   sender → '<until, ms> <for how long, ms> <its report as JSON>'
-- ARGV[1]  time
-- ARGV[2]  the sender
-- ARGV[3]  for how many milliseconds that holds
-- ARGV[4]  its report as JSON
-- Reply: 1
--
-- The key goes an hour after the last report.

local until_ms = math.floor(now_us() / 1000) + tonumber(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[2], string.format('%.0f', until_ms) .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
redis.call('PEXPIRE', KEYS[1], '3600000')
return 1
