-- Who of one block an alert is for: ((regions and sections) or tags) and urgency and test and
-- platforms and editions, OR inside each. One expression for those who count and those who push.
-- Of an update or cancel it is who got what is corrected (lib_recipients.lua). It is said in ARGV:
-- what it is, of which alert, which revision, test only (0 or 1), then lists, each with its length first: regions,
-- sections, urgencies, tags (empty = no limit), platforms, editions, the regions to count by, the
-- values to count by.

-- The newest revision before this one whose recipients are fixed, plus one; 1 = there is none.
local function correction_of(id, revision)
    while revision > 1
        and redis.call('HEXISTS', '{t}:stats:' .. id .. ':' .. (revision - 1), 'planned') == 0 do
        revision = revision - 1
    end
    return revision
end

-- Reads the expression for a block from ARGV[at] on. The audience is left in the key `all`; `count`
-- tells how many it is. `options` for a correction: may_close and hold.
local function read_audience(block, at, options)
    local prefix = '{b' .. block .. '}:'
    local kind, id, revision = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
    local test_only = ARGV[at + 3] == '1'
    at = at + 4
    local function next_list()
        local list = {}
        for i = 1, tonumber(ARGV[at]) do
            list[i] = ARGV[at + i]
        end
        at = at + #list + 1
        return list
    end
    local regions, sections, urgencies, tags = next_list(), next_list(), next_list(), next_list()
    local who = {prefix = prefix, all = prefix .. 'tmp:all', part = prefix .. 'tmp:part', scratch = {}}
    who.platforms, who.editions, who.regions, who.values = next_list(), next_list(), next_list(),
        next_list()
    local all, part, limited = who.all, who.part, false

    local function union(to, kind, values, with_any)
        local keys = {}
        for i, value in ipairs(values) do
            keys[i] = prefix .. kind .. ':' .. value
        end
        if with_any then
            keys[#keys + 1] = prefix .. kind .. ':*'
        end
        redis.call('BITOP', 'OR', to, unpack(keys))
    end
    local function narrow(kind, values, with_any)
        if limited then
            union(part, kind, values, with_any)
            redis.call('BITOP', 'AND', all, all, part)
        else
            union(all, kind, values, with_any)
            limited = true
        end
    end
    if #who.platforms == 0 or #who.editions == 0 then
        who.count = 0
        return who
    end
    revision = kind == 'alert' and 1 or correction_of(id, revision)
    if revision > 1 then
        who.former = {prefix = prefix, block = block, id = id, revision = revision,
                      editions = who.editions, may_close = options.may_close}
        return read_recipients(who, who.former, kind == 'cancel', test_only, options.hold)
    end
    if #regions > 0 then
        narrow('region', regions, true)
    end
    if #sections > 0 then
        narrow('section', sections, true)
    end
    if limited and #tags > 0 then
        union(part, 'tag', tags, false)
        redis.call('BITOP', 'OR', all, all, part)
    end
    if #urgencies > 0 then
        narrow('urgency', urgencies, false)
    end
    narrow('platform', who.platforms, false)
    narrow('edition', who.editions, false)
    if test_only then
        redis.call('BITOP', 'AND', all, all, prefix .. 'test')
    end
    who.count = redis.call('BITCOUNT', all)
    return who
end

-- The counts, blank separated: platform by platform for each edition, then by region, then by
-- value. `target` names the key for the recipients of a platform and edition; `keep`, if given, is
-- called with each such key and its count.
local function count_audience(who, target, keep)
    local counts, all, part, prefix = {}, who.all, who.part, who.prefix
    local function count(to, ...)
        if who.count == 0 then
            return 0
        end
        redis.call('BITOP', 'AND', to, all, ...)
        return redis.call('BITCOUNT', to)
    end
    for _, platform in ipairs(who.platforms) do
        local platform_key = prefix .. 'platform:' .. platform
        local is_there = who.count > 0 and redis.call('EXISTS', platform_key) == 1
        for _, edition in ipairs(who.editions) do
            local to, n = target(platform, edition), 0
            if is_there then
                n = count(to, platform_key, prefix .. 'edition:' .. edition)
                if who.add_stray then
                    n = who.add_stray(to, platform, edition)
                end
                if keep then
                    keep(to, n)
                end
            end
            counts[#counts + 1] = n
        end
    end
    -- Who follows any region names none, so the two counts do not overlap.
    local any = #who.regions > 0 and count(part, prefix .. 'region:*') or 0
    for _, region in ipairs(who.regions) do
        counts[#counts + 1] = any + count(part, prefix .. 'region:' .. region)
    end
    -- A value may be several names: who follows any of them counts once.
    for _, value in ipairs(who.values) do
        local keys = {}
        for name in value:gmatch('%S+') do
            keys[#keys + 1] = prefix .. name
        end
        if #keys > 1 and who.count > 0 then
            redis.call('BITOP', 'OR', part, unpack(keys))
            keys = {part}
        end
        counts[#counts + 1] = #keys > 0 and count(part, keys[1]) or 0
    end
    redis.call('DEL', all, part, unpack(who.scratch))
    return table.concat(counts, ' ')
end
