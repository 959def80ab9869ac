-- Each request is one of KEYS users', in random order: the same order in each run.
math.randomseed(1)
request = function()
  return "GET / HTTP/1.1\r\nHost: bench\r\nx-user: " .. math.random(KEYS) .. "\r\n\r\n"
end
