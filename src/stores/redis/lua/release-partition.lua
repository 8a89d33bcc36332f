-- Lets a partition go, so that others may have it at once.
--
-- KEYS[1]  prefix:{p}:owner
-- ARGV[1]  the packager
-- ARGV[2]  its epoch: one that comes late must not end an ownership that has begun since
-- Reply: 1 if it was the packager's

local now = redis.call('HMGET', KEYS[1], 'owner', 'epoch')
if now[1] ~= ARGV[1] or now[2] ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], 'owner', 'until')
return 1
