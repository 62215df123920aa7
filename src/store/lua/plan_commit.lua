-- Turns a plan entry into jobs and counters, once.
-- KEYS: plan, stats, then the lanes of the platforms. ARGV: entry, alert, revision, seconds to keep
-- the counters, seconds that the recipients are kept, regions counted (comma separated), number of
-- counters, then name and value of each, then lane (index) and block of each job.
-- Returns 1; 2 when the alert was aborted meanwhile, 3 when a later revision came (then everybody
-- counts as aborted or superseded and there are no jobs); or 0 if it was planned before.
local plan, stats = KEYS[1], KEYS[2]
-- More jobs than these are not dealt anew (a matter of some ten milliseconds of Redis' time): who
-- comes then comes last.
local DEAL_MAX = 2048

-- Adds the jobs of this alert to a lane so that the alerts waiting there take turns, one job each,
-- those that waited longest first: the second does not wait for all of the first. Jobs handed out
-- stay where they are.
local function deal(lane, blocks)
    local from = '-'
    local groups = redis.pcall('XINFO', 'GROUPS', lane)
    for _, group in ipairs(groups.err and {} or groups) do
        local name, last
        for i = 1, #group, 2 do
            name = group[i] == 'name' and group[i + 1] or name
            last = group[i] == 'last-delivered-id' and group[i + 1] or last
        end
        from = name == 'push' and '(' .. last or from
    end
    local waiting = redis.call('XRANGE', lane, from, '+', 'COUNT', DEAL_MAX + 1)
    local queues, by_alert = {}, {}
    local function wait(job)
        local queue = by_alert[job[2]]
        if not queue then
            queue = {}
            by_alert[job[2]] = queue
            queues[#queues + 1] = queue
        end
        queue[#queue + 1] = job
    end
    for i = 1, #waiting <= DEAL_MAX and #waiting or 0 do
        redis.call('XDEL', lane, waiting[i][1])
        wait(waiting[i][2])
    end
    for _, block in ipairs(blocks) do
        wait({'a', ARGV[2], 'r', ARGV[3], 'b', block})
    end
    local round = 1
    while #queues > 0 do
        local rest = {}
        for _, queue in ipairs(queues) do
            redis.call('XADD', lane, '*', unpack(queue[round]))
            rest[#rest + 1] = queue[round + 1] and queue
        end
        queues, round = rest, round + 1
    end
end
local planned, aborted, superseded =
    unpack(redis.call('HMGET', stats, 'planned', 'abort', 'superseded_by'))
local dropped = aborted and 'aborted' or superseded and 'superseded'
if not planned then
    local at = 8
    for i = 1, tonumber(ARGV[7]) do
        redis.call('HSET', stats, ARGV[at], ARGV[at + 1])
        local whom = dropped and ARGV[at]:match('^targeted(:.*)$')
        if whom then
            redis.call('HSET', stats, dropped .. whom, ARGV[at + 1])
        end
        at = at + 2
    end
    local jobs, blocks = 0, {}
    for i = at, dropped and 0 or #ARGV, 2 do
        local lane = KEYS[2 + tonumber(ARGV[i])]
        blocks[lane] = blocks[lane] or {}
        table.insert(blocks[lane], ARGV[i + 1])
        jobs = jobs + 1
    end
    for i = 3, #KEYS do
        if blocks[KEYS[i]] then
            deal(KEYS[i], blocks[KEYS[i]])
        end
    end
    redis.call('HSET', stats, 'planned', 1, 'jobs', jobs, 'finished', 0, 'regions', ARGV[6],
               'known_until', redis.call('TIME')[1] + ARGV[5])
    if dropped then
        redis.call('HSET', stats, 'dropped', dropped)
    end
    redis.call('EXPIRE', stats, ARGV[4])
end
redis.call('XACK', plan, 'plan', ARGV[1])
redis.call('XDEL', plan, ARGV[1])
return planned and 0 or aborted and 2 or superseded and 3 or 1
