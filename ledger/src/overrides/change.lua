-- Changes one override and the version, or nothing.
-- KEYS[1]  the hash: counter -> override as JSON, and "version"
-- ARGV[1]  the counter
-- ARGV[2]  the override as JSON; empty to remove it
-- ARGV[3]  the new version
-- ARGV[4]  the maximum number of overrides
-- Returns 1 if anything changed, 0 if not, -1 if the hash is full.
local overrides, counter, value, version = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local most = tonumber(ARGV[4])

if value == '' then
  if redis.call('HDEL', overrides, counter) == 0 then return 0 end
  redis.call('HSET', overrides, 'version', version)
  return 1
end

local old = redis.call('HGET', overrides, counter)
if old == value then return 0 end

local room = most - redis.call('HLEN', overrides) + redis.call('HEXISTS', overrides, 'version')
if not old and room < 1 then
  -- Ended blocks make room.
  local now_ms = tonumber(redis.call('TIME')[1]) * 1000
  local all = redis.call('HGETALL', overrides)
  for at = 1, #all, 2 do
    local until_ms = string.match(all[at + 1], '^{"blocked_until_ms":(%d+)}$')
    if until_ms and tonumber(until_ms) <= now_ms then
      room = room + redis.call('HDEL', overrides, all[at])
    end
  end
  if room < 1 then return -1 end
end
redis.call('HSET', overrides, counter, value, 'version', version)
return 1
