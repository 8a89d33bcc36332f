-- Puts jobs into the queue.
--
-- KEYS[1]  prefix:{jobs}:ids
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3…] of each job: id, endpoint, version, URL, retry window in ms, since when it waits in wall time (empty: now), its
--          text as it stands in `texts`
-- Reply: 1 for each job that is new, 0 for each whose id the queue or the dead letters have

local now, wall = text(queue_ms()), text(wall_ms)
local reply, records, texts, versions, urls, named = {}, {}, {}, {}, {}, {}
for i = 3, #ARGV, 7 do
  local id, endpoint, version, url = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local number = next_number()
  local isNew = redis.call('HSETNX', KEYS[1], id, number)
  table.insert(reply, isNew)
  if isNew == 1 then
    local since = ARGV[i + 5]
    -- A clock that is ahead must not let it wait for longer.
    if since == '' or tonumber(since) > wall_ms then
      since = wall
    end
    table.insert(records, number)
    table.insert(records, job_record(version, ARGV[i + 4], since, id, endpoint))
    table.insert(texts, number)
    table.insert(texts, ARGV[i + 6])
    make_due(number, version, endpoint, now)
    if not versions[version] then
      versions[version] = true
      redis.call('SADD', base .. 'versions', version)
    end
    if url ~= '' then
      if not urls[endpoint] then
        table.insert(named, endpoint)
      end
      urls[endpoint] = url
    end
  end
end
if #records > 0 then
  redis.call('HSET', base .. 'jobs', unpack(records))
  redis.call('HSET', base .. 'texts', unpack(texts))
end
for _, endpoint in ipairs(named) do
  redis.call('HSET', base .. 'load:' .. endpoint, 'u', urls[endpoint])
end
redis.call('SPUBLISH', base .. 'doorbell', '')
return finish(reply)
