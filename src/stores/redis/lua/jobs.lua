-- What the scripts of the queue have in common. ARGV[2]: prefix:{jobs}:
--
-- prefix:{jobs}:
--   clock                  hash    last, offset: the queue's time never goes back, whatever the server's does
--   number                 string  the last of the numbers that grow for ever: of jobs, leases, turns and burials
--   jobs                   hash    number → '<version> <retry window, ms> <waits since, wall time> <length of its id> <id>' and
--                                  the endpoint right behind that; of dead letters as well
--   texts                  hash    number → '1', its JSON in one line, a line break and its body; or '0' and its JSON
--   tries                  hash    number → '<attempts> <spent, ms> <first attempt, wall time>', where there were any
--   leases                 hash    number → '<token> <since, wall time>' of its last lease; and ' ended' behind that, where
--                                  the job is due again and nobody else has had it
--   letters                hash    number → '<attempts> <buried at, wall time> <reason>' of a dead letter
--   ids                    hash    job id → number, of jobs and dead letters
--   due:<version>:<endpoint>   zset  numbers by the time at which they became due
--   apps:<version>         zset    apps that have jobs to lease, by their last turn
--   turns:<version>:<app>  zset    its endpoints that have, by theirs
--   versions               set     of jobs that have been here
--   delayed, leased        zset    numbers by the time at which they become due
--   endpoints              set     those that have jobs or dead letters, or are paused, and some that had
--   load:<endpoint>        hash    l leased, w delayed, x dead: how many; u URL of its newest job
--   paused                 hash    endpoint → '<since, wall time> <reason>'
--   dead                   zset    numbers in the order of their burial
--   attempts               stream  the delivery log
--   senders                hash    who is alive, and how they fare (report-sender.lua)
--
-- An endpoint that has a job in a line and is not paused has a turn. A script that changes anything ends with `finish`.

-- Of 16 digits, so that they sort as text, in which order the jobs of one moment are leased.
local LEAST_NUMBER = 1000000000000000

local base = ARGV[2]
local wall_us = math.floor(now_us())
local wall_ms = math.floor(wall_us / 1000)
local last_number, any_paused = nil, nil
local changes, change_of = {}, {}

local function text(number)
  return string.format('%.0f', number)
end

-- Milliseconds of the queue's own time.
local function queue_ms()
  local clock = redis.call('HMGET', base .. 'clock', 'last', 'offset')
  local last, offset = tonumber(clock[1] or '0'), tonumber(clock[2] or '0')
  local now = wall_ms + offset
  if now < last then
    redis.call('HSET', base .. 'clock', 'offset', text(offset + last - now))
    return last
  end
  if now > last then
    redis.call('HSET', base .. 'clock', 'last', text(now))
  end
  return now
end

-- It is no number that a server gave out that failed before others heard of it, for the time has gone on since.
local function next_number()
  if not last_number then
    last_number = tonumber(redis.call('GET', base .. 'number') or '0')
  end
  last_number = math.max(last_number + 1, wall_us, LEAST_NUMBER)
  return text(last_number)
end

-- So many more of the endpoint's jobs are there. `place`: l, w or x.
local function count(endpoint, place, change)
  local key = place .. endpoint
  if not change_of[key] then
    change_of[key] = { endpoint = endpoint, place = place, by = 0 }
    table.insert(changes, change_of[key])
  end
  change_of[key].by = change_of[key].by + change
end

-- Writes what is written once for all of the script; answers the reply.
local function finish(reply)
  if last_number then
    redis.call('SET', base .. 'number', text(last_number))
  end
  for _, change in ipairs(changes) do
    if change.by ~= 0 then
      redis.call('HINCRBY', base .. 'load:' .. change.endpoint, change.place, change.by)
    end
  end
  return reply
end

local function app_of(endpoint)
  return string.sub(endpoint, 1, string.find(endpoint, '/', 1, true) - 1)
end

local function line_of(version, endpoint)
  return base .. 'due:' .. version .. ':' .. endpoint
end

local function turns_of(version, app)
  return base .. 'turns:' .. version .. ':' .. app
end

-- The first words of a text, so many of them, and what is behind them.
local function words(line, most)
  local found, from = {}, 1
  for i = 1, most do
    local space = string.find(line, ' ', from, true)
    found[i] = string.sub(line, from, space - 1)
    from = space + 1
  end
  found[most + 1] = string.sub(line, from)
  return found
end

