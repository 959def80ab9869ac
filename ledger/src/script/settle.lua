-- settle.lua: gives back what decisions charged, or charges more, each settle once. Follows
-- act.lua; followed by finish.lua.
--
-- KEYS: the settles' marks and counters, each once; all in one slot in a Cluster.
-- ARGV[1]: for each settle place:4 of its mark and decision_ms:6; then for each of its counters a
--   record (count.lua) in which
--   enforce says whether to charge (1) or give back (0), amount how much, and
--   lease_ms, where a lease is given back, the length it was granted for, else 0;
--   where a settle is of a lease alone, amount is how much has been given back of it in all. The
--   mark holds that number, and only what exceeds it is given back; other marks hold 1;
--   flag `last` on the last counter of each settle, flag `more` on all.
-- Returns one string, little-endian: now_ms:6; then for each settle
--   verdict:1    0 not applied, 1 applied, 2 where no period given contains now_ms: nothing was
--                done, and nothing follows
--   remaining:7  in each of its counters
--   at the end the places in KEYS, from 0, whose values were damaged, 4 each.

-- For how long the settle takes effect on the counter whose record begins at `at`, at most an hour;
-- 0 if it does not; nil for a period astray. Returns also where the next record begins, and flags.
local function takes_ms(at, decision_ms)
  local following, flags, left, _, _, _, _, at_ms, from_ms, to_ms = act(at, 0)
  if not left then
    return nil, following, flags
  end
  local _, _, method, amount, _, p, q = struct.unpack('<BI4BI7I7I7', records, at)
  local lease_ms, until_ms, latest_ms = 0, decision_ms + 3600000, at_ms
  if method == 115 then
    lease_ms = struct.unpack('<I5', records, following - 5)
    lease_ms = math.min(lease_ms, math.max(math.floor(p / 32), 1))
    until_ms = until_ms + lease_ms
  elseif method == 102 then
    latest_ms = to_ms - 1
  end
  if flags % 2 == 0 then
    if method == 115 then
      until_ms = math.min(until_ms, decision_ms + lease_ms + p)
    elseif method == 116 then
      q = struct.unpack('<I7', records, q)
      local flows_in_ms = math.ceil(math.min(amount * p, 2^53) / q)
      until_ms = math.min(until_ms, decision_ms + math.max(flows_in_ms, 300000))
    elseif decision_ms >= from_ms then
      until_ms = math.min(until_ms, to_ms)
    else
      until_ms = 0
    end
  end
  local takes = decision_ms <= latest_ms and at_ms < until_ms
  return takes and until_ms - now_ms or 0, following, flags
end

-- Applies the settle that begins at `first`, if it is the first to arrive and still takes effect on
-- any counter. Returns what is told of it, and where the next begins.
local function settle(first)
  local mark, decision_ms, counters = struct.unpack('<I4I6', records, first)
  local known = held[mark] or redis.pcall('GET', KEYS[mark])
  local bits, _, method, given_back = struct.unpack('<BI4BI7', records, counters)
  if bits % 8 ~= 4 and bits % 8 ~= 6
    or struct.unpack('<I5', records, counters + (method == 115 and 38 or 52)) == 0 then
    given_back = 1
  end
  local is_new = not known or given_back > (tonumber(known) or 2^53)
  if known and is_new then
    records = records:sub(1, counters + 5) .. struct.pack('<I7', given_back - tonumber(known))
      .. records:sub(counters + 13)
  end
  local takes, longest_ms, astray, at, flags = {}, 0, false, counters, 0
  while flags % 8 < 4 do
    local takes_it_ms
    takes_it_ms, at, flags = takes_ms(at, decision_ms)
    astray = astray or not takes_it_ms
    takes[#takes + 1] = takes_it_ms or 0
    longest_ms = math.max(longest_ms, takes_it_ms or 0)
  end
  if astray then
    return '\2', at
  end
  local applied = longest_ms > 0 and is_new
  if applied then
    held[mark], lives_ms[mark] = string.format('%.0f', given_back), longest_ms
  end
  local told = applied and '\1' or '\0'
  at = counters
  for _, takes_it_ms in ipairs(takes) do
    local op, left = 0, nil
    if applied and takes_it_ms > 0 then
      op = records:byte(at) % 2 == 1 and 2 or 3
    end
    at, flags, left = act(at, op, nil, decision_ms)
    told = told .. struct.pack('<I7', left)
  end
  return told, at
end

local reply, at = struct.pack('<I6', now_ms), 1
while at <= #records do
  local told
  told, at = settle(at)
  reply = reply .. told
end
