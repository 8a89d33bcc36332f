-- These jobs have reached the queue.
--
-- KEYS[1]  prefix:{p}:outbox
-- ARGV     their ids
-- Reply: 1

for _, id in ipairs(ARGV) do
  redis.call('HDEL', KEYS[1], id)
end
return 1
