-- act.lua: one key and its record. Follows count.lua.
--
-- Nothing is written before all is decided: a failure in between charges nothing, and a counter
-- that a batch names often is read and written once.

-- By key: its value, as it will be stored, '' for none; by place in KEYS: whether it was damaged.
local held = {}
-- By key to be written: for how long; 0 for as long as it does.
local lives_ms = {}

-- Does op to KEYS[place] as its record says. Returns what the algorithm does, without value and
-- life_ms; for a key that is blocked, what that comes to. Where it changes anything and `undo` is
-- given, undo[place] and undo[-place] become what held[key] and lives_ms[key] were.
local function act(place, op, held, lives_ms, undo, decision_ms)
  local unpack, key, packed = struct.unpack, KEYS[place], ARGV[place]
  local method, _, unlimited, _, more, amount, limit, p = unpack('<BBBBBI7I7I7', packed)
  local until_ms, wish, lease_ms, q, r = 0, 0, 0, nil, nil
  if method ~= 115 then
    q, r = unpack('<I7I7', packed, 27)
  end
  if more == 1 then
    until_ms, wish, lease_ms = unpack('<I6I5I5', packed, 41)
  end
  local value = held[key]
  if not value then
    value = redis.pcall('GET', key) or ''
    held[key] = value
  end
  local count = method == 115 and sliding or method == 102 and fixed or tokens
  local left, reset_ms, wait_ms, new, life_ms, granted, lasts_ms, at_ms, from_ms, to_ms = false
  local tag = value == '' and method or type(value) == 'string' and value:byte()
  if tag ~= method then
    value = ''
  end
  if tag == method or tag == 115 or tag == 102 or tag == 116 then
    if now_ms < until_ms or op == 3 and value == '' then
      op = 0
    end
    left, reset_ms, wait_ms, new, life_ms, granted, lasts_ms, at_ms, from_ms, to_ms = count(
      value, now_ms, op, amount, limit, p, unlimited == 1, wish, lease_ms, q, r, decision_ms)
  end
  if left == false then
    held[key], held[place], lives_ms[key] = '', true, 0
    return act(place, op, held, lives_ms, undo, decision_ms)
  end
  if life_ms then
    if undo then
      undo[place], undo[-place] = held[key], lives_ms[key]
    end
    held[key] = new
    lives_ms[key] = life_ms > 0 and life_ms or lives_ms[key] or 0
  end
  if left and now_ms < until_ms then
    left, reset_ms = 0, until_ms - now_ms
    wait_ms = math.max(wait_ms, reset_ms)
  end
  return left, reset_ms, wait_ms, granted, lasts_ms, at_ms, from_ms, to_ms
end
