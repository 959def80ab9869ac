-- decide.lua: decides a batch of requests in order, each all or nothing. Follows count.lua.
--
-- KEYS: the counters charged, request after request; all in one slot in a Cluster.
-- ARGV: a record for each (count.lua); flag `last` on the last of each request.
-- Returns whole numbers, in a row: now_ms; then for each request 0 denied, 1 admitted, or 2 where
--   no period given contains now_ms (nothing was charged, nothing follows); then for each charge
--     fits + 2 × leased, remaining, reset_ms, retry_after_ms (2^53: never), and where leased
--     granted, lease_ms;
--   at the end the places in KEYS, from 0, whose values were damaged.
--   An admitted request's `remaining` and `reset_ms` are told after the charge, and a lease.

local reply, size = { now_ms }, 1
local charges = {} -- of the request at hand, reused by the next

-- Charges c, which fits, and the lease it asks for.
local function make(c, r)
  local granted, lease_ms = 0, r.lease_ms
  local sharers, longest_ms = 2, r.p
  if r.wish > 0 then
    if r.method == FIXED then
      longest_ms = c.until_ms - now_ms
    elseif r.method == SLIDING then
      for place = #c.log - ENTRY_BYTES + 1, c.head, -ENTRY_BYTES do
        if unpack(ENTRY, c.log, place) <= c.at_ms then
          break
        end
        sharers = sharers + 1
      end
    end
  end
  charge(c, r, r.amount, 0)
  if r.wish > 0 and r.method ~= TOKENS then
    tell(c, r)
    granted, lease_ms = min(r.wish, floor(c.left / sharers)), min(lease_ms, longest_ms)
    if granted > 0 then
      charge(c, r, granted, lease_ms)
    end
  end
  save(c, r)
  c.remaining = c.left
  return granted, lease_ms
end

local function answer(count, admitted)
  size = size + 1
  reply[size] = admitted and 1 or 0
  for i = 1, count do
    local c, code, granted, lease_ms = charges[i], 0, 0, 0
    if c.fits then
      code = 1
      if admitted then
        granted, lease_ms = make(c, c.record)
      end
    end
    reply[size + 1], reply[size + 2] = code, c.remaining
    reply[size + 3], reply[size + 4] = c.reset_ms, c.retry_after_ms
    if granted > 0 then
      reply[size + 1], reply[size + 5], reply[size + 6] = code + 2, granted, lease_ms
      size = size + 2
    end
    size = size + 4
  end
end

local count, admitted, clock = 0, true, false
for place = 1, #KEYS do
  count = count + 1
  local c, r = charges[count], record(ARGV[place])
  if not c then
    c = {}
    charges[count] = c
  end
  c.record = r
  judge(c, r, place)
  clock = clock or c.clock
  if r.enforce and not c.fits then
    admitted = false
  end
  if r.last then
    if clock then
      size = size + 1
      reply[size] = 2
    else
      answer(count, admitted)
    end
    count, admitted, clock = 0, true, false
  end
end
write_all()
for i = 1, #damaged do
  reply[size + i] = damaged[i]
end
return reply
