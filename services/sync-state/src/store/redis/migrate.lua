-- Moves one practice of layout 1, once.
-- KEYS: the old practice, the old ids; practices, due, the practice's records, their order.
-- ARGV: id, the old version that was read, the new value, when it is due or ''; then records: key, value.
-- Returns 1: it has moved, now or before; 0: an older version of chairsync changed it meanwhile.
local version = redis.call('HGET', KEYS[1], 'version')
if not version then
    return 1
end
if version ~= ARGV[2] then
    return 0
end
if redis.call('HEXISTS', KEYS[3], ARGV[1]) == 0 then
    redis.call('HSET', KEYS[3], ARGV[1], ARGV[3])
    if ARGV[4] ~= '' then
        redis.call('ZADD', KEYS[4], ARGV[4], ARGV[1])
    end
    for at = 5, #ARGV, 2 do
        redis.call('HSET', KEYS[5], ARGV[at], ARGV[at + 1])
        redis.call('ZADD', KEYS[6], 0, ARGV[at])
    end
end
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[2], ARGV[1])
return 1
