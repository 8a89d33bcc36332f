-- How many attempts of each endpoint were delivered and failed, and the newest: of a page of them, newest first.
--
-- KEYS[1]  prefix:{jobs}:attempts
-- ARGV[1]  '+', or '(' and the id behind which to go on
-- ARGV[2]  how many to look at
-- ARGV[3]  begun at or after, wall time
-- Reply: the id behind which to go on, empty at the end; then a list of each endpoint: delivered, failed, and of its newest
-- attempt time, app, webhook, job, the rest as JSON

local since = tonumber(ARGV[3])
local page = redis.call('XREVRANGE', KEYS[1], ARGV[1], string.format('%.0f', math.floor(since)), 'COUNT', ARGV[2])
local sums, all = {}, {}
for _, entry in ipairs(page) do
  local field = entry[2]
  if tonumber(field[2]) >= since then
    local endpoint = field[4] .. '/' .. field[6]
    local sum = sums[endpoint]
    if not sum then
      sum = { delivered = 0, failed = 0, newest = field }
      sums[endpoint] = sum
      table.insert(all, sum)
    end
    if field[10] == '1' then
      sum.failed = sum.failed + 1
    else
      sum.delivered = sum.delivered + 1
    end
  end
end
local reply = { '' }
if #page == tonumber(ARGV[2]) then
  reply[1] = page[#page][1]
end
for _, sum in ipairs(all) do
  local newest = sum.newest
  table.insert(reply, { sum.delivered, sum.failed, newest[2], newest[4], newest[6], newest[8], newest[12] })
end
return reply
