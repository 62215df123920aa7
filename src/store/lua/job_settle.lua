-- Before devices of a correction are read: those held back for an earlier revision that is answered
-- now are let go, or end as suppressed when it turned out that they need no correction.
-- KEYS: held. ARGV: block, alert, revision, platform, then the editions.
-- Returns how many are still held, how many ended, how many of earlier revisions ended as superseded.
local held = KEYS[1]
local id, revision, platform = ARGV[2], tonumber(ARGV[3]), ARGV[4]
if redis.call('EXISTS', held) == 0 then
    return {0, 0, 0}
end
local former = {prefix = '{b' .. ARGV[1] .. '}:', block = ARGV[1], id = id, revision = revision,
                editions = {}, may_close = true}
for i = 5, #ARGV do
    former.editions[i - 4] = ARGV[i]
end
local got, lost, open = former_outcomes(former, platform)
local still, let_go, more = former.prefix .. 'tmp:want', former.prefix .. 'tmp:all',
    former.prefix .. 'tmp:more'
redis.call('BITOP', 'AND', still, held, open)
bits_less(let_go, held, still)
local alert = redis.call('HMGET', '{t}:alert:' .. id, 'rev', 'state')
if alert[1] == ARGV[3] and alert[2] == 'cancelled' then
    bits_less(more, let_go, got)
else
    bits_less(more, lost, got)
    redis.call('BITOP', 'AND', more, more, let_go)
end
local ended = end_slots(former, revision, platform, more, 'suppressed')
redis.call('BITOP', 'OR', held, still)
keep_as_plan(former, revision, held)
local count = redis.call('BITCOUNT', still)
redis.call('DEL', got, lost, open, still, let_go, more, former.prefix .. 'tmp:part')
if count == 0 then
    redis.call('DEL', held)
end
return {count, ended, former.closed or 0}
