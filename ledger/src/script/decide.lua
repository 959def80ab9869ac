-- decide.lua: decides a batch of requests in order, each all or nothing. Follows act.lua; followed
-- by finish.lua.
--
-- KEYS: the counters charged, each once, and the refusals of those with blocks; on a Cluster, all in
-- one slot.
-- ARGV[1]: a record for each charge (see count.lua), request after request; flag `last` on the last
-- record of each request.
-- Returns one string, little-endian: now_ms:6, then for each charge, by itself
--   code:1  0 does not fit, 1 fits, 3 fits and has a lease, 4 does not fit because the counter is
--           blocked for repeated refusals; or 2 in place of all charges of a request: no period
--           given contains now_ms, so nothing was charged and no fields follow
--   remaining:7 reset_ms:7  after the charge and the lease, if the request was admitted
--   retry_after_ms:7        if it does not fit; 2^53 for never
--   granted:7 lasts_ms:7    if it has a lease
--   given:7                 of a balance: all that was ever given
--   and finally the places in KEYS of damaged values, counted from 0, 4 bytes each.
-- A request is admitted if all its charges with flag `enforce` fit.

local pack = struct.pack
-- The parts of the reply, and how many of them are valid.
local told, count, at = {pack('<I6', now_ms), ''}, 1, 1
while at <= #records do
  -- Each charge that fits is made right away. If a later one of the request denies, those made are
  -- undone, and all are reported as they were.
  local first, before, op, denied, astray = at, count, 1, false, false
  local undo, ends = records:byte(at) % 8 < 4 and {} or nil, false
  repeat
    local flags, left, reset_ms, wait_ms, granted, lasts_ms, _, given
    at, flags, left, reset_ms, wait_ms, granted, lasts_ms, _, _, _, given =
      act(at, op, undo, nil, true)
    count, ends = count + 1, flags % 8 > 3
    if not left then
      op, astray = 0, true
    elseif wait_ms > 0 then
      told[count] = pack('<BI7I7I7', granted < 0 and 4 or 0, left, reset_ms, wait_ms)
      denied = denied or flags % 2 == 1
    elseif granted > 0 then
      told[count] = pack('<BI7I7I7I7', 3, left, reset_ms, granted, lasts_ms)
    else
      told[count] = pack('<BI7I7', 1, left, reset_ms)
    end
    if given then
      told[count] = told[count] .. pack('<I7', given)
    end
    if undo and ends and (denied and op == 1 or astray) then
      for place, value in pairs(undo) do
        if place > 0 then
          held[place], lives_ms[place] = value, undo[-place]
        end
      end
      if not astray then
        at, count, op, ends = first, before, 0, false
      end
    end
  until ends
  if astray then
    count = before + 1
    told[count] = '\2'
  end
end
local reply = table.concat(told, '', 1, count)
