-- Jobs come in slices, each of which may come again. Puts those behind the others that are not there yet; answers how many
-- are there then.
--
-- key     list of texts
-- offset  place of the first of the slice; where those before it are missing nothing is put
-- at      place in ARGV of the length of the slice, behind which are the jobs
local function append_jobs(key, offset, at)
  local there = redis.call('LLEN', key)
  if there < offset then
    return there
  end
  local count = tonumber(ARGV[at])
  for i = there - offset + 1, count do
    redis.call('RPUSH', key, ARGV[at + i])
  end
  return math.max(there, offset + count)
end
