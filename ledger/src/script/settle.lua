-- settle.lua: gives back what decisions charged, or charges more, each settle once. Follows
-- act.lua; followed by finish.lua.
--
-- KEYS: the settles' marks and counters, each once; on a Cluster, all in one slot.
-- ARGV[1]: for each settle, place:4 of its mark and decision_ms:6, then for each of its counters a
--   record (see count.lua) in which
--   flag enforce is 1 to charge and 0 to give back, and amount is how much;
--   lease_ms is the granted length if a lease is given back, else 0;
--   if a settle concerns only a lease, amount is the total given back of it so far. The mark holds
--   that total, and only the excess over it is given back. Other marks hold 1;
--   flag `last` is set on the last counter of each settle, and flag `more` on all.
-- Returns one string, little-endian: now_ms:6, then for each settle
--   verdict:1    0 not applied, 1 applied, 2 if no period given contains now_ms: nothing was done,
--                and no fields follow
--   remaining:7  for each of its counters
--   and finally the places in KEYS of damaged values, counted from 0, 4 bytes each.

-- Returns how long the settle still takes effect on the counter whose record begins at `at`, at
-- most an hour; 0 if it does not, nil if no period given contains now_ms. Also returns the start of
-- the next record, and the flags.
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

-- Applies the settle that begins at `first`, if it is new and still takes effect on any counter.
-- Returns its part of the reply, and the start of the next settle.
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
