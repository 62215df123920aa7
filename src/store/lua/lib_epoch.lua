-- The epoch: names one unbroken history of the log. It is tied to the replication id of the
-- server: after a restart or a fail-over that id is another, entries may have been lost, and so a
-- new epoch begins that remembers how far the old one got. Positions are never used twice.
local EPOCH_PAST_MAX = 16

local function whole(number)
    return string.format('%.0f', number)
end

-- Returns the epoch, the last seq and the past epochs as "epoch:survived ..." newest first.
local function epoch_current(epoch_key, log_key, fresh_id)
    local replid = redis.call('INFO', 'replication'):match('master_replid:(%x+)')
    local stored = redis.call('HMGET', epoch_key, 'id', 'seq', 'replid', 'past')
    if stored[1] and stored[3] == replid then
        return stored[1], tonumber(stored[2]), stored[4]
    end
    local seq, past = 0, {}
    if stored[1] then
        seq = tonumber(stored[2])
        past[1] = stored[1] .. ':' .. whole(seq)
        for entry in stored[4]:gmatch('%S+') do
            if #past < EPOCH_PAST_MAX then
                past[#past + 1] = entry
            end
        end
    else
        local newest = redis.call('XREVRANGE', log_key, '+', '-', 'COUNT', 1)
        if newest[1] then
            seq = tonumber(newest[1][1]:match('^(%d+)'))
        end
    end
    local text = table.concat(past, ' ')
    redis.call('HSET', epoch_key, 'id', fresh_id, 'seq', whole(seq), 'replid', replid,
               'past', text)
    return fresh_id, seq, text
end

