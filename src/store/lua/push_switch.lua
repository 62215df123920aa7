-- Turns the switch of a platform, or of all at once.
-- KEYS: the switch. ARGV: platform or "all", why it is off ('' = turn it on), event of the audit log.
-- Returns the switch as it is then.
if ARGV[2] ~= '' then
    audit_append(ARGV[3])
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
elseif redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    audit_append(ARGV[3])
    redis.call('HDEL', KEYS[1], ARGV[1])
end
return redis.call('HGETALL', KEYS[1])
