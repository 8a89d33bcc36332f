-- The last event of a cache channel, and how long it will still live, ms; nothing when there is none.
--
-- KEYS[1]  prefix:{p}:cache:<app>/<channel>

local event = redis.call('GET', KEYS[1])
if not event then
  return false
end
return { event, redis.call('PTTL', KEYS[1]) }
