-- Saves or deletes a practice if nobody else saved it since it was read.
-- KEYS: 1 practice, 2 due, 3 all, 4 events, 5 records, 6 their order
-- ARGV: 1 id, 2 expected version (0: must not exist), 3 new version, 4 state ('' deletes), 5 due in ms ('' never), then for each
-- record that changes 'put' or 'remove', its key, its value
-- Returns 1 when saved, 0 when the version is another. A repeat of a save that went through returns 1 again.
local found = tonumber(redis.call('HGET', KEYS[1], 'version') or '0')
if found == tonumber(ARGV[3]) and found ~= 0 then
  return redis.call('HGET', KEYS[1], 'state') == ARGV[4] and 1 or 0
end
if found ~= tonumber(ARGV[2]) then
  return 0
end
if ARGV[4] == '' then
  redis.call('DEL', KEYS[1], KEYS[5], KEYS[6])
  redis.call('SREM', KEYS[3], ARGV[1])
else
  redis.call('HSET', KEYS[1], 'version', ARGV[3], 'state', ARGV[4])
  redis.call('SADD', KEYS[3], ARGV[1])
end
for at = 6, ARGV[4] == '' and 0 or #ARGV, 3 do
  if ARGV[at] == 'put' then
    redis.call('HSET', KEYS[5], ARGV[at + 1], ARGV[at + 2])
    redis.call('ZADD', KEYS[6], 0, ARGV[at + 1])
  else
    redis.call('HDEL', KEYS[5], ARGV[at + 1])
    redis.call('ZREM', KEYS[6], ARGV[at + 1])
  end
end
if ARGV[4] == '' or ARGV[5] == '' then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], ARGV[5], ARGV[1])
end
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'id', ARGV[1])
return 1
