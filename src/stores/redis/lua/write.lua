-- Writes what one node says about one partition: a batch of operations, all of them or none.
--
-- KEYS[1]  prefix:{p}:nodes
-- ARGV[1]  time
-- ARGV[2]  prefix:{p}:
-- ARGV[3]  the node
-- ARGV[4]  number of the batch; 'reaping' where another node speaks for a dead one
-- ARGV[5]… operations, each a letter and its arguments:
--   H app channel subscribers recording announce cause user info connections maxMembers frame
--       The node holds so many subscribers. recording: 0 nothing, 1 edges, 2 counts too; announce: 1 if subscribers are
--       told counts; both may be empty: as before. user: as JSON, empty for none; info: JSON, may be empty; frame: tells
--       of the member who came (connections > 0) or left.
--   C app channel
--       A count that had to wait may be due now.
--   U app watchersChannel connections frame
--   N app connections
--   E app json           appends an event
--   M app channel json intervalMs    appends a cache miss unless there was one within the interval
--   F app channel        forgets the cache miss
-- Reply: nothing when the store does not know the node, or not all of its batches: it must announce itself. Otherwise a
-- list with a reply for each operation:
--   H  0 when the presence channel is full, and nothing has changed; else {subscribers, wait, user, value, …}: wait is how
--      long a count has to wait, in ms, or -1; members only when one came; value as in the members key
--   N  the app's connections, all nodes together
--   others 1
--
-- Guarantees: a batch is applied once. The one before it must be there (else writes were lost), and one that comes again
-- changes nothing and is answered as before. Edges, what is told of them and what is recorded of them are one step.
--
-- prefix:{p}:
--   nodes                      hash   node → number of its last batch, or 'reaping'
--   node:<node>                set    what it holds: c<app>/<channel>, u<app>/<watchers channel>, n<app>
--   channel:<app>/<channel>    hash   t total; n:<node> its part; r recording; k count recorded last; a announces counts;
--                                     c count announced last; d when, ms; w a count waits
--   channels:<app>             set    occupied channels
--   members:<app>/<channel>    hash   user → '<number of nodes>,<info>'
--   held:<node>:<app>/<channel>  hash   user → connections
--   user:<app>/<watchers channel>, connections:<app>   hash   node → connections; t total
--   counts                     zset   <app>/<channel> by the time at which its count is due
--   events                     stream a app, j event; sequence: number of its last entry
--   miss:<app>/<channel>       string time of the cache miss that was told last, ms

local base = ARGV[2]
local node = ARGV[3]
local number = ARGV[4]
local known = redis.call('HGET', KEYS[1], node)
if not known then
  return false
end
local isRepeated = false
if number == 'reaping' then
  if known ~= 'reaping' then
    return false
  end
else
  local last = tonumber(known)
  if not last or tonumber(number) > last + 1 then
    return false
  end
  isRepeated = tonumber(number) <= last
end

local COUNT_EVERY_CHANGE_UP_TO = 100
local COUNT_INTERVAL_MS = 5000

local sequence = nil
local time = nil

local function timeUs()
  if not time then
    time = now_us()
  end
  return time
end

local function append(app, json)
  if not sequence then
    sequence = tonumber(redis.call('GET', base .. 'sequence') or '0')
  end
  sequence = math.max(sequence + 1, math.floor(timeUs()))
  redis.call('XADD', base .. 'events', string.format('%.0f', sequence) .. '-0', 'a', app, 'j', json)
end

local function announce(app, channel, cause, frame)
  redis.call('SPUBLISH', base .. 'bus:' .. app .. '/' .. channel, 'fr\t' .. cause .. '\n' .. frame)
end

local function memberEvent(name, channel, user)
  return '{"name":"' .. name .. '","channel":"' .. channel .. '","user_id":' .. user .. '}'
end

local function channelEvent(name, channel)
  return '{"name":"' .. name .. '","channel":"' .. channel .. '"}'
