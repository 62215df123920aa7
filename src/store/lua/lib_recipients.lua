-- Whom of one block a correction is for: not the audience of this moment, but those recipients of the
-- revisions before it who have one of them, may have it, or are still being sent one.
--   {b<block>}:rcpt:<id>:<rev>:<platform>:<edition>  recipients, fixed when the revision was planned
--   {b<block>}:done:<id>:<rev>:<platform>            those of them with an outcome
--   {b<block>}:accepted:…, unknown:…, superseded:…   those with this outcome
--   {b<block>}:held:<id>:<rev>:<platform>            recipients of a correction for whom an earlier
--                                                    revision was under way when it was planned
-- Recipients of a correction are always some of those of the revision before. So a number that was
-- freed, and is given to another device a month later, never comes back in.

-- to = a and not b, all three different.
local function bits_less(to, a, b)
    redis.call('BITOP', 'AND', to, a, b)
    redis.call('BITOP', 'XOR', to, a, to)
end

-- `former`: prefix, block, id, revision (of the correction), editions, may_close.
local function former_key(former, kind, revision, platform)
    return former.prefix .. kind .. ':' .. former.id .. ':' .. revision .. ':' .. platform
end

local function former_recipients(former, to, revision, platform)
    local keys = {}
    for i, edition in ipairs(former.editions) do
        keys[i] = former_key(former, 'rcpt', revision, platform) .. ':' .. edition
    end
    redis.call('BITOP', 'OR', to, unpack(keys))
end

-- As long as the plan is remembered that they belong to.
local function keep_as_plan(former, revision, ...)
    local keep_ms = redis.call('PTTL', former.prefix .. 'plan:' .. former.id .. ':' .. revision)
    for _, key in ipairs(keep_ms > 0 and {...} or {}) do
        redis.call('PEXPIRE', key, keep_ms)
    end
end

-- Counts those of `slots` who have no outcome yet, by edition, and gives them this one.
local function end_slots(former, revision, platform, slots, outcome)
    local part, counted = former.prefix .. 'tmp:part', 0
    local done = former_key(former, 'done', revision, platform)
    local stats = '{t}:stats:' .. former.id .. ':' .. revision
    bits_less(part, slots, done)
    redis.call('BITOP', 'OR', slots, part)
    for _, edition in ipairs(former.editions) do
        redis.call('BITOP', 'AND', part, slots,
                   former_key(former, 'rcpt', revision, platform) .. ':' .. edition)
        local count = redis.call('BITCOUNT', part)
        if count > 0 then
            redis.call('HINCRBY', stats, outcome .. ':' .. platform .. ':' .. edition, count)
            counted = counted + count
        end
    end
    if counted > 0 then
        redis.call('BITOP', 'OR', done, done, slots)
        local kept = former_key(former, outcome, revision, platform)
        if outcome == 'superseded' then
            redis.call('BITOP', 'OR', kept, kept, slots)
        end
        keep_as_plan(former, revision, done, kept)
    end
    return counted
end

