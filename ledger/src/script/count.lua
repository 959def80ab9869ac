-- count.lua: the algorithms. Follows clock.lua; followed by block.lua.
--
-- Exactly the same arithmetic as limits/src/ledger, which explains it. This file describes how it
-- is stored.
--
-- Units: times are in Unix milliseconds and durations in milliseconds. All numbers are whole and at
-- most 2^53, so doubles hold them exactly. (Products can be larger, but they are only compared:
-- rounding never moves one across a number up to 2^53.)
--
-- Values: one string per counter, little-endian. The first byte names the algorithm and the format.
--   115 's'  sliding window  lives_ms:6 seen_ms:6 total:7, then for each of up to 133 entries,
--                            oldest first, at_ms:6 cost:7
--   102 'f'  fixed window    start_ms:6 end_ms:6 count:7; the key expires at end_ms
--   116 't'  token bucket    lives_ms:6 at_ms:6 missing:7 per_ms:5, then for each of up to 64 low
--                            points, oldest and lowest first, at_ms:6 missing:7
--   98  'b'  balance         since_ms:6 used:7 added:7; the key never expires
-- Any other key lives for as long as it counts plus an eighth, so that most charges need not extend it.
-- lives_ms is the time at which it expires.
-- A value of another algorithm counts as missing. A value in none of these formats, or an
-- inconsistent one, is damaged: it is dropped, counts as missing, and is reported.
--
-- A record in ARGV[1], little-endian, describes the operation on one counter:
--   flags:1       a sum: 1 enforce, 2 unlimited, 4 last (of its request or settle), 8 more,
--                 16 block (with `more`)
--   place:4       the counter's index in KEYS, from 1
--   method:1      115, 102, 116 or 98, as above
--   amount:7      the cost; in a settle, the amount
--   limit:7       the limit in force; for a token bucket, the burst; for a balance, the amount
--                 that everyone starts with
--   p:7           sliding window: window_ms
--   p:7 q:7 r:7   fixed window: the boundaries of two periods, [p, q) and [q, r)
--                 token bucket: per_ms, rate, -
--                 balance: -, -, -
--   and with flag `more`:
--   until_ms:6    denied until then; 0 if not blocked
--   wish:5 lease_ms:5  the lease asked for; wish is 0 if none
--   and with flag `block`:
--   block:4       the index in KEYS of the counter's refusals (see block.lua)
--   after:7 within_ms:7 for_ms:7  as in the policy
--   count:7 ago_ms:7  refusals that a gateway made from memory, and the age of the last one
--
-- Operations (op): 0 nothing, 1 charge if it fits, 2 charge, 3 give back if anything is stored.
-- Each of the algorithms below takes the stored value, '' if missing, and returns
--   left, reset_ms, wait_ms   as reported to the client: left and reset_ms after the operation,
--                             wait_ms before it, with 2^53 for never; left is nil if no period
--                             given contains now_ms, and false if the value is damaged
--   value, life_ms            to be stored, if anything changed; life_ms is 0 if the key lives long
--                             enough already, and -1 if it never expires
--   granted, lasts_ms         of the lease; granted is 0 if there is none
--   at_ms, from_ms, until_ms  the counter's time, never earlier than its last write; for a fixed
--                             window also the start and end of the counted period, and for a
--                             balance the times between which charges can come back
--   given                     for a balance: all that was ever given
--
-- Every script call runs all of this again, and Redis pays for each function and table created and
-- for each outer local that a function refers to. So there are few, and numbers are written out.

