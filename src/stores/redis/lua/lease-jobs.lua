-- Leases jobs.
--
-- KEYS[1]  prefix:{jobs}:leased
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  for how long, ms
-- ARGV[4…] of each endpoint, those whose turn came last at the end: version, endpoint, how many at most
-- Reply: of each job: number, token as text, version, endpoint, JSON, body or nothing, attempts, spent in ms, wall time of the
-- first attempt or nothing

local now = queue_ms()
local until_ms = string.format('%.0f', now + tonumber(ARGV[3]))
local reply = {}
for i = 4, #ARGV, 3 do
  local version, endpoint = ARGV[i], ARGV[i + 1]
  if redis.call('HEXISTS', base .. 'paused', endpoint) == 0 then
    local line = line_of(version, endpoint)
    local popped = redis.call('ZPOPMIN', line, ARGV[i + 2])
    for place = 1, #popped, 2 do
      local number = popped[place]
      local key = base .. 'job:' .. number
      local token = next_turn()
      redis.call('HSET', key, 'q', 'l', 't', token, 'l', string.format('%.0f', wall_ms))
      redis.call('ZADD', KEYS[1], until_ms, number)
      local job = redis.call('HMGET', key, 'a', 's', 'f')
      table.insert(reply, number)
      table.insert(reply, token)
      table.insert(reply, version)
      table.insert(reply, endpoint)
      table.insert(reply, redis.call('HGET', base .. 'texts', number))
      table.insert(reply, redis.call('HGET', base .. 'bodies', number))
      table.insert(reply, job[1])
      table.insert(reply, job[2])
      table.insert(reply, job[3])
    end
    if #popped > 0 then
      redis.call('HINCRBY', base .. 'load:' .. endpoint, 'l', string.format('%.0f', #popped / 2))
      local app = app_of(endpoint)
      if redis.call('EXISTS', line) == 0 then
        leave_turns(version, endpoint)
      else
        redis.call('ZADD', base .. 'turns:' .. version .. ':' .. app, next_turn(), endpoint)
      end
      if redis.call('ZSCORE', base .. 'apps:' .. version, app) then
        redis.call('ZADD', base .. 'apps:' .. version, next_turn(), app)
      end
    end
  end
end
return reply
