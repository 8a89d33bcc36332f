-- All jobs of these settlements have reached the queue. Whoever knows that may say so at any time, the owner or not.
--
-- KEYS[1]  prefix:{p}:outbox
-- ARGV[1]  prefix:{p}:outbox:
-- ARGV[2…] names
-- Reply: 1

for i = 2, #ARGV do
  redis.call('DEL', ARGV[1] .. ARGV[i])
  redis.call('SREM', KEYS[1], ARGV[i])
end
return 1
