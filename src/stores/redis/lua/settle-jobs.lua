-- What became of leased jobs.
--
-- KEYS[1]  prefix:{jobs}:delayed
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3…] of each, of 1,000 at most: number, token, and
--            delivered, '', ''
--            retry, delay in ms, spent in ms
--            returned, delay in ms, ''
--            buried, attempts, reason
-- Reply: 1 for each whose lease held, 0 for each that was lost: that changed nothing
--
-- It runs also when memory is full: it is what frees it.

if #ARGV > 5002 then
  return redis.error_reply('ERR more than 1000 jobs at once')
end

local now = queue_ms()
local all = {}
for i = 3, #ARGV, 5 do
  table.insert(all, ARGV[i])
end
local leases = redis.call('HMGET', base .. 'leases', unpack(all))
local records = redis.call('HMGET', base .. 'jobs', unpack(all))
local reply, numbers, ids, is_settled = {}, {}, {}, {}
for place, number in ipairs(all) do
  local i = 5 * place - 2
  local what = ARGV[i + 2]
  local lease = read_lease(leases[place])
  if lease[1] ~= ARGV[i + 1] or is_settled[number] then
    table.insert(reply, 0)
  else
    is_settled[number] = true
    local endpoint, id, version = read_job(records[place])
    leave_lease(number, lease, version, endpoint)
    if what == 'delivered' then
      table.insert(numbers, number)
      table.insert(ids, id)
    elseif what == 'buried' then
      bury(number, endpoint, ARGV[i + 4], ARGV[i + 3])
    else
      if what == 'retry' then
        local tries = redis.call('HGET', base .. 'tries', number)
        local part = words(tries or ('0 0 ' .. lease[2]), 2)
        redis.call('HSET', base .. 'tries', number, text(tonumber(part[1]) + 1) .. ' ' .. ARGV[i + 4] .. ' ' .. part[3])
      end
      redis.call('HDEL', base .. 'leases', number)
      redis.call('ZADD', KEYS[1], text(now + tonumber(ARGV[i + 3])), number)
      count(endpoint, 'w', 1)
    end
    table.insert(reply, 1)
  end
end
forget(numbers, ids)
return finish(reply)
