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

local reply, size = { now_ms }, 1
local parts = {} -- of the settle at hand, reused by the next

-- For how long what the decision charged to c still counts; nil if it does not.
local function counts_ms(c, r, decision_ms)
  if r.method == SLIDING then
    local until_ms = decision_ms + min(r.lease_ms, r.p) + r.p
    return decision_ms <= c.at_ms and c.at_ms < until_ms and until_ms - now_ms or nil
  elseif r.method == FIXED then
    return c.start_ms <= decision_ms and decision_ms < c.until_ms and c.until_ms - now_ms or nil
  end
  local drains_ms, age_ms = ceil(c.capacity / r.q), c.at_ms - decision_ms
  return age_ms >= 0 and age_ms < drains_ms and drains_ms - (now_ms - decision_ms) or nil
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

-- Applies a settle's parts, if it is the first to arrive and anything still counts.
local function settle(mark, decision_ms, count, life_ms)
  local applied = life_ms > 0 and not (values[mark] or redis.pcall('GET', mark))
  if applied then
    store(mark, '1', life_ms)
  end
  size = size + 1
  reply[size] = applied and 1 or 0
  for i = 1, count do
    local c = parts[i]
    if applied and c.counts then
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
    local counts = not c.clock and counts_ms(c, r, decision_ms)
    c.counts, life_ms = counts, max(life_ms, counts or 0)
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
