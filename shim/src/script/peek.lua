-- peek.lua: what each charge would come to by itself; writes nothing. Follows act.lua.
--
-- KEYS, ARGV: as decide.lua's, each charge a request by itself.
-- Returns: as decide.lua, with 0 or 1 for what would be denied or admitted.

local reply, damaged = struct.pack('<I6', now_ms), ''
for place = 1, #KEYS do
  local left, reset_ms, wait_ms = act(place, 0, held, lives_ms)
  if left then
    local fits = wait_ms == 0 and 1 or 0
    reply = reply .. struct.pack('<BBI7I7I7', fits, fits, left, reset_ms, wait_ms)
  else
    reply = reply .. '\2'
  end
  if held[place] then
    damaged = damaged .. struct.pack('<I4', place - 1)
  end
end
return reply .. damaged
