-- Whether a dead letter is meant. ARGV from `at` on: '=' and the app, or empty; the same with a webhook, and with a job's id;
-- buried since; buried before.
local function is_meant(endpoint, id, buried_at, at)
  local slash = string.find(endpoint, '/', 1, true)
  return (ARGV[at] == '' or ARGV[at] == '=' .. string.sub(endpoint, 1, slash - 1))
    and (ARGV[at + 1] == '' or ARGV[at + 1] == '=' .. string.sub(endpoint, slash + 1))
    and (ARGV[at + 2] == '' or ARGV[at + 2] == '=' .. id)
    and tonumber(buried_at) >= tonumber(ARGV[at + 3])
    and tonumber(buried_at) < tonumber(ARGV[at + 4])
end
