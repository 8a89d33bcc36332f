-- Puts dead letters back into the queue, the oldest first, their attempts and their window fresh: a page of them.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  '-inf', or '(' and the place behind which to go on
-- ARGV[4]  the last place, empty at first: what is buried meanwhile stays
-- ARGV[5]  how many to look at
-- ARGV[6…] which are meant: see dead-letter.lua
-- Reply: how many were put back; the place behind which to go on, empty at the end; the last place

local last = ARGV[4]
if last == '' then
  last = redis.call('ZREVRANGE', KEYS[1], '0', '0', 'WITHSCORES')[2] or '0'
end
local page = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[3], last, 'WITHSCORES', 'LIMIT', '0', ARGV[5])
local now = text(queue_ms())
local replayed = 0
for i = 1, #page, 2 do
  local number = page[i]
  local endpoint, id, version, window = read_job(redis.call('HGET', base .. 'jobs', number))
  local letter = words(redis.call('HGET', base .. 'letters', number), 2)
  if is_meant(endpoint, id, letter[2], 6) then
    redis.call('ZREM', KEYS[1], number)
    redis.call('HDEL', base .. 'letters', number)
    redis.call('HSET', base .. 'jobs', number, job_record(version, window, text(wall_ms), id, endpoint))
    count(endpoint, 'x', -1)
    make_due(number, version, endpoint, now)
    replayed = replayed + 1
  end
end
if replayed > 0 then
  redis.call('SPUBLISH', base .. 'doorbell', '')
end
local place = ''
if #page == 2 * tonumber(ARGV[5]) then
  place = page[#page]
end
return finish({ replayed, place, last })
