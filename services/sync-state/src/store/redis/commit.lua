-- Saves practices: each one if nobody saved it since it was read. No rule and no clock is here.
-- KEYS: per shard its practices, due, events; per practice with records these and their order.
-- ARGV: who saves; how many events are kept; then per practice
--   the place of its shard's keys, the place of its records' keys or 0, id, the version that was read or '', the new
--   version, the new value or '' to delete it, when it is due or '', the number of changes to its records, and these:
--   key, '1' to put or '0' to remove, value.
-- Returns per practice 1: saved, 0: another version is there, 2: this very version was there already.
local origin, kept = ARGV[1], ARGV[2]
local at, answers = 3, {}
while ARGV[at] do
    local shard, own = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local id, base, version, value = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
    local due, changes = ARGV[at + 6], tonumber(ARGV[at + 7])
    at = at + 8
    local held = redis.call('HGET', KEYS[shard], id)
    local found = held and string.sub(held, 2, 9) or ''
    if found == version then
        -- Written once more, so that a wait for durability that follows on this connection waits for it.
        redis.call('HSET', KEYS[shard], id, held)
        answers[#answers + 1] = 2
    elseif found ~= base then
        answers[#answers + 1] = 0
    else
        if value == '' then
            redis.call('HDEL', KEYS[shard], id)
            redis.call('UNLINK', KEYS[own], KEYS[own + 1])
        else
            redis.call('HSET', KEYS[shard], id, value)
            for change = at, at + 3 * changes - 1, 3 do
                if ARGV[change + 1] == '1' then
                    redis.call('HSET', KEYS[own], ARGV[change], ARGV[change + 2])
                    redis.call('ZADD', KEYS[own + 1], 0, ARGV[change])
                else
                    redis.call('HDEL', KEYS[own], ARGV[change])
                    redis.call('ZREM', KEYS[own + 1], ARGV[change])
                end
            end
        end
        if due == '' then
            redis.call('ZREM', KEYS[shard + 1], id)
        else
            redis.call('ZADD', KEYS[shard + 1], due, id)
        end
        redis.call('XADD', KEYS[shard + 2], 'MAXLEN', '~', kept, '*', 'i', id, 'v', version, 'o', origin)
        answers[#answers + 1] = 1
    end
    at = at + 3 * changes
end
return answers
