-- top_up.lua: adds to a balance, once. Follows clock.lua.
--
-- KEYS[1]: the counter. KEYS[2]: the top-up's mark, in the same slot.
-- ARGV[1]: amount:7, little-endian.
-- Returns one string, little-endian: now_ms:6, then
--   effect:1  0 repeated, 1 added, 2 too much: all top-ups together may add at most 2^52
--   before:7  the amount that the id was used for before; 0 if it was not
--   added:7   all that the balance was ever topped up by
--   and finally 0:4 if the counter's value was damaged, and was dropped.
-- The values of balances are described in count.lua. A value of another algorithm counts as missing.

local amount = struct.unpack('<I7', ARGV[1])
local value, damaged = redis.pcall('GET', KEYS[1]) or '', ''
local since_ms, used, added = now_ms, 0, 0
if type(value) == 'table' then
  if not value.err:find('WRONGTYPE', 1, true) then
    redis.call('GET', KEYS[1]) -- no permission to read it: fails with that error
  end
  damaged = struct.pack('<I4', 0)
elseif value:byte() == 98 then
  local head
  if #value == 21 then
    head, since_ms, used, added = struct.unpack('<BI6I7I7', value)
  end
  if not head or since_ms > now_ms + 63244800000 or used > 2^53 or added > 2^52 then
    since_ms, used, added, damaged = now_ms, 0, 0, struct.pack('<I4', 0)
  end
end
local effect, before = 1, tonumber(redis.call('GET', KEYS[2]) or 0)
if before > 0 then
  effect = 0
elseif amount > 2^52 - added then
  effect = 2
else
  added = added + amount
  redis.call('SET', KEYS[1], struct.pack('<BI6I7I7', 98, since_ms, used, added))
  redis.call('SET', KEYS[2], string.format('%.0f', amount), 'PX', 7776000000)
end
return struct.pack('<I6BI7I7', now_ms, effect, before, added) .. damaged
