-- KEYS: session. ARGV: event of the audit log. Returns whether there was one.
if redis.call('EXISTS', KEYS[1]) == 0 then
    return 0
end
audit_append(ARGV[1])
return redis.call('DEL', KEYS[1])
