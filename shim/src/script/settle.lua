-- settle.lua: gives back what decisions charged, or charges more, each settle once. Follows
-- count.lua.
--
-- KEYS: for each settle its mark, then its counters; all in one slot in a Cluster.
-- ARGV: for a mark, decision_ms:6; for a counter, a record (count.lua) in which
--   enforce says whether to charge (1) or give back (0), amount how much, and
--   lease_ms, where a lease is given back, the length it was granted for, else 0;
--   flag `last` on the last counter of each settle.
-- Returns whole numbers, in a row: now_ms; then for each settle 0 not applied, 1 applied, or 2 where
--   no period given contains now_ms (nothing was done, nothing follows); then what is left in each
--   counter; at the end the places in KEYS, from 0, whose values were damaged.

local SETTLE_WITHIN_MS = 3600000 -- after the decision

local reply, size = { now_ms }, 1
local parts = {} -- of the settle at hand, reused by the next

-- For how long the settle takes effect on c; nil if it does not.
local function takes_ms(c, r, decision_ms)
  local at_ms, latest_ms, lease_ms = c.at_ms, c.at_ms, 0
  if r.method == SLIDING then
    lease_ms = min(r.lease_ms, r.p)
  elseif r.method == FIXED then
    at_ms, latest_ms = now_ms, c.until_ms - 1
  end
  local until_ms = decision_ms + lease_ms + SETTLE_WITHIN_MS
  if not r.enforce then
    if r.method == SLIDING then
      until_ms = min(until_ms, decision_ms + lease_ms + r.p)
    elseif r.method == TOKENS then
      until_ms = min(until_ms, decision_ms + ceil(min(r.amount * r.p, MAX) / r.q))
    elseif decision_ms >= c.start_ms then
      until_ms = min(until_ms, c.until_ms)
    else
      return nil
    end
  end
  return decision_ms <= latest_ms and at_ms < until_ms and until_ms - now_ms or nil
end

-- Takes up to the record's amount off c, off its oldest entries first; save it afterwards.
local function give_back(c, r, decision_ms)
  local owed = r.amount
  if r.method == TOKENS then
    owed = max(min(owed * r.p, MAX) - (c.at_ms - decision_ms) * r.q, 0)
  elseif r.method == SLIDING then
    local log, head, rest = c.log, c.head, owed
    while rest > 0 and head <= #log do
      local entry_ms, cost = unpack(ENTRY, log, head)
      if cost > rest then
        log = pack(ENTRY, entry_ms, cost - rest) .. sub(log, head + ENTRY_BYTES)
        head = 1
        break
      end
      rest, head = rest - cost, head + ENTRY_BYTES
    end
    c.log, c.head = log, head
    c.oldest_ms = head <= #log and unpack(ENTRY, log, head) or nil
  end
  c.total = max(c.total - owed, 0)
end

local function apply(c, r, decision_ms)
  if r.enforce then
    charge(c, r, r.amount, 0)
    save(c, r)
  elseif c.present then
    give_back(c, r, decision_ms)
    save(c, r)
  end
end

-- Applies a settle's parts, if it is the first to arrive and still takes effect on any.
local function settle(mark, decision_ms, count, life_ms)
  local applied = life_ms > 0 and not (values[mark] or redis.pcall('GET', mark))
  if applied then
    store(mark, '1', life_ms)
  end
  size = size + 1
  reply[size] = applied and 1 or 0
  for i = 1, count do
    local c = parts[i]
    if applied and c.takes_ms then
      apply(c, c.record, decision_ms)
    end
    size = size + 1
    reply[size] = c.left
  end
end

local mark, decision_ms, count, clock, life_ms
for place = 1, #KEYS do
  if not mark then
    mark, decision_ms, count, clock, life_ms = KEYS[place], unpack('<I6', ARGV[place]), 0, false, 0
  else
    count = count + 1
    local c, r = parts[count] or {}, record(ARGV[place])
    parts[count], c.record = c, r
    load(c, r, place)
    clock = clock or c.clock
    local takes = not c.clock and takes_ms(c, r, decision_ms)
    c.takes_ms, life_ms = takes, max(life_ms, takes or 0)
    if r.last then
      if clock then
        size = size + 1
        reply[size] = 2
      else
        settle(mark, decision_ms, count, life_ms)
      end
      mark = nil
    end
  end
end
write_all()
for i = 1, #damaged do
  reply[size + i] = damaged[i]
end
return reply
