-- Puts jobs into the queue.
--
-- KEYS[1]  prefix:{jobs}:number
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3…] of each job: id, endpoint, version, URL, retry window in ms, since when it waits in wall time (empty: now), JSON,
--          body or empty, 1 if the body stands beside the JSON
-- Reply: 1 for each job that is new, 0 for each whose id the queue or the dead letters have

local reply = {}
local now = queue_ms()
for i = 3, #ARGV, 9 do
  local id, endpoint, version = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  if redis.call('HEXISTS', base .. 'ids', id) == 1 then
    table.insert(reply, 0)
  else
    if redis.call('EXISTS', KEYS[1]) == 0 then
      redis.call('SET', KEYS[1], '1000000000000000')
    end
    local number = string.format('%.0f', redis.call('INCR', KEYS[1]))
    local since = ARGV[i + 5]
    if since == '' then
      since = string.format('%.0f', wall_ms)
    end
    redis.call('HSET', base .. 'job:' .. number, 'id', id, 'e', endpoint, 'v', version,
      'r', ARGV[i + 4], 'w', since, 'a', '0', 's', '0')
    redis.call('HSET', base .. 'texts', number, ARGV[i + 6])
    if ARGV[i + 8] == '1' then
      redis.call('HSET', base .. 'bodies', number, ARGV[i + 7])
    end
    redis.call('HSET', base .. 'ids', id, number)
    redis.call('SADD', base .. 'versions', version)
    redis.call('SADD', base .. 'endpoints', endpoint)
    if ARGV[i + 3] ~= '' then
      redis.call('HSET', base .. 'load:' .. endpoint, 'u', ARGV[i + 3])
    end
    make_due(number, version, endpoint, now)
    table.insert(reply, 1)
  end
end
redis.call('SPUBLISH', base .. 'doorbell', '')
return reply
