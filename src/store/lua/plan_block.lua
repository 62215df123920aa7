-- Fixes who of one block gets one revision of an alert: a bitmap by platform and edition. Done
-- once: whoever asks again gets the first answer, so a planner that died half-way is repeated
-- without changing what was counted.
-- ARGV: block, alert, revision, seconds to keep it, then the audience (lib_audience.lua).
-- Returns its counts, and how many of earlier revisions ended as superseded meanwhile.
local prefix = '{b' .. ARGV[1] .. '}:'
local subject = ARGV[2] .. ':' .. ARGV[3]
local keep_s = ARGV[4]
local marker = prefix .. 'plan:' .. subject
local known = redis.call('GET', marker)
if known then
    return {known, 0}
end
local who = read_audience(ARGV[1], 5, {
    may_close = true,
    hold = function(platform, open)
        local held = prefix .. 'held:' .. subject .. ':' .. platform
        redis.call('BITOP', 'OR', held, open)
        redis.call('EXPIRE', held, keep_s)
    end,
})
local counts = count_audience(who, function(platform, edition)
    return prefix .. 'rcpt:' .. subject .. ':' .. platform .. ':' .. edition
end, function(recipients, count)
    if count > 0 then
        redis.call('EXPIRE', recipients, keep_s)
    else
        redis.call('DEL', recipients)
    end
end)
redis.call('SET', marker, counts, 'EX', keep_s)
if who.former then
    keep_former(who.former, who.platforms, keep_s)
end
return {counts, who.former and who.former.closed or 0}
