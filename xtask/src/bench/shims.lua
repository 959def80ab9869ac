-- Each request asks for BATCH decisions of random users. The bodies are written before the run.
local BODIES, USERS = 200, 100000
local QUOTA = '"quota":{"sliding_window":{"limit":9007199254740992,"window_ms":60000}}'
local bodies = {}
init = function()
  math.randomseed(1)
  for at = 1, BODIES do
    local requests = {}
    for one = 1, BATCH do
      local counter = string.format("tg:{%032x}:users", math.random(USERS))
      requests[one] = '{"charges":[{"counter":"' .. counter .. '",' .. QUOTA .. '}]}'
    end
    local body = '{"requests":[' .. table.concat(requests, ",") .. ']}'
    bodies[at] = wrk.format("POST", nil, { ["content-type"] = "application/json" }, body)
  end
end
local at = 0
request = function()
  at = at % BODIES + 1
  return bodies[at]
end
