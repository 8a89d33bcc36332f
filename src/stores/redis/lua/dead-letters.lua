-- Dead letters, newest first: a page of them, as many of it as are meant.
--
-- KEYS[1]  prefix:{jobs}:dead
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  '+inf', or '(' and the place behind which to go on
-- ARGV[4]  how many to look at; ARGV[5]  how many to answer at most
-- ARGV[6…] which are meant: see dead-letter.lua
-- Reply: the place behind which to go on, empty at the end; then a list of each that is meant: id, endpoint, version, its text
-- as it stands in `texts`, attempts, buried at, reason

-- Texts of one answer: whoever asks, asks again.
local MOST_BYTES = 1000000

local page = redis.call('ZRANGE', KEYS[1], ARGV[3], '-inf', 'BYSCORE', 'REV', 'LIMIT', '0', ARGV[4], 'WITHSCORES')
local reply = { '' }
local wanted, bytes = tonumber(ARGV[5]), 0
for i = 1, #page, 2 do
  local endpoint, id, version = read_job(redis.call('HGET', base .. 'jobs', page[i]))
  local letter = words(redis.call('HGET', base .. 'letters', page[i]), 2)
  if is_meant(endpoint, id, letter[2], 6) then
    local text_of_it = redis.call('HGET', base .. 'texts', page[i])
    table.insert(reply, { id, endpoint, version, text_of_it, letter[1], letter[2], letter[3] })
    wanted, bytes = wanted - 1, bytes + string.len(text_of_it)
    if wanted == 0 then
      return reply
    end
  end
  if bytes > MOST_BYTES or (i + 1 == #page and #page == 2 * tonumber(ARGV[4])) then
    reply[1] = page[i + 1]
    return reply
  end
end
return reply
