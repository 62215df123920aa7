-- Stops the pushes of all revisions of an alert so far that are not all handed over. A plan not yet
-- made, a job not yet taken and a job under way each look at the mark set here.
-- KEYS: alert. ARGV: id, now (ms), seconds to keep the mark, event of the audit log.
-- Returns how many revisions were stopped now, -1 when there is no such alert.
local latest = redis.call('HGET', KEYS[1], 'rev')
if not latest then
    return -1
end

-- Whether the revision is not over and not aborted yet, and whether it was planned.
local function look(stats)
    local planned, aborted, to_go = false, false, 0
    local fields = redis.call('HGETALL', stats)
    for i = 1, #fields, 2 do
        local name = fields[i]:match('^([a-z_]+):')
        if name == 'targeted' then
            to_go = to_go + tonumber(fields[i + 1])
        elseif name and name ~= 'took' then
            to_go = to_go - tonumber(fields[i + 1])
        end
        planned = planned or fields[i] == 'planned'
        aborted = aborted or fields[i] == 'abort'
    end
    return (not planned or to_go > 0) and not aborted, planned
end

local stops = {}
for revision = 1, tonumber(latest) do
    local stats = '{t}:stats:' .. ARGV[1] .. ':' .. revision
    local goes_on, planned = look(stats)
    if goes_on then
        stops[#stops + 1] = {stats, planned}
    end
end
if #stops > 0 then
    audit_append(ARGV[4])
end
for _, stop in ipairs(stops) do
    redis.call('HSET', stop[1], 'abort', ARGV[2])
    if not stop[2] then
        redis.call('EXPIRE', stop[1], ARGV[3])
    end
end
return #stops
