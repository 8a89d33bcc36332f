-- Forgets dead letters over the bounds, the oldest first: a page of them.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  older than so many ms; ARGV[4]  over so many; ARGV[5]  how many to look at
-- Reply: how many were forgotten

local too_many = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
local before = wall_ms - tonumber(ARGV[3])
local numbers, ids = {}, {}
for place, number in ipairs(redis.call('ZRANGE', KEYS[1], '0', text(tonumber(ARGV[5]) - 1))) do
  local letter = words(redis.call('HGET', base .. 'letters', number), 2)
  if place <= too_many or tonumber(letter[2]) < before then
    local endpoint, id = read_job(redis.call('HGET', base .. 'jobs', number))
    redis.call('ZREM', KEYS[1], number)
    count(endpoint, 'x', -1)
    table.insert(numbers, number)
    table.insert(ids, id)
  end
end
forget(numbers, ids)
return finish(#numbers)
