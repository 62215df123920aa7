-- KEYS: lane, stats, reach (jobs_take.lua). ARGV: entry. Returns 1, or 0 when it was finished before.
redis.call('XACK', KEYS[1], 'push', ARGV[1])
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end
if redis.call('HEXISTS', KEYS[2], 'regions') == 1 then
    local finished = redis.call('HINCRBY', KEYS[2], 'finished', 1)
    if finished >= tonumber(redis.call('HGET', KEYS[2], 'jobs')) then
        redis.call('DEL', KEYS[3])
    end
end
return 1
