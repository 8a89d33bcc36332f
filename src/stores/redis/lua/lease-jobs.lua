-- Leases jobs: of each endpoint those that have been due for longest.
--
-- KEYS[1]  prefix:{jobs}:leased
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  for how long, ms
-- ARGV[4…] of each endpoint, those whose turn came last at the end: version, endpoint, how many at most; 1,000 in all
-- Reply: a list of each job: number, token as text, its text as it stands in `texts`, and its tries as they do or nothing

local most = 0
for i = 4, #ARGV, 3 do
  most = most + tonumber(ARGV[i + 2])
end
if most > 1000 then
  return redis.error_reply('ERR more than 1000 jobs at once')
end

local until_ms, wall = text(queue_ms() + tonumber(ARGV[3])), text(wall_ms)
local numbers, tokens, leases, ends = {}, {}, {}, {}
for i = 4, #ARGV, 3 do
  local version, endpoint = ARGV[i], ARGV[i + 1]
  local line = line_of(version, endpoint)
  local popped = {}
  if not is_paused(endpoint) then
    popped = redis.call('ZPOPMIN', line, ARGV[i + 2])
  end
  if #popped > 0 then
    count(endpoint, 'l', #popped / 2)
    local app, turn = app_of(endpoint), next_number()
    if redis.call('EXISTS', line) == 0 then
      leave_turns(version, endpoint)
    else
      redis.call('ZADD', turns_of(version, app), turn, endpoint)
    end
    redis.call('ZADD', base .. 'apps:' .. version, 'XX', turn, app)
  end
  for place = 1, #popped, 2 do
    local number, token = popped[place], next_number()
    table.insert(numbers, number)
    table.insert(tokens, token)
    table.insert(leases, number)
    table.insert(leases, token .. ' ' .. wall)
    table.insert(ends, until_ms)
    table.insert(ends, number)
  end
end

local reply = {}
if #numbers > 0 then
  redis.call('HSET', base .. 'leases', unpack(leases))
  redis.call('ZADD', KEYS[1], unpack(ends))
  local texts = redis.call('HMGET', base .. 'texts', unpack(numbers))
  local tries = redis.call('HMGET', base .. 'tries', unpack(numbers))
  for place, number in ipairs(numbers) do
    table.insert(reply, { number, tokens[place], texts[place], tries[place] })
  end
end
return finish(reply)
