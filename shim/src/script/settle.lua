-- settle.lua: gives back what decisions charged, or charges more, each settle once. Follows
-- act.lua; followed by finish.lua.
--
-- KEYS: for each settle its mark, then its counters; all in one slot in a Cluster.
-- ARGV: for a mark, decision_ms:6; for a counter, a record (count.lua) in which
--   enforce says whether to charge (1) or give back (0), amount how much, and
--   lease_ms, where a lease is given back, the length it was granted for, else 0;
--   flag `last` on the last counter of each settle, flag `more` on all.
-- Returns one string, little-endian: now_ms:6; then for each settle
--   verdict:1    0 not applied, 1 applied, 2 where no period given contains now_ms: nothing was
--                done, and nothing follows
--   remaining:7  in each of its counters
--   at the end the places in KEYS, from 0, whose values were damaged, 4 each.

-- For how long the settle takes effect on KEYS[place], at most an hour; 0 if it does not; nil for a
-- period astray.
local function takes_ms(place, decision_ms)
  local left, _, _, _, _, at_ms, from_ms, to_ms = act(place, 0, held, lives_ms)
  if not left then
    return nil
  end
  local method, charges, _, _, _, amount, _, p, q, _, _, _, lease_ms =
    struct.unpack('<BBBBBI7I7I7I7I7I6I5I5', ARGV[place])
  lease_ms = method == 115 and math.min(lease_ms, p) or 0
  local until_ms, latest_ms = decision_ms + lease_ms + 3600000, at_ms
  if method == 102 then
    latest_ms = to_ms - 1
  end
  if charges == 0 then
    if method == 115 then
      until_ms = math.min(until_ms, decision_ms + lease_ms + p)
    elseif method == 116 then
      until_ms = math.min(until_ms, decision_ms + math.ceil(math.min(amount * p, 2^53) / q))
    elseif decision_ms >= from_ms then
      until_ms = math.min(until_ms, to_ms)
    else
      return 0
    end
  end
  return decision_ms <= latest_ms and at_ms < until_ms and until_ms - now_ms or 0
end

-- Applies the settle whose mark is at `first` and whose last counter is at `last`, if it is the
-- first to arrive and still takes effect on any counter.
local function settle(first, last)
  local mark, decision_ms = KEYS[first], struct.unpack('<I6', ARGV[first])
  local takes, longest_ms = {}, 0
  for place = first + 1, last do
    takes[place] = takes_ms(place, decision_ms)
    if not takes[place] then
      return '\2'
    end
    longest_ms = math.max(longest_ms, takes[place])
  end
  local applied = longest_ms > 0 and not (held[mark] or redis.pcall('GET', mark))
  if applied then
    held[mark], lives_ms[mark] = '1', longest_ms
  end
  local told = applied and '\1' or '\0'
  for place = first + 1, last do
    local op = 0
    if applied and takes[place] > 0 then
      op = ARGV[place]:byte(2) == 1 and 2 or 3
    end
    told = told .. struct.pack('<I7', (act(place, op, held, lives_ms, nil, decision_ms)))
  end
  return told
end

local reply, first = struct.pack('<I6', now_ms), 1
while first <= #KEYS do
  local last = first + 1
  while ARGV[last]:byte(4) == 0 do
    last = last + 1
  end
  reply, first = reply .. settle(first, last), last + 1
end
