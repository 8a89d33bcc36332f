-- Forgets dead letters over the bounds, the oldest first: a page of them.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  older than so many ms; ARGV[4]  over so many; ARGV[5]  how many to look at
-- Reply: how many were forgotten

local too_many = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
local before = wall_ms - tonumber(ARGV[3])
local forgotten = 0
for place, number in ipairs(redis.call('ZRANGE', KEYS[1], '0', string.format('%.0f', tonumber(ARGV[5]) - 1))) do
  local letter = redis.call('HMGET', base .. 'job:' .. number, 'id', 'e', 'x')
  if place <= too_many or tonumber(letter[3]) < before then
    withdraw(number, 'x', '', letter[2])
    forget(number, letter[1], letter[2])
    forgotten = forgotten + 1
  end
end
return forgotten
