-- Sends a draft whose time has come: claim and publish in one step, so whoever else tries finds it
-- sent. What is too late ends as expired, what the log refuses for good as failed.
-- KEYS: draft, open, due, ended, then those of publish_alert. ARGV: id, version, latest lateness
-- (ms), seconds to keep an ended one, audit entries for sent, expired and failed, then those of
-- publish_alert. Returns {status, answer} as publish.lua does.
local OWN_KEYS, OWN_ARGS = 4, 7
local LATER = {overloaded = true, revised = true}
local id, version, late_max, retain_s = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]

local refusal, to, from = draft_check('send', version)
if refusal then
    return {refusal, ''}
end
local now, due = now_ms(), tonumber(redis.call('HGET', draft_key, 'due'))
if due > now then
    return {'early', ''}
elseif now - due > late_max then
    draft_enter({id = id, move = 'expire', to = 'expired', from = from, retain_s = retain_s,
                 audit = ARGV[6], reason = 'late'})
    return {'expired', ''}
end

local function rest(list, skip)
    local left = {}
    for i = skip + 1, #list do
        left[#left + 1] = list[i]
    end
    return left
end
local result = publish_alert(rest(KEYS, OWN_KEYS), rest(ARGV, OWN_ARGS))
-- `replayed`: it was published before, and Redis failed before this was noted.
if result[1] == 'accepted' or result[1] == 'replayed' then
    local alert_id, revision = result[2]:match('^(%S+) (%S+)')
    redis.call('HSET', draft_key, 'alert_id', alert_id, 'revision', revision, 'sent', whole(now))
    draft_enter({id = id, move = 'send', to = to, from = from, retain_s = retain_s, audit = ARGV[5]})
elseif not LATER[result[1]] then
    if result[1] == 'duplicate' then
        redis.call('HSET', draft_key, 'duplicate_of', result[2])
    end
    draft_enter({id = id, move = 'fail', to = 'failed', from = from, retain_s = retain_s,
                 audit = ARGV[7], reason = result[1]})
end
return result
