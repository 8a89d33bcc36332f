-- Microseconds since the epoch. ARGV[1]: milliseconds, of a test's clock; empty for the server's own.
local function now_us()
  if ARGV[1] ~= '' then
    return tonumber(ARGV[1]) * 1000
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
