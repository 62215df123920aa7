-- Lets a key send again. ARGV: key id, audit entry. Returns 1 when its breaker had tripped.
if redis.call('HEXISTS', GUARD_OPEN, ARGV[1]) == 0 then
    return 0
end
audit_append(ARGV[2])
redis.call('HDEL', GUARD_OPEN, ARGV[1])
redis.call('DEL', GUARD_SENT .. ARGV[1])
return 1
