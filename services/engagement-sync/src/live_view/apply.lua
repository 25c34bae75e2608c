-- One atomic write of a practice's live view. No rule of the product stands here: fence, compare, write, log, count.
--
-- KEYS  1 head (hash)   2 log (stream)
-- ARGV  1 key prefix of the practice        2 epoch, or '' for a writer without a lease
--       3 sequence that must be the last, or ''   4 highest sequence the writer knows
--       5 '1': log changes                  6 changes to keep in the log
--       7 now, microseconds                 8 name of a new incarnation
--       9 '1': begin a new incarnation     10 number n of head fields that follow
--      11 .. 10+2n   field, value pairs of the head
--      then five each: 'u' or 'd', dataset, key, 'group:patient', row
-- Returns {'OK', sequence, changed} | {'STALE', epoch} | {'MOVED'} | {'ROLLED_BACK'}
local head, log = KEYS[1], KEYS[2]
local held = tonumber(redis.call('HGET', head, 'epoch') or '0')
local sequence = tonumber(redis.call('HGET', head, 'sequence') or '0')

if ARGV[2] ~= '' and tonumber(ARGV[2]) < held then return {'STALE', tostring(held)} end

local function incarnate(from)
  redis.call('HSET', head, 'incarnation', ARGV[8], 'sequence', string.format('%.0f', from), 'floor', string.format('%.0f', from))
  redis.call('DEL', log)
end

if sequence < tonumber(ARGV[4]) then
  incarnate(tonumber(ARGV[4]))
  return {'ROLLED_BACK'}
end
if ARGV[3] ~= '' and tonumber(ARGV[3]) ~= sequence then return {'MOVED'} end
if ARGV[9] == '1' or redis.call('HEXISTS', head, 'incarnation') == 0 then incarnate(sequence) end
if ARGV[2] ~= '' then redis.call('HSET', head, 'epoch', ARGV[2]) end

local fields = tonumber(ARGV[10])
for i = 11, 10 + 2 * fields, 2 do redis.call('HSET', head, ARGV[i], ARGV[i + 1]) end
local source_time = redis.call('HGET', head, 'synced_through') or ''

local changed = 0
for i = 11 + 2 * fields, #ARGV, 5 do
  local op, dataset, key, owner, row = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local rows, index = ARGV[1] .. 'rows:' .. dataset, ARGV[1] .. 'index:' .. dataset
  local stored = redis.call('HGET', rows, key)
  local value = owner .. '\n' .. row
  local moved = false
  if op == 'd' then
    if stored then
      owner = string.match(stored, '^([^\n]*)\n')
      redis.call('HDEL', rows, key)
      redis.call('ZREM', index, string.match(owner, '^%-?%d+') .. ':' .. key)
      row, moved = '', true
    end
  elseif stored ~= value then
    local group = string.match(owner, '^%-?%d+')
    if stored then
      local old = string.match(stored, '^%-?%d+')
      if old ~= group then redis.call('ZREM', index, old .. ':' .. key) end
    end
    redis.call('HSET', rows, key, value)
    redis.call('ZADD', index, 0, group .. ':' .. key)
    moved = true
  end
  if moved then
    changed = changed + 1
    if ARGV[5] == '1' then
      sequence = sequence + 1
      redis.call('XADD', log, string.format('%.0f-1', sequence), 'o', op, 'd', dataset, 'k', key,
        'p', string.match(owner, ':(%-?%d*)$') or '', 'r', row, 's', source_time, 'a', ARGV[7])
    end
  end
end

redis.call('HSET', head, 'sequence', string.format('%.0f', sequence))
if redis.call('XLEN', log) > tonumber(ARGV[6]) then
  redis.call('XTRIM', log, 'MAXLEN', ARGV[6])
  local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)
  local oldest = first[1] and tonumber(string.match(first[1][1], '^(%d+)')) or sequence + 1
  redis.call('HSET', head, 'floor', string.format('%.0f', oldest - 1))
end
redis.call('PUBLISH', ARGV[1] .. 'moved', string.format('%.0f', sequence))
return {'OK', string.format('%.0f', sequence), changed}
