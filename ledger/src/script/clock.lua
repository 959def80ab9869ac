-- clock.lua: the time at which all of the batch is decided, by the server's own clock.
-- Followed by count.lua. Gives: now_ms, Unix milliseconds.

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
