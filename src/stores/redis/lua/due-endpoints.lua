-- Who has jobs to lease, in the order of their turns: apps take turns, and the endpoints of an app.
--
-- KEYS[1]  prefix:{jobs}:clock
-- ARGV[1]  time; ARGV[2]  prefix:{jobs}:
-- ARGV[3]  the newest version of jobs that the caller knows
-- ARGV[4]  how many apps at most; ARGV[5]  how many endpoints of an app
-- ARGV[6]  how many that became due are to be brought home at most
-- Reply: of each: version, endpoint, how many jobs it has

wake(queue_ms(), ARGV[6])
local reply = {}
for _, version in ipairs(redis.call('SMEMBERS', base .. 'versions')) do
  if tonumber(version) <= tonumber(ARGV[3]) then
    for _, app in ipairs(redis.call('ZRANGE', base .. 'apps:' .. version, '0', ARGV[4])) do
      local turns = base .. 'turns:' .. version .. ':' .. app
      for _, endpoint in ipairs(redis.call('ZRANGE', turns, '0', ARGV[5])) do
        table.insert(reply, version)
        table.insert(reply, endpoint)
        table.insert(reply, redis.call('ZCARD', line_of(version, endpoint)))
      end
    end
  end
end
return reply