end

local function countEvent(channel, count)
  return '{"name":"subscription_count","channel":"'
    .. channel .. '","subscription_count":' .. string.format('%.0f', count) .. '}'
end

local function countFrame(channel, count)
  return '{"event":"pusher_internal:subscription_count","channel":"'
    .. channel .. '","data":"{\\"subscription_count\\":' .. string.format('%.0f', count) .. '}"}'
end

-- How many nodes hold the member, of '<number>,<info>'.
local function nodesOf(value)
  local comma = string.find(value, ',', 1, true)
  return tonumber(string.sub(value, 1, comma - 1)), string.sub(value, comma + 1)
end

-- Tells the count if it is time; answers how long it has to wait, or -1. `state`: c, d, w of the channel.
local function tellCount(key, app, channel, cause, total, recording, state)
  local place = app .. '/' .. channel
  if state.announced == total then
    return -1
  end
  local nowMs = math.floor(timeUs() / 1000)
  local dueMs = state.announcedAtMs + COUNT_INTERVAL_MS
  -- A clock that was set back must not silence the count for long.
  if total > COUNT_EVERY_CHANGE_UP_TO and nowMs < dueMs and nowMs >= state.announcedAtMs then
    if not state.waits then
      redis.call('HSET', key, 'w', '1')
      redis.call('ZADD', base .. 'counts', string.format('%.0f', dueMs), place)
    end
    return dueMs - nowMs
  end
  if state.waits then
    redis.call('HDEL', key, 'w')
    redis.call('ZREM', base .. 'counts', place)
  end
  redis.call('HSET', key, 'c', string.format('%.0f', total), 'd', string.format('%.0f', nowMs))
  announce(app, channel, cause, countFrame(channel, total))
  if recording == '2' then
    redis.call('HSET', key, 'k', string.format('%.0f', total))
    append(app, countEvent(channel, total))
  end
  return -1
end

local function countState(announced, announcedAtMs, waits)
  return {
    announced = tonumber(announced or '-1'),
    announcedAtMs = tonumber(announcedAtMs or '-1000000000'),
    waits = waits and true or false,
  }
end

-- The member came to this node, or left it; answers whether anybody is left.
local function holdMember(i, app, channel, place, isRecorded)
  local cause, user, info = ARGV[i + 6], ARGV[i + 7], ARGV[i + 8]
  local connections, frame = tonumber(ARGV[i + 9]), ARGV[i + 11]
  local members = base .. 'members:' .. place
  local held = base .. 'held:' .. node .. ':' .. place
  local isHeld = redis.call('HEXISTS', held, user) == 1
  if connections > 0 then
    redis.call('HSET', held, user, ARGV[i + 9])
    if isHeld then
      return
    end
    local value = redis.call('HGET', members, user)
    if value then
      local nodes, first = nodesOf(value)
      redis.call('HSET', members, user, string.format('%.0f', nodes + 1) .. ',' .. first)
      return
    end
    redis.call('HSET', members, user, '1,' .. info)
    if isRecorded then
      append(app, memberEvent('member_added', channel, user))
    end
    announce(app, channel, cause, frame)
  elseif isHeld then
    redis.call('HDEL', held, user)
    local value = redis.call('HGET', members, user)
    if not value then
      return
    end
    local nodes, first = nodesOf(value)
    if nodes > 1 then
      redis.call('HSET', members, user, string.format('%.0f', nodes - 1) .. ',' .. first)
      return
    end
    redis.call('HDEL', members, user)
    if isRecorded then
      append(app, memberEvent('member_removed', channel, user))
    end
    announce(app, channel, cause, frame)
  end
end

local function answer(total, waitMs, place, cameMember)
  if not cameMember then
    return { total, waitMs }
  end
  local reply = redis.call('HGETALL', base .. 'members:' .. place)
  table.insert(reply, 1, waitMs)
  table.insert(reply, 1, total)
  return reply
