-- finish.lua: writes what is to be stored, and returns the reply. Ends decide.lua and settle.lua.

for place = 1, #KEYS do
  local key = KEYS[place]
  local life_ms = lives_ms[key]
  if life_ms then
    lives_ms[key] = nil
    if held[key] == '' then
      redis.call('DEL', key)
    elseif life_ms > 0 then
      redis.call('SET', key, held[key], 'PX', life_ms)
    else
      redis.call('SET', key, held[key], 'KEEPTTL')
    end
  end
  if held[place] then
    reply = reply .. struct.pack('<I4', place - 1)
  end
end
return reply