-- What the revisions before have come to, as bitmaps: `got` have one of them or may have it, `lost`
-- had another end, `open` have no outcome yet and may be on their way. What no dispatcher has begun
-- is nobody's way: with may_close it ends here, as superseded.
local function former_outcomes(former, platform)
    local prefix = former.prefix
    local got, lost, open = prefix .. 'tmp:got', prefix .. 'tmp:lost', prefix .. 'tmp:open'
    local some, more = prefix .. 'tmp:some', prefix .. 'tmp:more'
    redis.call('DEL', got, lost, open)
    for revision = 1, former.revision - 1 do
        local function key(kind)
            return former_key(former, kind, revision, platform)
        end
        local jobs, finished, dropped, superseded = unpack(redis.call('HMGET',
            '{t}:stats:' .. former.id .. ':' .. revision, 'jobs', 'finished', 'dropped',
            'superseded_by'))
        redis.call('BITOP', 'OR', got, got, key('accepted'), key('unknown'))
        redis.call('BITOP', 'OR', some, key('accepted'), key('unknown'), key('superseded'))
        bits_less(more, key('done'), some)
        redis.call('BITOP', 'OR', lost, lost, more)
        former_recipients(former, some, revision, platform)
        if dropped == 'aborted' then
            redis.call('BITOP', 'OR', lost, lost, some)
        elseif jobs and tonumber(jobs) > tonumber(finished) then
            bits_less(more, some, key('done'))
            local begun = redis.call('HEXISTS', '{t}:reach:' .. former.id .. ':' .. revision,
                                     platform .. ':' .. former.block) == 1
            if former.may_close and superseded and not begun then
                former.closed = (former.closed or 0)
                    + end_slots(former, revision, platform, more, 'superseded')
            else
                redis.call('BITOP', 'OR', open, open, more)
            end
        end
    end
    redis.call('DEL', some, more, prefix .. 'tmp:part')
    return got, lost, open
end

-- The recipients of a correction, in `who.all`; `hold` is given a platform and the bitmap of those
-- for whom an earlier revision is under way.
local function read_recipients(who, former, is_cancel, test_only, hold)
    local prefix = former.prefix
    local all, part, want, more = who.all, who.part, prefix .. 'tmp:want', prefix .. 'tmp:more'
    local before = former.revision - 1
    redis.call('DEL', all)
    for _, platform in ipairs(who.platforms) do
        former_recipients(former, want, before, platform)
        -- Who left, or has another kind of phone now, is not there to be corrected.
        redis.call('BITOP', 'AND', want, want, prefix .. 'platform:' .. platform)
        if test_only then
            redis.call('BITOP', 'AND', want, want, prefix .. 'test')
        end
        if redis.call('BITCOUNT', want) > 0 then
            local got, lost, open = former_outcomes(former, platform)
            if is_cancel then
                redis.call('BITOP', 'OR', part, got, open)
                redis.call('BITOP', 'AND', want, want, part)
            else
                bits_less(part, lost, got)
                bits_less(more, want, part)
                redis.call('BITOP', 'OR', want, more)
            end
            redis.call('BITOP', 'AND', open, open, want)
            if hold and redis.call('BITCOUNT', open) > 0 then
                hold(platform, open)
            end
            redis.call('BITOP', 'OR', all, all, want)
            redis.call('DEL', got, lost, open)
        end
    end
    -- Whose edition has no text here, after a change, gets it as it got the former revision.
    local covered = {}
    for i, edition in ipairs(former.editions) do
        covered[i] = prefix .. 'edition:' .. edition
    end
    redis.call('BITOP', 'OR', part, unpack(covered))
    bits_less(want, all, part)
    who.count = redis.call('BITCOUNT', all)
    if redis.call('BITCOUNT', want) > 0 then
        who.add_stray = function(to, platform, edition)
            redis.call('BITOP', 'AND', more, want,
                       former_key(former, 'rcpt', before, platform) .. ':' .. edition)
            redis.call('BITOP', 'OR', to, to, more)
            return redis.call('BITCOUNT', to)
        end
    end
    who.scratch = {want, more}
    return who
end

-- The recipients of earlier revisions stay known as long as those of the latest.
local function keep_former(former, platforms, keep_s)
    for revision = 1, former.revision - 1 do
        redis.call('EXPIRE', former.prefix .. 'plan:' .. former.id .. ':' .. revision, keep_s, 'GT')
        for _, platform in ipairs(platforms) do
            for _, kind in ipairs({'done', 'accepted', 'unknown', 'superseded', 'held'}) do
                redis.call('EXPIRE', former_key(former, kind, revision, platform), keep_s, 'GT')
            end
            for _, edition in ipairs(former.editions) do
                redis.call('EXPIRE', former_key(former, 'rcpt', revision, platform) .. ':' .. edition,
                           keep_s, 'GT')
            end
        end
    end
end
