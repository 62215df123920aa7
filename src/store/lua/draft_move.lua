-- One move of a draft, if it is in a state and of the version to make it from.
-- KEYS: draft, open, due, ended. ARGV: id, move, version ('' = whichever), seconds to keep an ended
-- one, whether it is to wait for approval (1 or 0), audit entry, then fields to set.
-- Returns {result, fields of the draft}.
local FIELDS_AT = 7
-- Most keys that edit one draft. Each is kept, for none of them may approve it.
local EDITORS_MAX = 64

-- All who ever edited the draft and the one who does now, as ids; nil when they are too many.
local function editors_with(key)
    local is = redis.call('HMGET', draft_key, 'editors', 'edited_by')
    local ids, seen = {}, {}
    -- A draft of a release that kept no list has but the last of them.
    for id in ('%s %s %s'):format(is[1] or '', is[2] or '', key):gmatch('%S+') do
        if not seen[id] then
            seen[id], ids[#ids + 1] = true, id
        end
    end
    return #ids <= EDITORS_MAX and table.concat(ids, ' ') or nil
end

local function is_own(key)
    local by = redis.call('HMGET', draft_key, 'created_by', 'submitted_by', 'edited_by', 'editors')
    for i = 1, 4 do
        by[i] = by[i] or ''
    end
    return (' ' .. table.concat(by, ' ') .. ' '):find(' ' .. key .. ' ', 1, true) ~= nil
end

local refusal, to, from = draft_check(ARGV[2], ARGV[3])
local editor, approver = draft_given('edited_by', FIELDS_AT), draft_given('approved_by', FIELDS_AT)
local editors = editor and editors_with(editor)
if refusal == 'missing' then
    redis.call('ZREM', due_key, ARGV[1])
elseif not refusal and editor and not editors then
    refusal = 'editors'
elseif not refusal and ARGV[2] == 'approve' and (not approver or is_own(approver)) then
    refusal = 'own'
end
if not refusal then
    draft_enter({id = ARGV[1], move = ARGV[2], to = ARGV[5] == '1' and 'awaiting_approval' or to,
                 from = from, retain_s = ARGV[4], audit = ARGV[6], fields_at = FIELDS_AT})
    if editors then
        redis.call('HSET', draft_key, 'editors', editors)
    end
end
return {refusal or 'done', redis.call('HGETALL', draft_key)}
