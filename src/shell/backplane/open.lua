-- Says where the log of a partition stands, and begins it, or another epoch, where that is needed.
--
-- KEYS: the log, the numbers of origins.
-- ARGV: the epoch that would begin, the head of its marker, the cursor or '', and how its head
-- begins.
--
-- Returns the verdict, the first entry or '', the newest, and the numbers of origins.
local call = redis.call
local function less(a, b) return #a < #b or #a == #b and a < b end
local function parts(id) return id:match('^(%d+)-(%d+)$') end
local function first() return (call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1] or { '' })[1] end
local function newest()
  local facts = call('XINFO', 'STREAM', KEYS[1])
  for i = 1, #facts, 2 do
    if facts[i] == 'last-generated-id' then return facts[i + 1] end
  end
end
local exists = call('EXISTS', KEYS[1]) == 1
local verdict, begins = 'start', not exists
if not exists then call('DEL', KEYS[2]) end
if ARGV[3] ~= '' then
  local at = exists and call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
  if at and at[2][2]:sub(1, 18) == ARGV[4] then
    verdict = 'same'
  else
    local epoch, sequence = parts(ARGV[3])
    verdict = 'fork'
    if exists then
      local first_epoch, first_sequence = parts(first())
      if first_epoch == epoch and less(sequence, first_sequence) then verdict = 'trimmed' end
      begins = verdict == 'fork' and not less(epoch, (parts(newest())))
    end
  end
end
if begins then call('XADD', KEYS[1], ARGV[1] .. '-0', 'h', ARGV[2], 'd', '') end
return { verdict, first(), newest(), call('HGETALL', KEYS[2]) }
