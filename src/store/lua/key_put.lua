-- Stores a key, new or changed. KEYS: all keys. ARGV: id, the key, event of the audit log.
audit_append(ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
