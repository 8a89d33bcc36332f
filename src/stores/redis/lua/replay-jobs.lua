-- Puts dead letters back into the queue, the oldest first, their attempts and their window fresh: a page of them.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  '-inf', or '(' and the place behind which to go on
-- ARGV[4]  the last place, empty at first: what is buried meanwhile stays
-- ARGV[5]  how many to look at
-- ARGV[6…] which are meant: see dead-letter.lua
-- Reply: how many were put back; the place behind which to go on, empty at the end; the last place

-- A job gets another number: it stands behind those that are due.

-- Texts that one call moves.
local MOST_BYTES = 1000000

local last = ARGV[4]
if last == '' then
  last = redis.call('ZREVRANGE', KEYS[1], '0', '0', 'WITHSCORES')[2] or '0'
end
local page = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[3], last, 'WITHSCORES', 'LIMIT', '0', ARGV[5])
local now, wall = text(queue_ms()), text(wall_ms)
local replayed, bytes, i = 0, 0, 1
while i < #page and bytes <= MOST_BYTES do
  local number = page[i]
  local endpoint, id, version, window = read_job(redis.call('HGET', base .. 'jobs', number))
  local letter = words(redis.call('HGET', base .. 'letters', number), 2)
  if is_meant(endpoint, id, letter[2], 6) then
    local again, whole = next_number(), redis.call('HGET', base .. 'texts', number)
    redis.call('ZREM', KEYS[1], number)
    for _, name in ipairs({ 'letters', 'jobs', 'texts' }) do
      redis.call('HDEL', base .. name, number)
    end
    redis.call('HSET', base .. 'jobs', again, job_record(version, window, wall, id, endpoint))
    redis.call('HSET', base .. 'texts', again, whole)
    redis.call('HSET', base .. 'ids', id, again)
    count(endpoint, 'x', -1)
    make_due(again, version, endpoint, now)
    replayed, bytes = replayed + 1, bytes + string.len(whole)
  end
  i = i + 2
end
if replayed > 0 then
  redis.call('SPUBLISH', base .. 'doorbell', '')
end
local place = ''
if i < #page or #page == 2 * tonumber(ARGV[5]) then
  place = page[i - 1]
end
return finish({ replayed, place, last })
