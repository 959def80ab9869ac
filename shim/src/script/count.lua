-- count.lua: counters. Follows clock.lua; followed by decide.lua, settle.lua or peek.lua.
--
-- The same arithmetic as limits/src/ledger, to the number: read there why. Here: how it is stored.
--
-- Units: every time is in Unix milliseconds, every length of time in milliseconds, every number
-- whole and at most 2^53, so that doubles hold it exactly. (Products may be larger, and are then
-- only compared: rounding never carries one across a number up to 2^53.)
--
-- Values: one string a counter, little-endian, its first byte naming the algorithm and the form.
--   sliding window  's'  seen_ms:6 total:7, then for each entry, the oldest first: at_ms:6 cost:7
--   fixed window    'f'  start_ms:6 end_ms:6 count:7
--   token bucket    't'  at_ms:6 missing:7 per_ms:5
-- A value of another algorithm is absent. One that is none of these is damaged: it is dropped,
-- counted as absent, and told.
--
-- A record (ARGV), little-endian, says what to do with the key at the same place in KEYS:
--   method:1      1 sliding window, 2 fixed window, 3 token bucket
--   flags:1 each  enforce; unlimited; last (of its request or settle)
--   amount:7      the cost; in a settle, how much
--   limit:7       the limit in force; in a token bucket, the burst
--   p:7 q:7 r:7   sliding window: window_ms, -, -
--                 fixed window: the boundaries of two periods, [p, q) and [q, r)
--                 token bucket: per_ms, rate, -
--   until_ms:6    denied until then; 0 if not
--   wish:5 lease_ms:5  the lease asked for; wish is 0 if none
--
-- Nothing is written before all is decided: a failure in between charges nothing.

local MAX = 9007199254740992 -- 2^53
local NEVER = MAX
local SLIDING, FIXED, TOKENS = 1, 2, 3
local RECORD = '<BBBBI7I7I7I7I7I6I5I5'
local SLIDING_HEAD, ENTRY, SLIDING_BYTES, ENTRY_BYTES = '<BI6I7', '<I6I7', 14, 13
local FIXED_VALUE, FIXED_BYTES = '<BI6I6I7', 20
local TOKENS_VALUE, TOKENS_BYTES = '<BI6I7I5', 19
local SLIDING_TAG, FIXED_TAG, TOKENS_TAG = 115, 102, 116 -- 's', 'f', 't'
local SLOTS, MAX_ENTRIES = 128, 129

local FAR_MS = 2 * 366 * 86400000 -- further ahead of the clock than two windows: damage

local pack, unpack, byte, sub = struct.pack, struct.unpack, string.byte, string.sub
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max

local values = {} -- by key: the value as it will be stored; '' if absent
local lives_ms = {} -- by key, if it is to be written: for how long; 0 to drop it
local written = {} -- the keys to be written
local damaged = {} -- places in KEYS, from 0
local records = {} -- by ARGV: most of a batch says the same

local function record(packed)
  local known = records[packed]
  if not known then
    local method, enforce, unlimited, last, amount, limit, p, q, r, until_ms, wish, lease_ms =
      unpack(RECORD, packed)
    known = {
      method = method, enforce = enforce == 1, unlimited = unlimited == 1, last = last == 1,
      amount = amount, limit = limit, p = p, q = q, r = r,
      until_ms = until_ms, wish = wish, lease_ms = lease_ms,
    }
    records[packed] = known
  end
  return known
end

