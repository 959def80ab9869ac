-- act.lua: performs one operation on a counter. Follows block.lua.
--
-- Nothing is written before everything is decided: a failure in between charges nothing, and a
-- counter that occurs often in a batch is read and written once.

local records = ARGV[1]
-- By place in KEYS: the value to be stored, '' for none; false or nil if it was not read by the
-- MGET here or is not a string. At most 1000 are read at once, because Lua's stack ends before
-- 8,000.
local held = #KEYS > 1 and redis.call('MGET', unpack(KEYS, 1, math.min(#KEYS, 1000))) or {}
-- By place, if a value is to be written: its time to live; 0 to keep the current one, -1 to live
-- for ever.
local lives_ms = {}
-- The places of damaged values, counted from 0, 4 bytes each.
local damaged = ''

-- Drops the damaged value at a place.
local function drop(place)
  held[place], lives_ms[place] = '', 0
  damaged = damaged .. struct.pack('<I4', place - 1)
end

-- Performs op on a counter, as described by the record at `first`. Returns the start of the next
-- record, the flags, and the results of the algorithm except value and life_ms; for a blocked key,
-- they are adjusted to the block, and `granted` is -1 if it is one for repeated refusals. If
-- anything is changed and `undo` is given, undo[place] and undo[-place] receive the previous
-- held[place] and lives_ms[place]. `counts`: true to count the operation if it is refused.
local function act(first, op, undo, decision_ms, counts)
  local unpack = struct.unpack
  local flags, place, method, amount, limit, p, at = unpack('<BI4BI7I7I7', records, first)
  local until_ms, wish, lease_ms, q, r = 0, 0, 0, nil, nil
  local block, refusals, new_ms, after, within_ms, for_ms, blocked_ms
  if method ~= 115 then
    q, r, at = unpack('<I7I7', records, at)
  end
  if flags > 7 then
    until_ms, wish, lease_ms, at = unpack('<I6I5I5', records, at)
    if flags > 15 then
      local count, ago_ms
      block, after, within_ms, for_ms, count, ago_ms, at = unpack('<I4I7I7I7I7I7', records, at)
      refusals, blocked_ms = held[block] or block > 1000 and redis.pcall('GET', KEYS[block]), 0
      refusals = type(refusals) == 'string' and refusals or ''
      held[block] = refusals
      if refusals:byte() == 98 and #refusals == 7 then
        blocked_ms = unpack('<I6', refusals, 2)
      end
      if blocked_ms > now_ms + 63244800000 then
        blocked_ms = 0
      end
      if counts and count > 0 and now_ms >= blocked_ms
        and math.max(now_ms - ago_ms, 0) >= until_ms then
        local new
        new, new_ms = repeated(refusals, count, ago_ms, after, within_ms, for_ms)
        refusals = new or refusals
        blocked_ms = refusals:byte() == 98 and new_ms and now_ms + for_ms or 0
      end
      until_ms = math.max(until_ms, blocked_ms)
    end
  end
  local value = held[place]
  if not value then
    value = redis.pcall('GET', KEYS[place]) or ''
    if type(value) == 'table' then
      if not value.err:find('WRONGTYPE', 1, true) then
        redis.call('GET', KEYS[place]) -- no permission to read it: fails with that error
      end
      drop(place)
      value = ''
    end
    held[place] = value
  end
  local tag = value:byte()
  if tag ~= method then
    if tag and tag ~= 115 and tag ~= 102 and tag ~= 116 and tag ~= 98 then
      drop(place)
    end
    value = ''
  end
  if now_ms < until_ms or op == 3 and value == '' then
    op = 0
  end
  local count = method == 115 and sliding or method == 102 and fixed or method == 116 and tokens
    or balance
  local left, reset_ms, wait_ms, new, life_ms, granted, lasts_ms, at_ms, from_ms, to_ms, given = count(
    value, now_ms, op, amount, limit, p, flags % 4 > 1, wish, lease_ms, q, r, decision_ms)
  if left == false then
    drop(place)
    return act(first, op, undo, decision_ms, counts)
  end
  if life_ms then
    if undo then
      undo[place], undo[-place] = held[place], lives_ms[place]
    end
    held[place] = new
    lives_ms[place] = life_ms ~= 0 and life_ms or lives_ms[place] or 0
  end
  if block and left then
    if counts and wait_ms > 0 and wait_ms < 2^53 and now_ms >= until_ms then
      local life_ms
      refusals, life_ms = repeated(refusals, 1, 0, after, within_ms, for_ms)
      new_ms = life_ms > 0 and life_ms or new_ms or 0
      if refusals:byte() == 98 then
        blocked_ms = now_ms + for_ms
        until_ms = blocked_ms
      end
    end
    if new_ms then
      if undo and not undo[block] then -- two variants of a counter share their refusals
        undo[block], undo[-block] = held[block], lives_ms[block]
      end
      held[block] = refusals
      lives_ms[block] = new_ms > 0 and new_ms or lives_ms[block] or 0
    end
    granted = now_ms < blocked_ms and -1 or granted
  end
  if left and now_ms < until_ms then
    left, reset_ms = 0, until_ms - now_ms
    wait_ms = math.max(wait_ms, reset_ms)
  end
  return at, flags, left, reset_ms, wait_ms, granted, lasts_ms, at_ms, from_ms, to_ms, given
end
