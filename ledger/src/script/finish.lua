-- finish.lua: stores the changed values, and returns the reply. Last part of decide.lua and
-- settle.lua.

for place = 1, #KEYS do
  local life_ms = lives_ms[place]
  if life_ms then
    local value = held[place]
    if value == '' then
      redis.call('DEL', KEYS[place])
    elseif life_ms > 0 then
      redis.call('SET', KEYS[place], value, 'PX', life_ms)
    elseif life_ms < 0 then
      redis.call('SET', KEYS[place], value)
    else
      redis.call('SET', KEYS[place], value, 'KEEPTTL')
    end
  end
end
return reply .. damaged