end

local function hold(i)
  local app, channel = ARGV[i + 1], ARGV[i + 2]
  local place = app .. '/' .. channel
  local subscribers = tonumber(ARGV[i + 3])
  local wanted, announces, cause = ARGV[i + 4], ARGV[i + 5], ARGV[i + 6]
  local user = ARGV[i + 7]
  local cameMember = user ~= '' and tonumber(ARGV[i + 9]) > 0
  local key = base .. 'channel:' .. place
  if isRepeated then
    if cameMember and redis.call('HEXISTS', base .. 'held:' .. node .. ':' .. place, user) == 0 then
      return 0
    end
    return answer(tonumber(redis.call('HGET', key, 't') or '0'), -1, place, cameMember)
  end
  if cameMember and redis.call('HEXISTS', base .. 'members:' .. place, user) == 0 then
    if redis.call('HLEN', base .. 'members:' .. place) >= tonumber(ARGV[i + 10]) then
      return 0
    end
  end

  local mine = 'n:' .. node
  local now = redis.call('HMGET', key, mine, 't', 'r', 'k', 'a', 'c', 'd', 'w')
  local before = tonumber(now[1] or '0')
  local totalBefore = tonumber(now[2] or '0')
  local total = totalBefore - before + subscribers
  local recording = now[3]
  local recordedCount = tonumber(now[4] or '0')

  if subscribers > 0 then
    redis.call('HSET', key, mine, ARGV[i + 3], 't', string.format('%.0f', total))
    if before == 0 then
      redis.call('SADD', base .. 'node:' .. node, 'c' .. place)
    end
    if totalBefore == 0 then
      redis.call('SADD', base .. 'channels:' .. app, channel)
    end
  else
    redis.call('SREM', base .. 'node:' .. node, 'c' .. place)
    if before > 0 and total > 0 then
      redis.call('HDEL', key, mine)
      redis.call('HSET', key, 't', string.format('%.0f', total))
    end
  end

  if total > 0 and (wanted == '1' or wanted == '2') then
    if not recording then
      append(app, channelEvent('channel_occupied', channel))
      -- Who was there before anybody asked for a record.
      for _, there in ipairs(redis.call('HKEYS', base .. 'members:' .. place)) do
        append(app, memberEvent('member_added', channel, there))
      end
    end
    if recording ~= wanted then
      redis.call('HSET', key, 'r', wanted)
    end
    recording = wanted
  elseif total > 0 and wanted == '0' and recording == '2' then
    redis.call('HSET', key, 'r', '1')
    recording = '1'
  end

  if user ~= '' then
    holdMember(i, app, channel, place, recording)
  end

  local waitMs = -1
  if total > 0 then
    if announces == '1' and not now[5] then
      redis.call('HSET', key, 'a', '1')
    elseif announces == '0' and now[5] then
      redis.call('HDEL', key, 'a')
    end
    if announces == '1' or (announces == '' and now[5]) then
      local state = countState(now[6], now[7], now[8])
      waitMs = tellCount(key, app, channel, cause, total, recording, state)
    end
  elseif totalBefore > 0 then
    redis.call('DEL', key, base .. 'members:' .. place, base .. 'held:' .. node .. ':' .. place)
    redis.call('SREM', base .. 'channels:' .. app, channel)
    if now[8] then
      redis.call('ZREM', base .. 'counts', place)
    end
    if recording then
      -- A receiver that keeps the count would keep the last one for ever.
      if recordedCount > 0 then
        append(app, countEvent(channel, 0))
      end
      append(app, channelEvent('channel_vacated', channel))
    end
  end
  return answer(total, waitMs, place, cameMember)
end

