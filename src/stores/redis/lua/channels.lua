-- Occupied channels of an app in a partition: a page of them.
--
-- KEYS[1]  prefix:{p}:channels:<app>
-- ARGV[1]  prefix:{p}:
-- ARGV[2]  app
-- ARGV[3]  what their names start with
-- ARGV[4]  cursor, '0' at first
-- ARGV[5]  about how many to look at
-- Reply: the next cursor, '0' at the end, then for each channel: name, subscribers, members

local page = redis.call('SSCAN', KEYS[1], ARGV[4], 'COUNT', ARGV[5])
local reply = { page[1] }
local length = string.len(ARGV[3])
for _, channel in ipairs(page[2]) do
  if string.sub(channel, 1, length) == ARGV[3] then
    local place = ARGV[2] .. '/' .. channel
    table.insert(reply, channel)
    table.insert(reply, tonumber(redis.call('HGET', ARGV[1] .. 'channel:' .. place, 't') or '0'))
    table.insert(reply, redis.call('HLEN', ARGV[1] .. 'members:' .. place))
  end
end
return reply