local function store(key, value, life_ms)
  if not lives_ms[key] then
    written[#written + 1] = key
  end
  values[key], lives_ms[key] = value, life_ms
end

-- The value of c.place in KEYS has turned out to be damaged.
local function drop(c)
  damaged[#damaged + 1] = c.place - 1
  store(c.key, '', 0)
  return ''
end

-- Whether a value has one of the three forms, as far as its length tells.
local function well_formed(value)
  if type(value) ~= 'string' then
    return false
  end
  local tag, size = byte(value), #value
  if tag == SLIDING_TAG then
    local entries = (size - SLIDING_BYTES) / ENTRY_BYTES
    return entries >= 0 and entries <= MAX_ENTRIES and entries == floor(entries)
  end
  return tag == FIXED_TAG and size == FIXED_BYTES or tag == TOKENS_TAG and size == TOKENS_BYTES
end

-- The value of the counter c; '' if it is absent or of another algorithm.
local function fetch(c, tag)
  local value = values[c.key]
  if not value then
    value = redis.pcall('GET', c.key) or ''
    values[c.key] = value
    if value ~= '' and not well_formed(value) then
      value = drop(c)
    end
  end
  return byte(value) == tag and value or ''
end

-- Loads a sliding window: c.at_ms, c.total of what counts, and from c.head on in c.log its entries,
-- of which the oldest leaves at c.oldest_ms + window.
local function load_sliding(c, r)
  local value = fetch(c, SLIDING_TAG)
  local at_ms, total, head, oldest_ms = now_ms, 0, SLIDING_BYTES + 1, nil
  if value ~= '' then
    local _, seen_ms, all = unpack(SLIDING_HEAD, value)
    at_ms, total = max(now_ms, seen_ms), all
    local size, horizon_ms = #value, at_ms - r.p
    while head <= size do
      local entry_ms, cost = unpack(ENTRY, value, head)
      if entry_ms > horizon_ms then
        oldest_ms = entry_ms
        break
      end
      total, head = total - cost, head + ENTRY_BYTES
    end
    if total < 0 or total > MAX or (total == 0) ~= (oldest_ms == nil)
      or max(at_ms, oldest_ms or 0) > now_ms + FAR_MS then
      value, at_ms, total, head, oldest_ms = drop(c), now_ms, 0, 1, nil
    end
  end
  c.present, c.log, c.head = value ~= '', value, head
  c.at_ms, c.total, c.oldest_ms = at_ms, total, oldest_ms
end

-- Loads a fixed window: c.start_ms, c.end_ms, c.total, and c.until_ms when the count starts anew;
-- or sets c.clock, where no period given contains the time.
local function load_fixed(c, r)
  local value = fetch(c, FIXED_TAG)
  local start_ms, end_ms, total = r.p, r.q, 0
  if now_ms >= end_ms then
    start_ms, end_ms = r.q, r.r
  end
  c.clock = now_ms < start_ms or now_ms >= end_ms
  local until_ms = end_ms
  if value ~= '' then
    local _, from_ms, to_ms, count = unpack(FIXED_VALUE, value)
    if from_ms >= to_ms or to_ms > now_ms + FAR_MS or count > MAX then
      value = drop(c)
    elseif from_ms >= start_ms then
      until_ms = from_ms < end_ms and end_ms or to_ms
      start_ms, end_ms, total = from_ms, max(to_ms, end_ms), count
    end
  end
  c.present, c.total = value ~= '', total
  c.start_ms, c.end_ms, c.until_ms = start_ms, end_ms, until_ms
end

-- Loads a token bucket: c.at_ms, c.total units missing of c.capacity.
local function load_tokens(c, r)
  local value = fetch(c, TOKENS_TAG)
  local at_ms, missing = now_ms, 0
  if value ~= '' then
    local _, seen_ms, units, per_ms = unpack(TOKENS_VALUE, value)
    if seen_ms > now_ms + FAR_MS or units > MAX or per_ms == 0 then
      value = drop(c)
    else
      if per_ms ~= r.p then
        units = min(ceil(units / per_ms) * r.p, MAX)
      end
      at_ms = max(now_ms, seen_ms)
      missing = max(units - (at_ms - seen_ms) * r.q, 0)
    end
  end
  c.present, c.at_ms, c.total, c.capacity = value ~= '', at_ms, missing, r.limit * r.p
end

-- Tells of the counter c, as loaded or charged: what is left, and how long until more is.
local function tell(c, r)
  local left, reset_ms, total = 0, 0, c.total
  if r.unlimited then
    left = MAX
  elseif r.method == SLIDING then
    left = max(r.limit - total, 0)
    reset_ms = c.oldest_ms and c.oldest_ms + r.p - now_ms or 0
  elseif r.method == FIXED then
    left = max(r.limit - total, 0)
    reset_ms = total > 0 and c.until_ms - now_ms or 0
  else
    left = floor(max(c.capacity - total, 0) / r.p)
    if total > 0 then
      local units = total - max(c.capacity - (left + 1) * r.p, 0)
      reset_ms = min(c.at_ms - now_ms + ceil(units / r.q), NEVER - 1)
    end
  end
  c.left, c.reset_ms = left, reset_ms
end

-- Loads KEYS[place] into c by the record r, and tells of it, unless c.clock is set.
local function load(c, r, place)
  c.place, c.key, c.clock = place, KEYS[place], false
  if r.method == SLIDING then
    load_sliding(c, r)
  elseif r.method == FIXED then
    load_fixed(c, r)
  else
    load_tokens(c, r)
  end
  tell(c, r)
end

-- How long until a cost of at most the limit, and more than is left, fits.
local function wait_ms(c, r, cost)
  if r.method == FIXED then
    return c.until_ms - now_ms
  elseif r.method == TOKENS then
    local units = c.total - (c.capacity - cost * r.p)
    return min(c.at_ms - now_ms + ceil(units / r.q), NEVER - 1)
  end
  local excess, place, log = c.total - (r.limit - cost), c.head, c.log
  local entry_ms, entry_cost = now_ms, 0
  while excess > 0 and place <= #log do
    entry_ms, entry_cost = unpack(ENTRY, log, place)
    excess, place = excess - entry_cost, place + ENTRY_BYTES
  end
  return entry_ms + r.p - now_ms
end

-- Judges the charge of record r against KEYS[place] by itself, before anything is charged.
local function judge(c, r, place)
  load(c, r, place)
  local fits, remaining, retry_after_ms = r.amount <= c.left, c.left, 0
  if not fits then
    retry_after_ms = r.amount > r.limit and NEVER or wait_ms(c, r, r.amount)
  end
  if now_ms < r.until_ms then
    fits, remaining, c.reset_ms = false, 0, r.until_ms - now_ms
    retry_after_ms = max(retry_after_ms, c.reset_ms)
  end
  c.fits, c.remaining, c.retry_after_ms = fits, remaining, retry_after_ms
end

-- Makes two neighbours of a sliding window one, dated with the later: the oldest two of one slot,
-- else the oldest two.
local function merge_a_pair(entries, width_ms)
  local place, before_ms = 1, nil
  for at = 1, #entries, ENTRY_BYTES do
    local at_ms = unpack(ENTRY, entries, at)
    if before_ms and floor(before_ms / width_ms) == floor(at_ms / width_ms) then
      place = at - ENTRY_BYTES
      break
    end
    before_ms = at_ms
  end
  local _, earlier_cost = unpack(ENTRY, entries, place)
  local later_ms, later_cost, after = unpack(ENTRY, entries, place + ENTRY_BYTES)
  return sub(entries, 1, place - 1)
    .. pack(ENTRY, later_ms, earlier_cost + later_cost) .. sub(entries, after)
end

-- Puts a charge in its place by time, or into the entry it shares.
local function insert(entries, at_ms, cost, r)
  local width_ms = ceil(r.p / SLOTS)
  local slot = r.limit > SLOTS and floor(at_ms / width_ms)
  local place = #entries - ENTRY_BYTES + 1 -- of the last entry that is not later
  while place > 0 do
    local entry_ms, entry_cost = unpack(ENTRY, entries, place)
    if entry_ms <= at_ms then
      if entry_ms == at_ms or slot and floor(entry_ms / width_ms) == slot then
        return sub(entries, 1, place - 1)
          .. pack(ENTRY, at_ms, entry_cost + cost) .. sub(entries, place + ENTRY_BYTES)
      end
      break
    end
    place = place - ENTRY_BYTES
  end
  place = place + ENTRY_BYTES
  if slot and place <= #entries then
    local entry_ms, entry_cost = unpack(ENTRY, entries, place)
    if floor(entry_ms / width_ms) == slot then
      return sub(entries, 1, place - 1)
        .. pack(ENTRY, entry_ms, entry_cost + cost) .. sub(entries, place + ENTRY_BYTES)
    end
  end
  entries = sub(entries, 1, place - 1) .. pack(ENTRY, at_ms, cost) .. sub(entries, place)
  if #entries > MAX_ENTRIES * ENTRY_BYTES then
    return merge_a_pair(entries, width_ms)
  end
  return entries
end

-- Charges cost to the counter c, dated ahead_ms after its time; save it afterwards.
local function charge(c, r, cost, ahead_ms)
  if r.method == SLIDING then
    local entries = sub(c.log, c.head)
    cost = min(cost, MAX - c.total)
    if cost > 0 then
      entries = insert(entries, c.at_ms + ahead_ms, cost, r)
      c.oldest_ms = unpack(ENTRY, entries)
    end
    c.log, c.head = entries, 1
  elseif r.method == TOKENS then
    local drained = c.total + min(cost * r.p, MAX)
    cost = (r.unlimited and max(c.total, min(drained, c.capacity)) or min(drained, MAX)) - c.total
  else
    cost = min(cost, MAX - c.total)
  end
  c.total = c.total + cost
end

-- Has the counter c stored at the end, and tells of it anew.
local function save(c, r)
  tell(c, r)
  if r.method == SLIDING then
    local log, newest_ms = sub(c.log, c.head), c.at_ms
    if log ~= '' then
      newest_ms = max(newest_ms, (unpack(ENTRY, log, #log - ENTRY_BYTES + 1)))
    end
    local value = pack(SLIDING_HEAD, SLIDING_TAG, c.at_ms, c.total) .. log
    store(c.key, value, newest_ms + r.p - now_ms)
  elseif r.method == FIXED then
    local value = pack(FIXED_VALUE, FIXED_TAG, c.start_ms, c.end_ms, c.total)
    store(c.key, value, c.end_ms - now_ms)
  else
    local value = pack(TOKENS_VALUE, TOKENS_TAG, c.at_ms, c.total, r.p)
    store(c.key, value, max(c.at_ms - now_ms + ceil(c.total / r.q), 1))
  end
end

-- Writes what is to be stored. Every key lives for as long as it counts.
local function write_all()
  for _, key in ipairs(written) do
    if lives_ms[key] > 0 then
      redis.call('SET', key, values[key], 'PX', lives_ms[key])
    else
      redis.call('DEL', key)
    end
  end
end
