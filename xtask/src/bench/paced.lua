-- Each connection waits a random time before each request, INTERVAL_MS on average. So the connections
-- do not run in step, and requests sometimes coincide, as on a real gateway.
delay = function()
  return math.random(0, 2 * INTERVAL_MS)
end
