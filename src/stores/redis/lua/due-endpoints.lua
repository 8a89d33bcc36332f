-- Who has jobs to lease, in the order of their turns: apps take turns, and the endpoints of an app.
--
-- KEYS[1]  prefix:{jobs}:clock
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  the newest version of jobs that the caller knows
-- ARGV[4]  about how many endpoints are wanted
-- ARGV[5]  how many that became due are to be brought home at most
-- Reply: 1 if these are all, 0 if there are more; then a list of each: version, endpoint, how many jobs it has

wake(queue_ms(), ARGV[5])
local wanted = tonumber(ARGV[4])
local reply = { 1 }
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  if tonumber(version) <= tonumber(ARGV[3]) then
    local apps = redis.call('ZRANGE', base .. 'apps:' .. version, '0', text(wanted - 1))
    if redis.call('ZCARD', base .. 'apps:' .. version) > #apps then
      reply[1] = 0
    end
    for _, app in ipairs(apps) do
      local share = math.floor((wanted + #apps - 1) / #apps)
      for place, endpoint in ipairs(redis.call('ZRANGE', turns_of(version, app), '0', text(share))) do
        if place > share then
          reply[1] = 0
        else
          table.insert(reply, { version, endpoint, redis.call('ZCARD', line_of(version, endpoint)) })
        end
      end
    end
  end
end
return finish(reply)