local function lateCount(i)
  local app, channel = ARGV[i + 1], ARGV[i + 2]
  local place = app .. '/' .. channel
  local key = base .. 'channel:' .. place
  local now = redis.call('HMGET', key, 't', 'r', 'a', 'c', 'd', 'w')
  if not now[6] or not now[3] then
    redis.call('ZREM', base .. 'counts', place)
    if now[6] then
      redis.call('HDEL', key, 'w')
    end
    return 1
  end
  local total = tonumber(now[1])
  if tonumber(now[4]) == total then
    redis.call('HDEL', key, 'w')
    redis.call('ZREM', base .. 'counts', place)
    return 1
  end
  tellCount(key, app, channel, '', total, now[2], countState(now[4], now[5], now[6]))
  return 1
end

-- Says how many the node has; answers the sum before and after.
local function holdSum(key, entry, connections)
  local now = redis.call('HMGET', key, node, 't')
  local before = tonumber(now[1] or '0')
  local totalBefore = tonumber(now[2] or '0')
  local total = totalBefore - before + connections
  if connections > 0 then
    redis.call('HSET', key, node, string.format('%.0f', connections), 't', string.format('%.0f', total))
    if before == 0 then
      redis.call('SADD', base .. 'node:' .. node, entry)
    end
  else
    redis.call('SREM', base .. 'node:' .. node, entry)
    if before == 0 then
      return totalBefore, total
    elseif total > 0 then
      redis.call('HDEL', key, node)
      redis.call('HSET', key, 't', string.format('%.0f', total))
    else
      redis.call('DEL', key)
    end
  end
  return totalBefore, total
end

local function holdUser(i)
  local app, watchers = ARGV[i + 1], ARGV[i + 2]
  local place = app .. '/' .. watchers
  local before, after = holdSum(base .. 'user:' .. place, 'u' .. place, tonumber(ARGV[i + 3]))
  if (before > 0) ~= (after > 0) then
    announce(app, watchers, '', ARGV[i + 4])
  end
end

local function missCache(i)
  local app, channel, interval = ARGV[i + 1], ARGV[i + 2], tonumber(ARGV[i + 4])
  local key = base .. 'miss:' .. app .. '/' .. channel
  local nowMs = math.floor(timeUs() / 1000)
  local told = tonumber(redis.call('GET', key) or '')
  if told and nowMs >= told and nowMs - told < interval then
    return
  end
  redis.call('SET', key, string.format('%.0f', nowMs), 'PX', ARGV[i + 4])
  append(app, ARGV[i + 3])
end

local replies = {}
local i = 5
while i <= #ARGV do
  local operation = ARGV[i]
  local reply = 1
  if operation == 'H' then
    reply = hold(i)
    i = i + 12
  elseif operation == 'C' then
    if not isRepeated then
      lateCount(i)
    end
    i = i + 3
  elseif operation == 'U' then
    if not isRepeated then
      holdUser(i)
    end
    i = i + 5
  elseif operation == 'N' then
    local key = base .. 'connections:' .. ARGV[i + 1]
    if not isRepeated then
      holdSum(key, 'n' .. ARGV[i + 1], tonumber(ARGV[i + 2]))
    end
    reply = tonumber(redis.call('HGET', key, 't') or '0')
    i = i + 3
  elseif operation == 'E' then
    if not isRepeated then
      append(ARGV[i + 1], ARGV[i + 2])
    end
    i = i + 3
  elseif operation == 'M' then
    if not isRepeated then
      missCache(i)
    end
    i = i + 5
  elseif operation == 'F' then
    if not isRepeated then
      redis.call('DEL', base .. 'miss:' .. ARGV[i + 1] .. '/' .. ARGV[i + 2])
    end
    i = i + 3
  else
    return redis.error_reply('ERR unknown operation ' .. operation)
  end
  table.insert(replies, reply)
end

if number ~= 'reaping' and not isRepeated then
  redis.call('HSET', KEYS[1], node, number)
end
if sequence then
  redis.call('SET', base .. 'sequence', string.format('%.0f', sequence))
  redis.call('SPUBLISH', base .. 'doorbell', '')
end
return replies
