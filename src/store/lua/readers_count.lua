-- KEYS: summaries, times. Returns the summaries that are not too old.
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for _, worker in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now_ms, '+inf')) do
    found[#found + 1] = redis.call('HGET', KEYS[1], worker)
end
return found
