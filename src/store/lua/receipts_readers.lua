-- What one gateway worker counted for readers without a device. A batch that was told before, but
-- whose answer was lost, counts nothing.
-- ARGV: worker, number of the batch (they count up), then for each revision of an alert: id,
-- revision, received, opened. Returns 1, or 0 when it was told before.
local told = '{t}:receipts:' .. ARGV[1]
if tonumber(redis.call('GET', told) or 0) >= tonumber(ARGV[2]) then
    return 0
end
redis.call('SET', told, ARGV[2], 'EX', 86400)
for i = 3, #ARGV, 4 do
    local keep_s = redis.call('TTL', '{t}:alert:' .. ARGV[i])
    if keep_s > 0 then
        local stats = '{t}:stats:' .. ARGV[i] .. ':' .. ARGV[i + 1]
        redis.call('HINCRBY', stats, 'received:stream', ARGV[i + 2])
        redis.call('HINCRBY', stats, 'opened:stream', ARGV[i + 3])
        if redis.call('TTL', stats) < 0 then
            redis.call('EXPIRE', stats, keep_s)
        end
    end
end
return 1
