-- Reading work streams through a consumer group. The group is made where it is missing, so that
-- an emptied Redis needs no restart of the readers. `from` is '>' for new entries, '0' for those
-- that this consumer was given before and has not finished.
local function read_group(key, group, consumer, count, from)
    local function read()
        return redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count,
                           'STREAMS', key, from)
    end
    local reply = read()
    if reply and reply.err and reply.err:find('NOGROUP', 1, true) then
        redis.call('XGROUP', 'CREATE', key, group, '0', 'MKSTREAM')
        reply = read()
    end
    if reply and reply.err then
        error(reply.err)
    end
    return reply and reply[1] and reply[1][2] or {}
end

-- Takes over entries that their consumer has not touched for `idle_ms`, and forgets consumers that
-- left nothing behind and were not seen for an hour.
local function claim_group(key, group, consumer, idle_ms, count)
    local claimed, cursor = {}, '0-0'
    local consumers = redis.pcall('XINFO', 'CONSUMERS', key, group)
    if consumers.err then
        return claimed
    end
    repeat
        local reply = redis.call('XAUTOCLAIM', key, group, consumer, idle_ms, cursor, 'COUNT',
                                 count - #claimed)
        cursor = reply[1]
        for _, entry in ipairs(reply[2]) do
            claimed[#claimed + 1] = entry
        end
    until cursor == '0-0' or #claimed >= count
    for _, fields in ipairs(consumers) do
        local c = {}
        for i = 1, #fields, 2 do
            c[fields[i]] = fields[i + 1]
        end
        if c.name ~= consumer and c.pending == 0 and c.idle > 3600000 then
            redis.call('XGROUP', 'DELCONSUMER', key, group, c.name)
        end
    end
    return claimed
end

-- The stored form of one revision of an alert, '' when it is gone.
local function alert_json(id, revision)
    local alert = redis.call('HMGET', '{t}:alert:' .. id, 'rev', 'json', 'json:' .. revision)
    return alert[1] == revision and alert[2] or alert[3] or ''
end

