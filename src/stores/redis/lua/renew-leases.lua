-- Prolongs leases, also such as have ended if nobody else had the job since.
--
-- KEYS[1]  prefix:{jobs}:leased
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  for how long from now, ms
-- ARGV[4…] number and token of each
-- Reply: 1 for each that holds, 0 for each that is lost

local until_ms = text(queue_ms() + tonumber(ARGV[3]))
local reply = {}
for i = 4, #ARGV, 2 do
  local number, token = ARGV[i], ARGV[i + 1]
  local lease = read_lease(redis.call('HGET', base .. 'leases', number))
  if lease[1] == token then
    if lease[3] then
      local endpoint, _, version = read_job(redis.call('HGET', base .. 'jobs', number))
      leave_lease(number, lease, version, endpoint)
      redis.call('HSET', base .. 'leases', number, token .. ' ' .. lease[2])
      count(endpoint, 'l', 1)
    end
    redis.call('ZADD', KEYS[1], until_ms, number)
    table.insert(reply, 1)
  else
    table.insert(reply, 0)
  end
end
return finish(reply)
