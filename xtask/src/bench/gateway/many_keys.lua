-- Each request is from a random one of KEYS users. The order is the same in each run.
math.randomseed(1)
request = function()
  return "GET / HTTP/1.1\r\nHost: bench\r\nx-user: " .. math.random(KEYS) .. "\r\n\r\n"
end
