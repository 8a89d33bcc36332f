-- Who owns a partition. If it is the packager that asks, it goes on doing so.
--
-- KEYS[1]  prefix:{p}:owner   hash   owner, until (ms): both gone where it is free; epoch; settlements of the owner
-- ARGV[1]  time
-- ARGV[2]  the packager
-- ARGV[3]  for how long, ms
-- Reply: owner, empty where it is free; epoch as text
--
-- An owner whose time is over goes on if nobody has taken the partition meanwhile.

local now = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'until')
local epoch = now[2] or '0'
if not now[1] then
  return { '', epoch }
end
local untilMs = math.floor(now_us() / 1000) + tonumber(ARGV[3])
-- It is for longer than anybody asks where the clock was set back: one that is dead would have the partition as long.
if now[1] == ARGV[2] or tonumber(now[3] or '0') > untilMs then
  redis.call('HSET', KEYS[1], 'until', string.format('%.0f', untilMs))
end
return { now[1], epoch }
