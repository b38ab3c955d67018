-- Says what a hub does here and the user of this connection may not do: commands, each with its key.
--
-- ARGV: the keys of a log, the numbers of its origins, last values, an id, and what all processes
-- agree upon, which are not touched; replicas that are waited for.
local log, origins, values, id, meta, replicas = unpack(ARGV)
local wants = {
  { 'HGET', meta, 'f' }, { 'HSETNX', meta, 'f', 'v' },
  { 'EXISTS', log }, { 'XINFO', 'STREAM', log }, { 'XRANGE', log, '-', '+' }, { 'XREAD', 'STREAMS', log, '0' },
  { 'XADD', log, '*', 'h', 'v' }, { 'XTRIM', log, 'MAXLEN', '1' },
  { 'HGET', origins, 'f' }, { 'HGETALL', origins }, { 'HSET', origins, 'f', 'v' }, { 'DEL', origins },
  { 'HSCAN', values, '0' }, { 'HGET', values, 'f' }, { 'HSET', values, 'f', 'v' }, { 'HDEL', values, 'f' },
  { 'GET', id }, { 'SET', id, 'v' },
}
if tonumber(replicas) > 0 then wants[#wants + 1] = { 'WAIT', '1', '1' } end
local lacks = {}
for _, want in ipairs(wants) do
  if not redis.acl_check_cmd(unpack(want)) then
    local key = want[1] == 'XINFO' and log or want[1] == 'XREAD' and log or want[1] ~= 'WAIT' and want[2]
    lacks[#lacks + 1] = want[1] .. (key and ' ' .. key or '')
  end
end
return lacks
