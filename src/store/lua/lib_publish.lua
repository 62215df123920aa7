-- What earlier revisions have not handed over yet, nobody hands over any more.
local function supersede(id, by, keep_s)
    for revision = 1, by - 1 do
        local stats = '{t}:stats:' .. id .. ':' .. revision
        local jobs, finished = unpack(redis.call('HMGET', stats, 'jobs', 'finished'))
        if not jobs or tonumber(jobs) > tonumber(finished) then
            redis.call('HSETNX', stats, 'superseded_by', by)
        end
        redis.call('EXPIRE', stats, keep_s)
    end
end

-- Accepts one alert, or one revision of an alert, whole or not at all: for publish.lua, and for the
-- drafts whose time has come.
-- keys: idempotency, epoch, log, plan, alert, then every lane of jobs.
-- argv: see the table below. Returns {status, answer}.
local function publish_alert(keys, argv)
    local idem_key, epoch_key, log_key, plan_key, alert_key =
        keys[1], keys[2], keys[3], keys[4], keys[5]
    local fingerprint, about, id, revision, json = argv[1], argv[2], argv[3], argv[4], argv[5]
    local sent_ms, durability, state, fresh_epoch = argv[6], argv[7], argv[8], argv[9]
    local window, retain_s, idempotency_s = tonumber(argv[10]), argv[11], argv[12]
    local plan_max, jobs_max, wants_push = tonumber(argv[13]), tonumber(argv[14]), argv[15]
    local bell, event, revisions_max = argv[16], argv[17], tonumber(argv[18])
    local guard = argv[19] ~= '' and cjson.decode(argv[19]) or nil

    local former = redis.call('HMGET', idem_key, 'fp', 'answer')
    if former[1] then
        if former[1] == fingerprint then
            return {'replayed', former[2]}
        end
        return {'reused', ''}
    end

    -- `about` is the revision that an update or cancel was made from, '' for a new alert.
    local old = redis.call('HMGET', alert_key, 'rev', 'state', 'json')
    if about ~= '' then
        if not old[1] then
            return {'unknown', ''}
        elseif old[2] == 'cancelled' then
            return {'ended', ''}
        elseif old[1] ~= about then
            return {'revised', ''}
        elseif state == 'active' and tonumber(revision) > revisions_max then
            return {'full', ''}
        end
    end

    if wants_push == '1' then
        local jobs = 0
        for i = 6, #keys do
            jobs = jobs + redis.call('XLEN', keys[i])
        end
        if redis.call('XLEN', plan_key) >= plan_max or jobs >= jobs_max then
            return {'overloaded', ''}
        end
    end

    local refusal = guard_check(guard)
    if refusal then
        return refusal
    end

    -- Whoever got the alert may not be known any more: then only readers can be told.
    local recipients = ''
    if about ~= '' and wants_push == '1' then
        local until_s = redis.call('HGET', '{t}:stats:' .. id .. ':' .. about, 'known_until')
        if until_s and tonumber(until_s) <= tonumber(redis.call('TIME')[1]) then
            wants_push, recipients = '0', ' forgotten'
        end
    end

    -- The logs first: if Redis refuses them, nothing was changed.
    audit_append(audit_unseal(event))
    local epoch, last = epoch_current(epoch_key, log_key, fresh_epoch)
    local seq = whole(last + 1)
    redis.call('XADD', log_key, seq .. '-1', 'e', epoch, 'j', json)
    redis.call('HSET', epoch_key, 'seq', seq)
    if last + 1 > window then
        redis.call('XTRIM', log_key, 'MINID', whole(last + 2 - window) .. '-0')
    end

    -- Work under way for an earlier revision still needs its text.
    if about ~= '' then
        redis.call('HSET', alert_key, 'json:' .. about, old[3])
    end
    redis.call('HSET', alert_key, 'json', json, 'rev', revision, 'epoch', epoch, 'seq', seq,
               'state', state, 'push', wants_push)
    redis.call('EXPIRE', alert_key, retain_s)
    if wants_push == '1' then
        redis.call('XADD', plan_key, '*', 'id', id, 'rev', revision)
        supersede(id, tonumber(revision), retain_s)
    end

    guard_note(guard, id)
    local answer = table.concat({id, revision, epoch, seq, sent_ms, durability}, ' ') .. recipients
    redis.call('HSET', idem_key, 'fp', fingerprint, 'answer', answer)
    redis.call('EXPIRE', idem_key, idempotency_s)
    redis.call('PUBLISH', bell, epoch .. ' ' .. seq .. ' ' .. json)
    return {'accepted', answer}
end
