-- block.lua: counts refusals, and blocks for repeated ones. Follows count.lua; followed by act.lua.
--
-- Exactly the same arithmetic as limits/src/ledger/repeated.rs, which explains it.
--
-- Values: one string for each counter that was refused, under tg:{<digits>}:!<bucket>.
--   115 's'  the refusals that count toward a block, in the format of a sliding window
--   98 'b'   until_ms:6: everything is refused until then; the key expires at that time
--
-- Counts `count` refusals made ago_ms before now, in `value`, '' if missing. Returns the new value
-- and its life_ms, which is 0 if the key lives long enough already; nothing if nothing changes.
local function repeated(value, count, ago_ms, after, within_ms, for_ms)
  if ago_ms >= within_ms then
    return nil
  end
  local at_ms, total, entries, lives_ms = now_ms, 0, '', 0
  if value:byte() == 115 then
    local seen_ms, sum, head, _, expires_ms = live(value, #value, now_ms, within_ms)
    if seen_ms then
      at_ms, total, entries, lives_ms = seen_ms, sum, value:sub(head), expires_ms
    end
  end
  total = total + count
  if total >= after then
    return struct.pack('<BI6', 98, now_ms + for_ms), for_ms
  end
  entries = insert(entries, math.max(at_ms - ago_ms, 0), count, after, within_ms)
  local life_ms = 0
  if at_ms + within_ms > lives_ms then
    lives_ms = at_ms + within_ms + math.floor(within_ms / 8)
    life_ms = lives_ms - now_ms
  end
  return struct.pack('<BI6I6I7', 115, lives_ms, at_ms, total) .. entries, life_ms
end
