-- Appends a batch to the log of a partition, or nothing of it.
--
-- KEYS: the log, the numbers of origins, the last values, the ids of the entries that have one.
-- ARGV: epoch, origin, the number that is known, that of the first entry, entries to retain, how
-- long ids are known in ms, replicas that are waited for; then of each entry: the index of its id or 0, what it does to the last
-- values ('' nothing, or '=' and the field, or '-' and fields with a NUL between them), its head,
-- its data.
--
-- The first XADD decides: where there is no log, or a later epoch, nothing has been written.
local call, n, id = redis.call, tonumber(ARGV[4]), ARGV[1] .. '-*'
local mark = tonumber(call('HGET', KEYS[2], ARGV[2]) or '0')
if mark < tonumber(ARGV[3]) then return redis.error_reply('STALE the number ' .. ARGV[3] .. ' is not known') end
local at, doubles = false, {}
for i = 8, #ARGV, 4 do
  if n > mark then
    local key, row, head, data = tonumber(ARGV[i]), ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
    -- The first entry with an id is remembered, so that it is not its own double when it is
    -- appended again.
    local owner = ARGV[2] .. '.' .. string.format('%.0f', n)
    local seen = key > 0 and call('GET', KEYS[3 + key])
    if seen and seen ~= owner then
      row, head, data, key = '', head:sub(1, 1) .. '\2' .. head:sub(3, 18), '', 0
      doubles[#doubles + 1] = n
    end
    at = call('XADD', KEYS[1], 'NOMKSTREAM', id, 'h', head, 'd', data)
    if not at then return redis.error_reply('STALE there is no log') end
    if key > 0 then call('SET', KEYS[3 + key], owner, 'PX', ARGV[6]) end
    if row:sub(1, 1) == '=' then
      call('HSET', KEYS[3], row:sub(2), at .. ' ' .. #head .. ' ' .. head .. data)
    elseif row ~= '' then
      for field in row:sub(2):gmatch('[^%z]+') do call('HDEL', KEYS[3], field) end
    end
  end
  n = n + 1
end
if at then call('XTRIM', KEYS[1], 'MAXLEN', '~', ARGV[5]) end
-- Whoever waits for replicas waits for what this connection has written: there must be something,
-- also where all entries were there.
if at or tonumber(ARGV[7]) > 0 then
  call('HSET', KEYS[2], ARGV[2], string.format('%.0f', math.max(n - 1, mark)))
end
return { at, doubles }
