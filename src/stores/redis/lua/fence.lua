-- Whether the partition, whose owner's key is KEYS[1], is this packager's under that epoch, and the store has as many of its
-- settlements as it was told of: a replica that took over may lack the last ones, and then their events are there again.
local function is_owned(packager, epoch, settlements)
  local owned = redis.call('HMGET', KEYS[1], 'owner', 'epoch', 'settlements')
  return owned[1] == packager and owned[2] == epoch and tonumber(owned[3] or '0') >= tonumber(settlements)
end
