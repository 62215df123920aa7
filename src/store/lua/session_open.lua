-- KEYS: session. ARGV: id of the key, how long it lives unused (ms), event of the audit log.
audit_append(ARGV[3])
local time = redis.call('TIME')
redis.call('HSET', KEYS[1], 'key', ARGV[1], 'opened', time[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
