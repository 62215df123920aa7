-- Why a revision is sent no more, from its counters: 0 while it is, 1 aborted, 2 superseded.
local function ending_of(stats)
    local aborted, superseded = unpack(redis.call('HMGET', stats, 'abort', 'superseded_by'))
    return aborted and 1 or superseded and 2 or 0
end

