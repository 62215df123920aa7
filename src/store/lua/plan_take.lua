-- KEYS: plan. ARGV: consumer, claim ms or 0, ms that a correction waits for the pushes of earlier
-- revisions to be answered.
-- Returns {} for nothing, {'wait'} for nothing yet, or {entry, alert, revision, json}.
-- A consumer plans one alert at a time: what it still has pending is a plan that failed, or one that
-- had to wait.
local AT_ONCE = 16 -- entries looked at
local consumer, claim_ms, wait_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function age_ms(entry)
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(entry[1]:match('^%d+'))
end

-- The recipients of a correction are known when those of the revision before it are, and exactly
-- when nothing of any revision before is under way any more.
local function is_ready(entry)
    local id, last = entry[2][2], tonumber(entry[2][4]) - 1
    for revision = last, 1, -1 do
        local planned, jobs, finished = unpack(redis.call('HMGET',
            '{t}:stats:' .. id .. ':' .. revision, 'planned', 'jobs', 'finished'))
        if not planned and revision == last then
            return alert_json(id, entry[2][4]) == ''
        elseif planned and tonumber(jobs) > tonumber(finished) then
            return age_ms(entry) >= wait_ms
        end
    end
    return true
end

local waits = false
local function choose(entries)
    for _, entry in ipairs(entries) do
        if entry[2] and is_ready(entry) then
            return entry
        end
        waits = waits or entry[2]
    end
end

local entry = choose(read_group(KEYS[1], 'plan', consumer, AT_ONCE, '0'))
if not entry and claim_ms > 0 then
    entry = choose(claim_group(KEYS[1], 'plan', consumer, claim_ms, 1))
end
for _ = 1, AT_ONCE do
    local fresh = not entry and read_group(KEYS[1], 'plan', consumer, 1, '>') or {}
    if not fresh[1] then
        break
    end
    entry = choose(fresh)
end
if not entry then
    return waits and {'wait'} or {}
end
local id, revision = entry[2][2], entry[2][4]
return {entry[1], id, revision, alert_json(id, revision)}
