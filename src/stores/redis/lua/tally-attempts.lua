-- How attempts of each sender version ended, and how long they took: of a page of them, newest first.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  '+', or '(' and the id behind which to go on
-- ARGV[2]  how many to look at
-- ARGV[3]  begun at or after, wall time
-- Reply: the id behind which to go on, empty at the end; then of all attempts that agree in result, duration and version: result,
-- duration, the rest of the JSON from the version on, how many they are, when the first and the last of them began
--
-- In JSON a quotation mark behind a comma begins a name, or a text in a list: inside of a text it would have a backslash before
-- it. So what is sought here is found where it is one.

local since = tonumber(ARGV[3])
local page = redis.call('XREVRANGE', KEYS[1], ARGV[1], string.format('%.0f', math.floor(since)), 'COUNT', ARGV[2])
local tally_of, all = {}, {}
for _, entry in ipairs(page) do
  local field = entry[2]
  local at, json = tonumber(field[2]), field[12]
  local _, before_result = string.find(json, ',"result":"', 1, true)
  local _, before_duration = string.find(json, ',"durationMs":', 1, true)
  local before_version = string.find(json, ',"senderVersion":"', 1, true)
  if at >= since and before_result and before_duration and before_version then
    local result = string.sub(json, before_result + 1, string.find(json, '"', before_result + 1, true) - 1)
    local duration = string.sub(json, before_duration + 1, string.find(json, ',', before_duration + 1, true) - 1)
    local rest = string.sub(json, before_version + 1)
    local key = result .. ' ' .. duration .. ' ' .. rest
    local tally = tally_of[key]
    if not tally then
      tally = { result, duration, rest, count = 0, first = field[2], last = field[2] }
      tally_of[key] = tally
      table.insert(all, tally)
    end
    tally.count = tally.count + 1
    if at < tonumber(tally.first) then
      tally.first = field[2]
    end
    if at > tonumber(tally.last) then
      tally.last = field[2]
    end
  end
end
local reply = { '' }
if #page == tonumber(ARGV[2]) then
  reply[1] = page[#page][1]
end
for _, tally in ipairs(all) do
  table.insert(reply, { tally[1], tally[2], tally[3], tally.count, tally.first, tally.last })
end
return reply
