-- What the scripts of the queue have in common. ARGV[2]: prefix:{jobs}:
--
-- prefix:{jobs}:
--   clock                  hash    last, offset: the queue's time never goes back, whatever the server's does
--   number, turn           string  counters: of jobs (16 digits, so that they sort as text), of turns and leases
--   job:<number>           hash    id; e endpoint; v version; r retry window, ms; w waits since, wall time;
--                                  a attempts; s spent, ms; f first attempt, wall time; t token; l leased at, wall time;
--                                  q where it is: d due, l leased, w delayed, x dead; of the dead: z reason, x buried at
--   texts, bodies          hash    number → the job's JSON, and its body where that stands beside it
--   ids                    hash    job id → number, of jobs and dead letters
--   due:<version>:<endpoint>   zset  numbers by the time at which they became due
--   apps:<version>         zset    apps that have jobs to lease, by their last turn
--   turns:<version>:<app>  zset    its endpoints that have, by theirs
--   versions               set     of jobs that have been here
--   delayed, leased        zset    numbers by the time at which they become due
--   endpoints              set     those that have jobs or dead letters, or are paused
--   load:<endpoint>        hash    l leased, w delayed, x dead: how many; u URL of its newest job
--   paused                 hash    endpoint → '<since, wall time> <reason>'
--   dead                   zset    numbers in the order of their burial
--   attempts               stream  the delivery log

local base = ARGV[2]
local wall_ms = math.floor(now_us() / 1000)

-- Milliseconds of the queue's own time.
local function queue_ms()
  local clock = redis.call('HMGET', base .. 'clock', 'last', 'offset')
  local last, offset = tonumber(clock[1] or '0'), tonumber(clock[2] or '0')
  local now = wall_ms + offset
  if now < last then
    redis.call('HSET', base .. 'clock', 'offset', string.format('%.0f', offset + last - now))
    now = last
  end
  redis.call('HSET', base .. 'clock', 'last', string.format('%.0f', now))
  return now
end

local function app_of(endpoint)
  return string.sub(endpoint, 1, string.find(endpoint, '/', 1, true) - 1)
end

local function line_of(version, endpoint)
  return base .. 'due:' .. version .. ':' .. endpoint
end

local function next_turn()
  return string.format('%.0f', redis.call('INCR', base .. 'turn'))
end

-- The endpoint has something to lease: it stands behind those that wait.
local function enter_turns(version, endpoint)
  local app = app_of(endpoint)
  redis.call('ZADD', base .. 'turns:' .. version .. ':' .. app, 'NX', next_turn(), endpoint)
  redis.call('ZADD', base .. 'apps:' .. version, 'NX', next_turn(), app)
end

local function leave_turns(version, endpoint)
  local app = app_of(endpoint)
  redis.call('ZREM', base .. 'turns:' .. version .. ':' .. app, endpoint)
  if redis.call('EXISTS', base .. 'turns:' .. version .. ':' .. app) == 0 then
    redis.call('ZREM', base .. 'apps:' .. version, app)
  end
end

local function make_due(number, version, endpoint, at_ms)
  redis.call('ZADD', line_of(version, endpoint), string.format('%.0f', at_ms), number)
  redis.call('HSET', base .. 'job:' .. number, 'q', 'd')
  if redis.call('HEXISTS', base .. 'paused', endpoint) == 0 then
    enter_turns(version, endpoint)
  end
end

-- Takes the job from where it is.
local function withdraw(number, place, version, endpoint)
  if place == 'd' then
    redis.call('ZREM', line_of(version, endpoint), number)
    if redis.call('EXISTS', line_of(version, endpoint)) == 0 then
      leave_turns(version, endpoint)
    end
  elseif place == 'l' then
    redis.call('ZREM', base .. 'leased', number)
    redis.call('HINCRBY', base .. 'load:' .. endpoint, 'l', '-1')
  elseif place == 'w' then
    redis.call('ZREM', base .. 'delayed', number)
    redis.call('HINCRBY', base .. 'load:' .. endpoint, 'w', '-1')
  elseif place == 'x' then
    redis.call('ZREM', base .. 'dead', number)
    redis.call('HINCRBY', base .. 'load:' .. endpoint, 'x', '-1')
  end
end

local function due_count(endpoint)
  local count = 0
  for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
    count = count + redis.call('ZCARD', line_of(version, endpoint))
  end
  return count
end

local function forget_if_empty(endpoint)
  if redis.call('HEXISTS', base .. 'paused', endpoint) == 1 or due_count(endpoint) > 0 then
    return
  end
  for _, count in ipairs(redis.call('HMGET', base .. 'load:' .. endpoint, 'l', 'w', 'x')) do
    if count and count ~= '0' then
      return
    end
  end
  redis.call('DEL', base .. 'load:' .. endpoint)
  redis.call('SREM', base .. 'endpoints', endpoint)
end

-- Nothing is left of the job.
local function forget(number, id, endpoint)
  redis.call('DEL', base .. 'job:' .. number)
  redis.call('HDEL', base .. 'texts', number)
  redis.call('HDEL', base .. 'bodies', number)
  redis.call('HDEL', base .. 'ids', id)
  forget_if_empty(endpoint)
end

local function bury(number, endpoint, reason, attempts)
  redis.call('HSET', base .. 'job:' .. number, 'q', 'x', 'z', reason, 'a', attempts,
    'x', string.format('%.0f', wall_ms))
  redis.call('HDEL', base .. 'job:' .. number, 't')
  redis.call('ZADD', base .. 'dead', next_turn(), number)
  redis.call('HINCRBY', base .. 'load:' .. endpoint, 'x', '1')
end

-- Makes due what is due by now, at most so much of it.
local function wake(now_ms, most)
  for _, waiting in ipairs({ 'delayed', 'leased' }) do
    local reply = redis.call('ZRANGEBYSCORE', base .. waiting, '-inf', string.format('%.0f', now_ms),
      'WITHSCORES', 'LIMIT', '0', most)
    for i = 1, #reply, 2 do
      local number = reply[i]
      local job = redis.call('HMGET', base .. 'job:' .. number, 'q', 'v', 'e')
      if job[1] then
        withdraw(number, job[1], job[2], job[3])
        make_due(number, job[2], job[3], tonumber(reply[i + 1]))
      else
        redis.call('ZREM', base .. waiting, number)
      end
    end
  end
end