local function job_record(version, window, since, id, endpoint)
  return version .. ' ' .. window .. ' ' .. since .. ' ' .. string.len(id) .. ' ' .. id .. endpoint
end

-- Endpoint, id, version, retry window, since when it waits.
local function read_job(record)
  local part = words(record, 4)
  local length = tonumber(part[4])
  return string.sub(part[5], length + 1), string.sub(part[5], 1, length), part[1], part[2], part[3]
end

local function is_paused(endpoint)
  if any_paused == nil then
    any_paused = redis.call('EXISTS', base .. 'paused') == 1
  end
  return any_paused and redis.call('HEXISTS', base .. 'paused', endpoint) == 1
end

-- The endpoint has something to lease: it stands behind those that wait.
local function enter_turns(version, endpoint)
  local app, turn = app_of(endpoint), next_number()
  redis.call('ZADD', turns_of(version, app), 'NX', turn, endpoint)
  redis.call('ZADD', base .. 'apps:' .. version, 'NX', turn, app)
end

local function leave_turns(version, endpoint)
  local app = app_of(endpoint)
  local turns = turns_of(version, app)
  redis.call('ZREM', turns, endpoint)
  if redis.call('EXISTS', turns) == 0 then
    redis.call('ZREM', base .. 'apps:' .. version, app)
  end
end

-- `at`: the time, as text.
local function make_due(number, version, endpoint, at)
  local line = line_of(version, endpoint)
  redis.call('ZADD', line, at, number)
  if redis.call('ZCARD', line) == 1 then
    redis.call('SADD', base .. 'endpoints', endpoint)
    if not is_paused(endpoint) then
      enter_turns(version, endpoint)
    end
  end
end

-- Takes a job that is due from its line.
local function leave_line(number, version, endpoint)
  local line = line_of(version, endpoint)
  redis.call('ZREM', line, number)
  if redis.call('EXISTS', line) == 0 then
    leave_turns(version, endpoint)
  end
end

-- Takes a job whose lease is settled or renewed from where it is: its lease may have ended.
local function leave_lease(number, lease, version, endpoint)
  if lease[3] then
    leave_line(number, version, endpoint)
  else
    redis.call('ZREM', base .. 'leased', number)
    count(endpoint, 'l', -1)
  end
end

-- Token, since, and something where it has ended.
local function read_lease(record)
  if not record then
    return {}
  end
  local space = string.find(record, ' ', 1, true)
  local ended = string.find(record, ' ', space + 1, true)
  return { string.sub(record, 1, space - 1), string.sub(record, space + 1, (ended or 0) - 1), ended }
end

-- Nothing is left of the jobs: lists of their numbers and ids.
local function forget(numbers, ids)
  if #numbers > 0 then
    for _, name in ipairs({ 'jobs', 'texts', 'tries', 'leases', 'letters' }) do
      redis.call('HDEL', base .. name, unpack(numbers))
    end
    redis.call('HDEL', base .. 'ids', unpack(ids))
  end
end

local function bury(number, endpoint, reason, attempts)
  redis.call('HSET', base .. 'letters', number, attempts .. ' ' .. text(wall_ms) .. ' ' .. reason)
  redis.call('HDEL', base .. 'tries', number)
  redis.call('HDEL', base .. 'leases', number)
  redis.call('ZADD', base .. 'dead', next_number(), number)
  count(endpoint, 'x', 1)
end

-- Makes due what is due by now, at most so much of it; what has been due for longest comes first.
local function wake(now, most)
  for _, place in ipairs({ 'w', 'l' }) do
    local list = base .. (place == 'w' and 'delayed' or 'leased')
    local found = redis.call('ZRANGEBYSCORE', list, '-inf', text(now), 'WITHSCORES', 'LIMIT', '0', most)
    local numbers = {}
    for i = 1, #found, 2 do
      table.insert(numbers, found[i])
    end
    if #numbers > 0 then
      redis.call('ZREM', list, unpack(numbers))
      for i, record in ipairs(redis.call('HMGET', base .. 'jobs', unpack(numbers))) do
        if record then
          local endpoint, _, version = read_job(record)
          count(endpoint, place, -1)
          make_due(numbers[i], version, endpoint, found[2 * i])
        end
      end
    end
    if #numbers > 0 and place == 'l' then
      for i, lease in ipairs(redis.call('HMGET', base .. 'leases', unpack(numbers))) do
        if lease then
          redis.call('HSET', base .. 'leases', numbers[i], lease .. ' ended')
        end
      end
    end
  end
end
