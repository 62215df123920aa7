-- Marks devices done and counts them in one step; a device that is done already counts nothing,
-- so a flush may be repeated. Regions are counted in the same step, so they cannot disagree.
-- KEYS: done, stats, marker of the block's plan (for the time to keep).
-- ARGV: platform, block, then for each kind of end: outcome, edition, how long it took (a step, '' where
-- that says nothing), byte offset, bits.
-- Returns how many devices were counted.
local done, stats = KEYS[1], KEYS[2]
local kept = {} -- bitmaps of outcomes that corrections ask for
for _, outcome in ipairs({'accepted', 'unknown', 'superseded'}) do
    kept[outcome] = done:gsub(':done:', ':' .. outcome .. ':', 1)
end
local fresh, before, now_accepted = done .. ':tmp1', done .. ':tmp2', done .. ':tmp3'
redis.call('DEL', now_accepted)
local counted, accepted_any = 0, false
for i = 3, #ARGV, 5 do
    redis.call('DEL', fresh)
    redis.call('SETRANGE', fresh, ARGV[i + 3], ARGV[i + 4])
    redis.call('BITOP', 'AND', before, fresh, done)
    redis.call('BITOP', 'XOR', fresh, fresh, before)
    local count = redis.call('BITCOUNT', fresh)
    if count > 0 then
        redis.call('BITOP', 'OR', done, done, fresh)
        local known = kept[ARGV[i]]
        if known then
            redis.call('BITOP', 'OR', known, known, fresh)
        end
        if ARGV[i] == 'accepted' then
            redis.call('BITOP', 'OR', now_accepted, now_accepted, fresh)
            accepted_any = true
        end
        redis.call('HINCRBY', stats, ARGV[i] .. ':' .. ARGV[1] .. ':' .. ARGV[i + 1], count)
        if ARGV[i + 2] ~= '' then
            redis.call('HINCRBY', stats, 'took:' .. ARGV[1] .. ':' .. ARGV[i + 2], count)
        end
        counted = counted + count
    end
end
if accepted_any then
    local prefix = '{b' .. ARGV[2] .. '}:'
    for region in (redis.call('HGET', stats, 'regions') or ''):gmatch('[^,]+') do
        redis.call('BITOP', 'OR', fresh, prefix .. 'region:' .. region, prefix .. 'region:*')
        redis.call('BITOP', 'AND', fresh, fresh, now_accepted)
        local count = redis.call('BITCOUNT', fresh)
        if count > 0 then
            redis.call('HINCRBY', stats, 'accepted@' .. region, count)
        end
    end
end
redis.call('DEL', fresh, before, now_accepted)
local keep_ms = redis.call('PTTL', KEYS[3])
if keep_ms > 0 then
    redis.call('PEXPIRE', done, keep_ms)
    for _, bitmap in pairs(kept) do
        redis.call('PEXPIRE', bitmap, keep_ms)
    end
end
return counted
