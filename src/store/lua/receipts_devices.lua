-- What devices say they received or opened. Only recipients of that revision count, each once; who
-- opened an alert has received it, too.
-- ARGV: editions (comma separated), then for each post: digest of the id, digest of the secret,
-- number of receipts, then alert, revision and event of each.
-- Returns for each post 'missing', 'denied', or a letter for each receipt: c = counted, k = known
-- before, u = no such alert, n = the device was no recipient (or it is too long ago to say).
local editions = {}
for edition in ARGV[1]:gmatch('[^,]+') do
    editions[#editions + 1] = edition
end

local known = {} -- alert:revision -> does it exist?
local keep = {}  -- stats key -> seconds
local sums = {}  -- "stats key\nfield" -> how many more

local function exists(id, revision, subject)
    if known[subject] == nil then
        local latest = tonumber(redis.call('HGET', '{t}:alert:' .. id, 'rev') or nil)
        known[subject] = latest ~= nil and tonumber(revision) <= latest
    end
    return known[subject]
end

local function is_recipient(prefix, slot, platform, subject)
    for _, edition in ipairs(editions) do
        if redis.call('GETBIT', prefix .. 'rcpt:' .. subject .. ':' .. platform .. ':' .. edition,
                      slot) == 1 then
            return true
        end
    end
    return false
end

-- Kept as long as the list of recipients.
local function mark(prefix, slot, platform, subject, event)
    local seen = prefix .. 'seen:' .. subject .. ':' .. event
    if redis.call('SETBIT', seen, slot, '1') == 1 then
        return false
    end
    local kept_s = math.max(redis.call('TTL', prefix .. 'plan:' .. subject), 1)
    if redis.call('TTL', seen) < 0 then
        redis.call('EXPIRE', seen, kept_s)
    end
    local stats = '{t}:stats:' .. subject
    local sum = stats .. '\n' .. event .. ':' .. platform
    keep[stats] = kept_s
    sums[sum] = (sums[sum] or 0) + 1
    return true
end

local function judge(prefix, slot, platform, at)
    local id, revision, event = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    local subject = id .. ':' .. revision
    if not exists(id, revision, subject) then
        return 'u'
    elseif not is_recipient(prefix, slot, platform, subject) then
        return 'n'
    end
    local counted = mark(prefix, slot, platform, subject, 'received')
    if event == 'opened' then
        counted = mark(prefix, slot, platform, subject, 'opened')
    end
    return counted and 'c' or 'k'
end

local function judge_all(at)
    local number = tonumber(redis.call('HGET', index_key('id', ARGV[at]), ARGV[at]) or nil)
    if not number then
        return 'missing'
    end
    local prefix, slot, bucket = place(number)
    local record = decode_info(redis.call('HGET', prefix .. 'info:' .. bucket, slot))
    if record.secret == '' or record.secret ~= ARGV[at + 1] then
        return 'denied'
    end
    local _, platform = names_of(record)
    local fates = {}
    for i = 0, tonumber(ARGV[at + 2]) - 1 do
        fates[i + 1] = judge(prefix, slot, platform, at + 3 + 3 * i)
    end
    return table.concat(fates)
end

local answers = {}
local at = 2
while at <= #ARGV do
    answers[#answers + 1] = judge_all(at)
    at = at + 3 + 3 * tonumber(ARGV[at + 2])
end
for sum, count in pairs(sums) do
    local stats, field = sum:match('^(.*)\n(.*)$')
    redis.call('HINCRBY', stats, field, count)
    if redis.call('TTL', stats) < 0 then
        redis.call('EXPIRE', stats, keep[stats])
    end
end
return answers
