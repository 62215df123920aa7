-- Drops the oldest entries once there are far too many. What the chain goes on from is kept, and an
-- entry of the log itself names it, so that nobody else can cut the beginning unseen.
-- KEYS: log, head, base. ARGV: most entries, entries above that before anything is done.
-- Returns how many were dropped.
local most = tonumber(ARGV[1])
local count = redis.call('XLEN', KEYS[1])
if count <= most + tonumber(ARGV[2]) then
    return 0
end
local last = string.format('%.0f', tonumber(redis.call('HGET', KEYS[2], 'seq') or '0') - most)
local id = last .. '-1'
local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
if not entry then
    return 0
end
local hash = entry[2][6]
audit_append('{"action":"audit.trimmed","alert_id":null,"revision":null,"actor":{"key_id":null,'
    .. '"name":"tocsin"},"detail":{"up_to":' .. last .. ',"hash":"' .. hash .. '"}}')
redis.call('HSET', KEYS[3], 'seq', last, 'hash', hash)
return redis.call('XTRIM', KEYS[1], 'MINID', (last + 1) .. '-0')
