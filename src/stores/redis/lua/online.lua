-- Which of the users are signed in somewhere.
--
-- KEYS  prefix:{p}:user:<app>/<watchers channel> of each
-- Reply: 1 or 0 for each

local reply = {}
for _, key in ipairs(KEYS) do
  table.insert(reply, redis.call('EXISTS', key))
end
return reply
