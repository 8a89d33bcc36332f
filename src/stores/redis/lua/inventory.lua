-- What a node holds in a partition, to the store's knowledge: a page of it.
--
-- KEYS[1]  prefix:{p}:node:<node>
-- ARGV[1]  prefix:{p}:
-- ARGV[2]  the node
-- ARGV[3]  cursor, '0' at first
-- ARGV[4]  about how many entries
-- Reply: the next cursor, '0' at the end, then for each entry: entry, number, list of user and connections in turn
--
-- What is there all the time comes at least once, perhaps twice.

local base, node = ARGV[1], ARGV[2]
local page = redis.call('SSCAN', KEYS[1], ARGV[3], 'COUNT', ARGV[4])
local reply = { page[1] }
for _, entry in ipairs(page[2]) do
  local kind, place = string.sub(entry, 1, 1), string.sub(entry, 2)
  local number, members = nil, {}
  if kind == 'c' then
    number = redis.call('HGET', base .. 'channel:' .. place, 'n:' .. node)
    members = redis.call('HGETALL', base .. 'held:' .. node .. ':' .. place)
  elseif kind == 'u' then
    number = redis.call('HGET', base .. 'user:' .. place, node)
  else
    number = redis.call('HGET', base .. 'connections:' .. place, node)
  end
  table.insert(reply, entry)
  table.insert(reply, tonumber(number or '0'))
  table.insert(reply, members)
end
return reply
