-- What the senders say that are alive. Those that have not said anything for too long are forgotten.
--
-- KEYS[1]  prefix:{jobs}:senders
-- ARGV[1]  time
-- Reply: the reports, as JSON
--
-- A report that holds for longer than it was given for is of before the clock was set back.

local now = math.floor(now_us() / 1000)
local all = redis.call('HGETALL', KEYS[1])
local reply = {}
for i = 1, #all, 2 do
  local record = all[i + 1]
  local first = string.find(record, ' ', 1, true)
  local second = string.find(record, ' ', first + 1, true)
  local left = tonumber(string.sub(record, 1, first - 1)) - now
  if left > 0 and left <= tonumber(string.sub(record, first + 1, second - 1)) then
    table.insert(reply, string.sub(record, second + 1))
  else
    redis.call('HDEL', KEYS[1], all[i])
  end
end
return reply