-- Inserts a charge into the entries of a sliding window, by its time or into an entry that it
-- shares: one of the same time or, above a limit of 128, of the same slot, which is window / 128
-- long.
local function insert(entries, at_ms, cost, limit, window_ms)
  local unpack, pack, floor = struct.unpack, struct.pack, math.floor
  local width_ms = math.ceil(window_ms / 128)
  local slot = limit > 128 and floor(at_ms / width_ms)
  local place = #entries - 12 -- of the last entry not later than at_ms
  while place > 0 do
    local entry_ms, entry_cost = unpack('<I6I7', entries, place)
    if entry_ms <= at_ms then
      if entry_ms == at_ms or slot and floor(entry_ms / width_ms) == slot then
        return entries:sub(1, place - 1)
          .. pack('<I6I7', at_ms, entry_cost + cost) .. entries:sub(place + 13)
      end
      break
    end
    place = place - 13
  end
  place = place + 13
  if slot and place <= #entries then
    local entry_ms, entry_cost = unpack('<I6I7', entries, place)
    if floor(entry_ms / width_ms) == slot then
      return entries:sub(1, place - 1)
        .. pack('<I6I7', entry_ms, entry_cost + cost) .. entries:sub(place + 13)
    end
  end
  entries = entries:sub(1, place - 1) .. pack('<I6I7', at_ms, cost) .. entries:sub(place)
  if #entries <= 133 * 13 then
    return entries
  end
  -- Too many entries: merge two neighbors at the later one's time, the oldest two in one slot, else
  -- the oldest two.
  local pair, before_ms = 1, nil
  for other = 1, #entries, 13 do
    local entry_ms = unpack('<I6', entries, other)
    if before_ms and floor(before_ms / width_ms) == floor(entry_ms / width_ms) then
      pair = other - 13
      break
    end
    before_ms = entry_ms
  end
  local _, earlier_cost = unpack('<I6I7', entries, pair)
  local later_ms, later_cost = unpack('<I6I7', entries, pair + 13)
  return entries:sub(1, pair - 1)
    .. pack('<I6I7', later_ms, earlier_cost + later_cost) .. entries:sub(pair + 26)
end

