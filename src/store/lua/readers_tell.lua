-- KEYS: summaries, times. ARGV: worker, ms to keep, summary. Not told to the append-only file or to
-- replicas: it is old before it could serve there.
redis.set_repl(redis.REPL_NONE)
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_ms)) do
    redis.call('HDEL', KEYS[1], worker)
    redis.call('ZREM', KEYS[2], worker)
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], now_ms + ARGV[2], ARGV[1])
return 1
