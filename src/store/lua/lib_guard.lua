-- Keeps one text from being sent twice, and one key from running away. `guard` is the object that
-- publish_guard_put made, nil for an alert that needs none:
--   key, limit, span, event          at most `limit` (0 = any) within `span` seconds by this key; the
--                                    audit entry of a trip
--   texts, story, window, allow      digests of its texts, absent when duplicates are nobody's concern
-- Keys:
--   {t}:breaker:<key>                times (ms) of the newest it sent, newest first
--   {t}:breakers                     key -> when its breaker tripped (ms)
--   {t}:said:<digest>:any            id of the last alert that said so, whatever its story
--   {t}:said:<digest>:of:<story>     and the last of a story; of none when <story> is empty
local GUARD_SENT, GUARD_OPEN, GUARD_SAID = '{t}:breaker:', '{t}:breakers', '{t}:said:'

local function guard_now()
    local time = redis.call('TIME')
    return time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
end

local function guard_breaker(guard)
    if guard.limit == 0 then
        return nil
    end
    if redis.call('HEXISTS', GUARD_OPEN, guard.key) == 1 then
        return 'broken'
    end
    local oldest = redis.call('LINDEX', GUARD_SENT .. guard.key, guard.limit - 1)
    local now = guard_now()
    if oldest and tonumber(oldest) > tonumber(now) - guard.span * 1000 then
        audit_append(guard.event)
        redis.call('HSET', GUARD_OPEN, guard.key, now)
        return 'tripped'
    end
end

-- The alert that said the same, or nil.
local function guard_former(guard)
    for _, digest in ipairs(guard.allow and {} or guard.texts or {}) do
        local said = GUARD_SAID .. digest
        local id
        if guard.story == '' then
            id = redis.call('GET', said .. ':any')
        else
            id = redis.call('GET', said .. ':of:' .. guard.story) or redis.call('GET', said .. ':of:')
        end
        if id then
            return id
        end
    end
end

-- What speaks against the publish as {status, answer}, else nil. Before anything is changed.
local function guard_check(guard)
    if not guard then
        return nil
    end
    local former = guard_former(guard)
    if former then
        return {'duplicate', former}
    end
    local breaker = guard_breaker(guard)
    return breaker and {breaker, ''}
end

-- Remembers an accepted publish.
local function guard_note(guard, id)
    if not guard then
        return
    end
    if guard.limit > 0 then
        local key = GUARD_SENT .. guard.key
        redis.call('LPUSH', key, guard_now())
        redis.call('LTRIM', key, 0, guard.limit - 1)
        redis.call('EXPIRE', key, guard.span)
    end
    for _, digest in ipairs(guard.texts or {}) do
        local said = GUARD_SAID .. digest
        redis.call('SET', said .. ':any', id, 'EX', guard.window)
        redis.call('SET', said .. ':of:' .. guard.story, id, 'EX', guard.window)
    end
end

