-- decide.lua: decides a batch of requests in order, each all or nothing. Follows act.lua; followed
-- by finish.lua.
--
-- KEYS: the counters charged, request after request; all in one slot in a Cluster.
-- ARGV: a record for each (count.lua); flag `last` on the last of each request.
-- Returns one string, little-endian: now_ms:6; then for each request
--   verdict:1  0 denied, 1 admitted, 2 where no period given contains now_ms: nothing was charged,
--              and nothing follows
--   and for each of its charges, by itself
--     code:1  0 does not fit, 1 fits, 3 fits and has a lease
--     remaining:7 reset_ms:7 retry_after_ms:7  the first two after the charge and the lease, where
--              it was charged; the last is 2^53 for never
--     granted:7 lasts_ms:7  where it has a lease
--   at the end the places in KEYS, from 0, whose values were damaged, 4 each.

local reply, first = struct.pack('<I6', now_ms), 1
while first <= #KEYS do
  local last = first
  while ARGV[last]:byte(4) == 0 do
    last = last + 1
  end
  -- Each charge that fits is made as it is looked at. If one of several then denies, those made
  -- are undone, and all are told as they were.
  local op, undo, verdict, told = 1, first < last and {} or nil, nil, nil
  repeat
    local again = false
    verdict, told = '\1', ''
    for place = first, last do
      local left, reset_ms, wait_ms, granted, lasts_ms = act(place, op, held, lives_ms, undo)
      if not left then
        verdict, told = '\2', ''
        break
      elseif granted > 0 then
        told = told .. struct.pack('<BI7I7I7I7I7', 3, left, reset_ms, 0, granted, lasts_ms)
      else
        told = told .. struct.pack('<BI7I7I7', wait_ms == 0 and 1 or 0, left, reset_ms, wait_ms)
        if wait_ms > 0 and ARGV[place]:byte(2) == 1 then
          verdict = '\0'
        end
      end
    end
    if undo and op == 1 and verdict ~= '\1' then
      for place = first, last do
        if undo[place] then
          local key = KEYS[place]
          held[key], lives_ms[key] = undo[place], undo[-place]
        end
      end
      op, again = 0, verdict == '\0'
    end
  until not again
  reply, first = reply .. verdict .. told, last + 1
end
