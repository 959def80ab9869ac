-- peek.lua: returns the outcome of each charge by itself, without writing. Follows act.lua.
--
-- KEYS, ARGV: as in decide.lua, with each charge as a separate request.
-- Returns: as in decide.lua.

local told, at = struct.pack('<I6', now_ms), 1
while at <= #records do
  local _, left, reset_ms, wait_ms, granted, given
  at, _, left, reset_ms, wait_ms, granted, _, _, _, _, given = act(at, 0)
  if not left then
    told = told .. '\2'
  elseif wait_ms > 0 then
    told = told .. struct.pack('<BI7I7I7', granted < 0 and 4 or 0, left, reset_ms, wait_ms)
  else
    told = told .. struct.pack('<BI7I7', 1, left, reset_ms)
  end
  if given then
    told = told .. struct.pack('<I7', given)
  end
end
return told .. damaged
