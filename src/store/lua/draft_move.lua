-- One move of a draft, if it is in a state and of the version to make it from.
-- KEYS: draft, open, due, ended. ARGV: id, move, version ('' = whichever), seconds to keep an ended
-- one, whether it is to wait for approval (1 or 0), audit entry, then fields to set.
-- Returns {result, fields of the draft}.
local refusal, to, from = draft_check(ARGV[2], ARGV[3])
if refusal == 'missing' then
    redis.call('ZREM', due_key, ARGV[1])
end
if not refusal then
    draft_enter({id = ARGV[1], move = ARGV[2], to = ARGV[5] == '1' and 'awaiting_approval' or to,
                 from = from, retain_s = ARGV[4], audit = ARGV[6], fields_at = 7})
end
return {refusal or 'done', redis.call('HGETALL', draft_key)}
