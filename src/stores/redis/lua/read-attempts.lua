-- Attempts, newest first: a page.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  '+', or '(' and the id of the last one that is known
-- ARGV[2]  how many
-- Reply: id and JSON of each

local reply = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])) do
  table.insert(reply, entry[1])
  table.insert(reply, entry[2][2])
end
return reply
