-- KEYS: the lanes of one platform, most urgent first. ARGV: consumer, claim ms or 0, for each lane how
-- many jobs of it and of the more urgent ones together, and when claim ms is not 0: the jobs the
-- consumer holds, each as "<lane>/<entry>".
-- With claim ms, jobs of other consumers that are idle for so long are taken over, and those of its
-- own that it does not know of (the answer that gave them was lost).
-- {t}:reach:<id>:<revision> notes for each job that was ever given, as <platform>:<block>, the slot up to
-- which devices were read to be sent to.
-- Returns {{lane (0..), entry, alert, revision, block, reached, ...},
--          {alert, revision, json, 1 when aborted or 2 when superseded, ...}}.
local consumer, claim_ms = ARGV[1], tonumber(ARGV[2])
local left, held = {}, {}
for i = 1, #KEYS do
    left[i] = tonumber(ARGV[2 + i])
end
for i = 3 + #KEYS, #ARGV do
    held[ARGV[i]] = true
end
local jobs, texts, seen = {}, {}, {
}

local function reached(lane_key, id, revision, block)
    local reach = '{t}:reach:' .. id .. ':' .. revision
    local field = lane_key:match('^{t}:jobs:([a-z]+):') .. ':' .. block
    if redis.call('HSETNX', reach, field, 0) == 0 then
        return redis.call('HGET', reach, field)
    end
    local keep_ms = redis.call('PTTL', '{t}:stats:' .. id .. ':' .. revision)
    if keep_ms > 0 then
        redis.call('PEXPIRE', reach, keep_ms)
    end
    return '0'
end

local function give(i, entries)
    local lane = i - 1
    for _, entry in ipairs(entries) do
        local fields, name = entry[2], lane .. '/' .. entry[1]
        if left[i] > 0 and fields and not held[name] then
            held[name] = true
            for k = i, #KEYS do
                left[k] = left[k] - 1
            end
            local id, revision = fields[2], fields[4]
            for _, word in ipairs({lane, entry[1], id, revision, fields[6],
                                   reached(KEYS[lane + 1], id, revision, fields[6])}) do
                jobs[#jobs + 1] = word
            end
            if not seen[id .. ':' .. revision] then
                seen[id .. ':' .. revision] = true
                texts[#texts + 1] = id
                texts[#texts + 1] = revision
                texts[#texts + 1] = alert_json(id, revision)
                texts[#texts + 1] = ending_of('{t}:stats:' .. id .. ':' .. revision)
            end
        end
    end
end

for i, key in ipairs(KEYS) do
    if claim_ms > 0 and left[i] > 0 then
        give(i, read_group(key, 'push', consumer, left[i] + #ARGV, '0'))
        if left[i] > 0 then
            give(i, claim_group(key, 'push', consumer, claim_ms, left[i]))
        end
    end
    if left[i] > 0 then
        give(i, read_group(key, 'push', consumer, left[i], '>'))
    end
end
return {
    jobs, texts
}
