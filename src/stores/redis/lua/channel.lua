-- The state of a channel.
--
-- KEYS[1]  prefix:{p}:channel:<app>/<channel>
-- KEYS[2]  prefix:{p}:members:<app>/<channel>
-- Reply: subscribers, then user and value of each member

local reply = redis.call('HGETALL', KEYS[2])
table.insert(reply, 1, tonumber(redis.call('HGET', KEYS[1], 't') or '0'))
return reply
