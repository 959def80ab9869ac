-- peek.lua: what each charge would come to by itself; writes nothing. Follows count.lua.
--
-- KEYS, ARGV: as decide.lua's, each charge a request by itself.
-- Returns: as decide.lua, with 0 or 1 for what would be denied or admitted.

local reply, c = { now_ms }, {}
for place = 1, #KEYS do
  judge(c, record(ARGV[place]), place)
  local size = #reply
  if c.clock then
    reply[size + 1] = 2
  else
    local fits = c.fits and 1 or 0
    reply[size + 1], reply[size + 2], reply[size + 3] = fits, fits, c.remaining
    reply[size + 4], reply[size + 5] = c.reset_ms, c.retry_after_ms
  end
end
for _, place in ipairs(damaged) do
  reply[#reply + 1] = place
end
return reply
