-- Keeps last values where there are none, or older ones.
--
-- KEYS: the last values. ARGV: field and value, in turn. A value begins with the place of its entry.
local function less(a, b) return #a < #b or #a == #b and a < b end
for i = 1, #ARGV, 2 do
  local epoch, sequence = ARGV[i + 1]:match('^(%d+)-(%d+) ')
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  local held_epoch, held_sequence = (held or ''):match('^(%d+)-(%d+) ')
  if not held_epoch or less(held_epoch, epoch) or held_epoch == epoch and less(held_sequence, sequence) then
    redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
  end
end
return true