-- Changes a sliding window, except for a simple charge at the end. Gives back what the decision
-- made at decision_ms charged (dated lease_ms later): from the first entry that is not dated
-- earlier, then from the following ones in the same slot. Or charges, if leases are ahead, one is
-- asked for, or the window is full. Returns the entries, their total, the times of the oldest and
-- newest entry, and the lease granted.
local function crowded(
  entries, at_ms, total, op, amount, limit, window_ms, unlimited, wish, lease_ms, decision_ms
)
  local unpack, sharers, granted, lasts_ms = struct.unpack, 2, 0, 0
  lease_ms = math.min(lease_ms, math.max(math.floor(window_ms / 32), 1))
  if op == 3 then
    wish = 0
    local dated_ms, width_ms, place = decision_ms + lease_ms, math.ceil(window_ms / 128), 1
    local slot, found = math.floor(dated_ms / width_ms), false
    while place <= #entries and amount > 0 do
      local entry_ms, cost = unpack('<I6I7', entries, place)
      if entry_ms < dated_ms then
        place = place + 13
      elseif found and math.floor(entry_ms / width_ms) ~= slot then
        break
      else
        local taken = math.min(cost, amount)
        found, total, amount = true, total - taken, amount - taken
        local rest = cost > taken and struct.pack('<I6I7', entry_ms, cost - taken) or ''
        entries = entries:sub(1, place - 1) .. rest .. entries:sub(place + 13)
        place = place + #rest
      end
    end
  else
    for place = #entries - 12, 1, -13 do
      if unpack('<I6', entries, place) <= at_ms then
        break
      end
      sharers = sharers + 1
    end
    amount = math.min(amount, 2^53 - total)
    if amount > 0 then
      total, entries = total + amount, insert(entries, at_ms, amount, limit, window_ms)
    end
  end
  if wish > 0 then
    granted = unlimited and 2^53 or math.max(limit - total, 0)
    granted = math.min(wish, math.floor(granted / sharers))
    lasts_ms = lease_ms
    local cost = math.min(granted, 2^53 - total)
    if cost > 0 then
      total, entries = total + cost, insert(entries, at_ms + lasts_ms, cost, limit, window_ms)
    end
  end
  if entries == '' then
    return entries, total, nil, at_ms, granted, lasts_ms
  end
  local oldest_ms, newest_ms = unpack('<I6', entries), unpack('<I6', entries, #entries - 12)
  return entries, total, oldest_ms, math.max(newest_ms, at_ms), granted, lasts_ms
end

-- Decodes a sliding window and skips what no longer counts. Returns its time, the total of the
-- counting entries, the position and time of the oldest, and the key's expiry; nothing if the value
-- is damaged.
local function live(value, size, now_ms, window_ms)
  if size < 20 or size > 20 + 133 * 13 or (size - 20) % 13 ~= 0 then
    return nil
  end
  local unpack, at_ms, head = struct.unpack, now_ms, 21
  local _, lives_ms, seen_ms, total, oldest_ms, cost =
    unpack(size > 20 and '<BI6I6I7I6I7' or '<BI6I6I7', value)
  if seen_ms > at_ms then
    at_ms = seen_ms
  end
  if size == 20 then
    oldest_ms = nil -- and `cost` is the position where decoding ended
  end
  while oldest_ms and oldest_ms <= at_ms - window_ms do
    oldest_ms, total, head = nil, total - cost, head + 13
    if head <= size then
      oldest_ms, cost = unpack('<I6I7', value, head)
    end
  end
  -- Values more than two of the longest windows ahead of the clock are damaged too.
  if total < 0 or total > 2^53 or (total == 0) ~= not oldest_ms
    or (oldest_ms or at_ms) > now_ms + 63244800000 or at_ms > now_ms + 63244800000 then
    return nil
  end
  return at_ms, total, head, oldest_ms, lives_ms
end

-- Returns the time of the last entry that must leave to free `excess`.
local function leaver_ms(value, head, excess)
  local at_ms, cost
  repeat
    at_ms, cost = struct.unpack('<I6I7', value, head)
    excess, head = excess - cost, head + 13
  until excess <= 0 or head > #value
  return at_ms
end

local function sliding(
  value, now_ms, op, amount, limit, window_ms, unlimited, wish, lease_ms, _, _, decision_ms
)
  local size, at_ms, total, head, oldest_ms, lives_ms = #value, now_ms, 0, 21, nil, 0
  if size > 0 then
    at_ms, total, head, oldest_ms, lives_ms = live(value, size, now_ms, window_ms)
    if not at_ms then
      return false
    end
  end
  local left = unlimited and 2^53 or total < limit and limit - total or 0
  local wait_ms, granted, lasts_ms, life_ms = 0, 0, 0, nil
  if amount > left then
    wait_ms = 2^53
    if amount <= limit then
      wait_ms = leaver_ms(value, head, total - (limit - amount)) + window_ms - now_ms
    end
  end
  if op > 1 or op == 1 and amount <= left then
    local pack, entries, newest, newest_ms, last_ms, cost = struct.pack, '', '', at_ms, 0, 0
    if oldest_ms then
      last_ms, cost = struct.unpack('<I6I7', value, size - 12)
    end
    if op < 3 and wish == 0 and last_ms <= at_ms and amount <= 2^53 - total
      and size - head < 132 * 13 then
      -- The usual case: the new charge is the newest entry, or merges with the last one.
      local width_ms, keep = math.ceil(window_ms / 128), -1
      total = total + amount
      if last_ms == at_ms
        or limit > 128 and last_ms - last_ms % width_ms == at_ms - at_ms % width_ms then
        amount, keep = amount + cost, -14
      end
      entries, newest = value:sub(head, keep), pack('<I6I7', at_ms, amount)
      if entries == '' then
        oldest_ms = at_ms
      end
    else
      entries, total, oldest_ms, newest_ms, granted, lasts_ms = crowded(
        value:sub(head), at_ms, total, op, amount, limit, window_ms, unlimited, wish, lease_ms,
        decision_ms)
    end
    life_ms = 0
    if newest_ms + window_ms > lives_ms then
      lives_ms = newest_ms + window_ms + math.floor(window_ms / 8)
      life_ms = lives_ms - now_ms
    end
    value = pack('<BI6I6I7', 115, lives_ms, at_ms, total) .. entries .. newest
    left = unlimited and 2^53 or total < limit and limit - total or 0
  end
  local reset_ms = oldest_ms and not unlimited and oldest_ms + window_ms - now_ms or 0
  return left, reset_ms, wait_ms, value, life_ms, granted, lasts_ms, at_ms
end

local function fixed(value, now_ms, op, amount, limit, a_ms, unlimited, wish, lease_ms, b_ms, c_ms)
  local start_ms, end_ms, total, life_ms = a_ms, b_ms, 0, nil
  if now_ms >= end_ms then
    start_ms, end_ms = b_ms, c_ms
  end
  if now_ms < start_ms or now_ms >= end_ms then
    return nil
  end
  local until_ms, lives_ms = end_ms, 0
  if value ~= '' then
    if #value ~= 20 then
      return false
    end
    local _, from_ms, to_ms, count = struct.unpack('<BI6I6I7', value)
    if from_ms >= to_ms or to_ms > now_ms + 63244800000 or count > 2^53 then
      return false
    elseif from_ms >= start_ms then
      if from_ms >= end_ms then
        until_ms = to_ms
      end
      start_ms, end_ms, total, lives_ms = from_ms, math.max(to_ms, end_ms), count, to_ms
    end
  end
  local left = unlimited and 2^53 or total < limit and limit - total or 0
  local wait_ms, granted, lasts_ms = 0, 0, 0
  if amount > limit and not unlimited then
    wait_ms = 2^53
  elseif amount > left then
    wait_ms = until_ms - now_ms
  end
  if op == 3 then
    total, life_ms = math.max(total - amount, 0), 0
  elseif op == 2 or op == 1 and amount <= left then
    total, life_ms = total + math.min(amount, 2^53 - total), 0
    if wish > 0 then
      granted = unlimited and 2^53 or math.max(limit - total, 0)
      granted = math.min(wish, math.floor(granted / 2))
      lasts_ms = math.min(lease_ms, until_ms - now_ms)
      total = total + math.min(granted, 2^53 - total)
    end
  end
  if life_ms then
    if end_ms > lives_ms then
      life_ms = end_ms - now_ms
    end
    value = struct.pack('<BI6I6I7', 102, start_ms, end_ms, total)
    left = unlimited and 2^53 or total < limit and limit - total or 0
  end
  local reset_ms = total > 0 and not unlimited and until_ms - now_ms or 0
  return left, reset_ms, wait_ms, value, life_ms, granted, lasts_ms, now_ms, start_ms, until_ms
end

-- Adds a low point to those of a token bucket, before a charge at at_ms. Low points above it are
-- removed. If there are too many, the last one stands for all later ones.
local function noted(lows, at_ms, missing)
  local last_ms, last = nil, nil
  while lows ~= '' do
    last_ms, last = struct.unpack('<I6I7', lows, #lows - 12)
    if last < missing then
      if last_ms >= at_ms then
        return lows
      elseif #lows < 64 * 13 then
        break
      end
      return lows:sub(1, -14) .. struct.pack('<I6I7', at_ms, last)
    end
    lows = lows:sub(1, -14)
  end
  return lows .. struct.pack('<I6I7', at_ms, missing)
end

-- Returns how much of up to `due` units charged at decision_ms can be put back, and the low points
-- as if those units had never been charged.
local function returned(lows, due, decision_ms)
  local unpack, pack = struct.unpack, struct.pack
  local since = 1
  while since <= #lows and unpack('<I6', lows, since) <= decision_ms do
    since = since + 13
  end
  local earlier, later, lowest = lows:sub(1, since - 1), '', math.huge
  for place = since, #lows, 13 do
    local low_ms, missing = unpack('<I6I7', lows, place)
    if place == since then
      due, lowest = math.min(due, missing), missing - math.min(due, missing)
    end
    later = later .. pack('<I6I7', low_ms, missing - due)
  end
  while earlier ~= '' do
    local _, missing = unpack('<I6I7', earlier, #earlier - 12)
    if missing < lowest then
      break
    end
    earlier = earlier:sub(1, -14)
  end
  return due, earlier .. later
end

local function tokens(
  value, now_ms, op, amount, limit, per_ms, unlimited, _, _, rate, _, decision_ms
)
  local ceil, min, max = math.ceil, math.min, math.max
  local at_ms, missing, lives_ms, capacity, life_ms = now_ms, 0, 0, limit * per_ms, nil
  local lows = ''
  if value ~= '' then
    if #value < 25 or #value > 25 + 64 * 13 or (#value - 25) % 13 ~= 0 then
      return false
    end
    local _, lives, seen_ms, units, unit_ms = struct.unpack('<BI6I6I7I5', value)
    if seen_ms > now_ms + 63244800000 or units > 2^53 or unit_ms == 0 then
      return false
    end
    if op > 0 then
      lows = value:sub(26)
    end
    if unit_ms ~= per_ms then
      units = min(ceil(units / unit_ms) * per_ms, 2^53)
      lows = lows:gsub(('.'):rep(13), function(low)
        local low_ms, low_units = struct.unpack('<I6I7', low)
        return struct.pack('<I6I7', low_ms, min(math.floor(low_units / unit_ms) * per_ms, 2^53))
      end)
    end
    at_ms, lives_ms = max(now_ms, seen_ms), lives
    missing = max(units - (at_ms - seen_ms) * rate, 0)
  end
  local left = unlimited and 2^53 or math.floor(max(capacity - missing, 0) / per_ms)
  local wait_ms, reset_ms = 0, 0
  if amount > limit and not unlimited then
    wait_ms = 2^53
  elseif amount > left then
    local units = missing - (capacity - amount * per_ms)
    wait_ms = min(at_ms - now_ms + ceil(units / rate), 2^53 - 1)
  end
  if op == 3 then
    life_ms = 0
    if lows ~= '' then
      local due
      due, lows = returned(lows, min(amount * per_ms, 2^53), decision_ms)
      missing = max(missing - due, 0)
    end
  elseif op == 2 or op == 1 and amount <= left then
    lows, life_ms = noted(lows, at_ms, missing), 0
    local wanted = min(missing + min(amount * per_ms, 2^53), 2^53)
    local drained = unlimited and max(missing, min(wanted, capacity)) or wanted
    if unlimited and drained < wanted then
      lows = noted(lows, at_ms + 1, drained - missing)
    end
    missing = drained
  end
  if life_ms then
    local full_ms = at_ms + ceil(missing / rate)
    if full_ms >= lives_ms then
      life_ms = max(full_ms - now_ms + math.floor(ceil(capacity / rate) / 8), 1)
      lives_ms = min(now_ms + life_ms, 2^48 - 1)
    end
    value = struct.pack('<BI6I6I7I5', 116, lives_ms, at_ms, missing, per_ms) .. lows
    left = unlimited and 2^53 or math.floor(max(capacity - missing, 0) / per_ms)
  end
  if missing > 0 and not unlimited then
    local units = missing - max(capacity - (left + 1) * per_ms, 0)
    reset_ms = min(at_ms - now_ms + ceil(units / rate), 2^53 - 1)
  end
  return left, reset_ms, wait_ms, value, life_ms, 0, 0, at_ms
end

local function balance(value, now_ms, op, amount, start, _, unlimited)
  local since_ms, used, added, life_ms = 2^53, 0, 0, nil
  if value ~= '' then
    if #value ~= 21 then
      return false
    end
    local _
    _, since_ms, used, added = struct.unpack('<BI6I7I7', value)
    if since_ms > now_ms + 63244800000 or used > 2^53 or added > 2^52 then
      return false
    end
  end
  local limit = unlimited and 2^53 or start + added
  local left = unlimited and 2^53 or math.max(limit - used, 0)
  local wait_ms = amount > left and 2^53 or 0
  if op == 3 then
    used, life_ms = math.max(used - amount, 0), -1
  elseif op == 2 or op == 1 and amount <= left then
    used, life_ms = used + math.min(amount, 2^53 - used), -1
  end
  if life_ms then
    if value == '' then
      since_ms = now_ms
    end
    value = struct.pack('<BI6I7I7', 98, since_ms, used, added)
    left = unlimited and 2^53 or math.max(limit - used, 0)
  end
  return left, 0, wait_ms, value, life_ms, 0, 0, now_ms, since_ms, 2^53, limit
end
