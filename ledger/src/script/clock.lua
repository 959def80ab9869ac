-- clock.lua: reads the server's clock once for the whole batch. Followed by count.lua.
-- Defines: now_ms, Unix milliseconds.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
