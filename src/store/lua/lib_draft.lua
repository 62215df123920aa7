-- Drafts: alerts that are not sent yet. A hash each, and three sorted sets of their ids: open (by the
-- time of making), due (by the time to send), ended (by the time of ending).
-- KEYS of every script that changes one: draft, open, due, ended.
local draft_key, open_key, due_key, ended_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]

-- The only moves there are: from which state to which. "timed" is held or scheduled, by the times.
local MOVES = {
    edit = {draft = 'draft', awaiting_approval = 'draft', scheduled = 'draft', held = 'draft',
            failed = 'draft', expired = 'draft'},
    discard = {draft = 'cancelled', awaiting_approval = 'cancelled', scheduled = 'cancelled',
               held = 'cancelled', failed = 'cancelled', expired = 'cancelled'},
    submit = {draft = 'timed'},
    approve = {awaiting_approval = 'timed'},
    reject = {awaiting_approval = 'draft'},
    cancel = {awaiting_approval = 'draft', scheduled = 'draft', held = 'draft'},
    send = {scheduled = 'sent', held = 'sent'},
    expire = {scheduled = 'expired', held = 'expired'},
    fail = {scheduled = 'failed', held = 'failed'},
}
local ENDED = {sent = true, cancelled = true, expired = true, failed = true}
-- A repeat of these, from the same version, is answered as the first time until a move of the second
-- list undid it.
local REPEATABLE = {'by:submit', 'by:approve', 'by:reject', 'by:cancel', 'by:discard'}
local KEPT = {approve = true, send = true, expire = true, fail = true}

-- Redis' clock is the one that counts, so that newsrooms need not agree on theirs.
local function now_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Whether the move may be made from this version ('' = whichever): nil and the state it leads to and
-- the version now, or why not.
local function draft_check(move, version)
    local is = redis.call('HMGET', draft_key, 'state', 'version', 'by:' .. move)
    local to = is[1] and MOVES[move][is[1]]
    if not is[1] then
        return 'missing'
    elseif version ~= '' and is[3] == version then
        return 'repeated'
    elseif move == 'discard' and is[1] == 'cancelled' then
        return 'repeated'
    elseif not to and ENDED[is[1]] then
        return 'state'
    elseif version ~= '' and is[2] ~= version then
        return 'stale'
    elseif not to then
        return 'state'
    end
    return nil, to, is[2]
end

-- Sets fields from ARGV[at] on: name, value, … An empty value is no value.
local function draft_set(at)
    for i = at, #ARGV, 2 do
        if ARGV[i + 1] == '' then
            redis.call('HDEL', draft_key, ARGV[i])
        else
            redis.call('HSET', draft_key, ARGV[i], ARGV[i + 1])
        end
    end
end

-- What draft_set(at) sets a field to; nil when it leaves it as it is.
local function draft_given(name, at)
    for i = at, #ARGV, 2 do
        if ARGV[i] == name then
            return ARGV[i + 1]
        end
    end
    return nil
end

-- A number as it is, or will be once draft_set(at) was called; 0 for none.
local function draft_number(name, at)
    return tonumber(draft_given(name, at) or redis.call('HGET', draft_key, name) or nil) or 0
end

-- held or scheduled, and when to send: after the time to take it back, not before send_at, and never
-- before the embargo ends.
local function draft_times(now, at)
    local free = now + draft_number('hold_ms', at)
    local wanted = math.max(draft_number('send_at', at), draft_number('embargo', at))
    return wanted > free and 'scheduled' or 'held', math.max(wanted, free)
end

-- Notes which version a move was made from, and forgets what can be repeated no more.
local function draft_note(move, from)
    if not KEPT[move] then
        redis.call('HDEL', draft_key, unpack(REPEATABLE))
    end
    for _, field in ipairs(REPEATABLE) do
        if field == 'by:' .. move then
            redis.call('HSET', draft_key, field, from)
        end
    end
end

-- Makes a move that was checked: {id, move, to, from = version, retain_s, audit, fields_at, reason}.
-- `audit` is the entry to make, with \1 for the state that was reached, \2 for the version and \3
-- for the reason; '' for none. It comes first: what cannot be recorded is not done.
local function draft_enter(m)
    local now, at, to, due = now_ms(), m.fields_at or #ARGV + 1, m.to, nil
    if to == 'timed' then
        to, due = draft_times(now, at)
    end
    local version, reason = whole(m.from + 1), m.reason or ''
    if m.audit ~= '' then
        audit_append((m.audit:gsub('[\1\2\3]', {['\1'] = to, ['\2'] = version, ['\3'] = reason})))
    end
    draft_set(at)
    redis.call('HSET', draft_key, 'state', to, 'version', version)
    if reason ~= '' then
        redis.call('HSET', draft_key, 'reason_code', reason)
    end
    draft_note(m.move, m.from)
    if due then
        redis.call('ZADD', due_key, whole(due), m.id)
        redis.call('HSET', draft_key, 'due', whole(due))
    else
        redis.call('ZREM', due_key, m.id)
        if not ENDED[to] then
            redis.call('HDEL', draft_key, 'due')
        end
    end
    if ENDED[to] then
        redis.call('ZREM', open_key, m.id)
        redis.call('ZADD', ended_key, whole(now), m.id)
        redis.call('ZREMRANGEBYSCORE', ended_key, '-inf', whole(now - m.retain_s * 1000))
        redis.call('EXPIRE', draft_key, m.retain_s)
    else
        redis.call('ZREM', ended_key, m.id)
        redis.call('ZADD', open_key, redis.call('HGET', draft_key, 'created'), m.id)
        redis.call('PERSIST', draft_key)
    end
end
