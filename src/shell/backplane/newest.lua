-- Returns the newest entry of a log; nothing where there is none.
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
local facts = redis.call('XINFO', 'STREAM', KEYS[1])
for i = 1, #facts, 2 do
  if facts[i] == 'last-generated-id' then return facts[i + 1] end
end
