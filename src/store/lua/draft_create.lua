-- Makes a draft, once per idempotency key, and submits it when asked to.
-- KEYS: draft, open, due, ended, idempotency.
-- ARGV: id, fingerprint ('' = no idempotency), seconds to remember it, most drafts open, seconds to
-- keep an ended one, whether it is to wait for approval (1 or 0), audit entry of the making, audit
-- entry of the submission ('' = not submitted), then fields.
-- Returns {result, fields of the draft}.
local id, fingerprint, idem_key = ARGV[1], ARGV[2], KEYS[5]
local former = fingerprint ~= '' and redis.call('HMGET', idem_key, 'fp', 'answer') or {}
if former[1] then
    local first = former[2]:match('^draft (%S+)$')
    if former[1] ~= fingerprint or not first then
        return {'reused', {}}
    end
    return {'replayed', redis.call('HGETALL', '{t}:draft:' .. first)}
end
if redis.call('ZCARD', open_key) >= tonumber(ARGV[4]) then
    return {'full', {}}
end
draft_enter({id = id, move = 'edit', to = 'draft', from = 0, retain_s = ARGV[5], audit = ARGV[7],
             fields_at = 9})
redis.call('HSET', draft_key, 'id', id)
if ARGV[8] ~= '' then
    draft_enter({id = id, move = 'submit', to = ARGV[6] == '1' and 'awaiting_approval' or 'timed',
                 from = 1, retain_s = ARGV[5], audit = ARGV[8]})
end
if fingerprint ~= '' then
    redis.call('HSET', idem_key, 'fp', fingerprint, 'answer', 'draft ' .. id)
    redis.call('EXPIRE', idem_key, ARGV[3])
end
return {'done', redis.call('HGETALL', draft_key)}
