-- Each connection waits a random while before each request, INTERVAL_MS on average: so the
-- connections do not march in step, and a request now and then meets others, as on a real gateway.
delay = function()
  return math.random(0, 2 * INTERVAL_MS)
end
