-- Creates or replaces registrations, each whole or not at all.
-- ARGV: now ms, numbers freed before this ms may be used again, most devices, trusted (0 or 1), how
-- many values, the values, then for each device: digest of the id, flag of the id, id, secret,
-- digest of the token, platform, endpoint, follows (2 bytes each: which of the values), how many
-- tags, the tags.
-- Returns for each device: status (1 created, 2 updated, 3 denied, 4 full), token moved (0 or 1).
local now_ms, free_before, max_devices, trusted = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1'
local value_count = tonumber(ARGV[5])
local CREATED, UPDATED, DENIED, FULL = 1, 2, 3, 4

-- The values as they stand in a record: small numbers; one seen for the first time gets the next.
local names, packed_values = {}, {}
for i = 1, value_count do
    names[i] = ARGV[5 + i]
end
for i, value in ipairs(redis.call('HMGET', '{d}:values', unpack(names))) do
    value = tonumber(value or nil)
    if not value then
        value = redis.call('HLEN', '{d}:values') + 1
        redis.call('HSET', '{d}:values', names[i], value)
        redis.call('HSET', '{d}:names', value, names[i])
    end
    packed_values[i] = value < 128 and char(value)
        or char(128 + math.floor(value / 256), value % 256)
end

local free, free_at = nil, 1
local function new_number()
    free = free or redis.call('ZRANGEBYSCORE', '{d}:free', '-inf', free_before, 'LIMIT', 0, 256)
    local number = free[free_at]
    if not number then
        return redis.call('INCR', '{d}:next') - 1
    end
    free_at = free_at + 1
    redis.call('ZREM', '{d}:free', number)
    return tonumber(number)
end

-- What the record so far says; nil when there is none.
local function read_old(number, prefix, slot, bucket)
    local old = decode_info(redis.call('HGET', prefix .. 'info:' .. bucket, slot))
    old.names, old.platform = names_of(old)
    return old
end

local function forget_endpoint(old, platform, number, prefix, slot, bucket, token_is_new)
    local key = prefix .. old.platform .. ':' .. bucket
    local former = redis.call('HGET', key, slot)
    if former and token_is_new then
        forget_token(old.platform, former, number)
    end
    if old.platform ~= platform then
        redis.call('HDEL', key, slot)
    end
end

local function set_bits(prefix, slot, wanted, old)
    local stale = {}
    for _, name in ipairs(old and old.names or {}) do
        stale[name] = true
    end
    for _, name in ipairs(wanted) do
        if stale[name] then
            stale[name] = nil
        else
            redis.call('SETBIT', prefix .. name, slot, '1')
        end
    end
    for name in pairs(stale) do
        clear_bit(prefix .. name, slot)
    end
end

-- The values followed and the tags from ARGV[at] on: the bitmaps' names, and both as recorded.
local function read_follows(at)
    local indexes, wanted, follows, tags = ARGV[at], {}, {}, {}
    for k = 1, #indexes, 2 do
        local high, low = byte(indexes, k, k + 1)
        local i = high * 256 + low
        wanted[#wanted + 1] = names[i]
        follows[#follows + 1] = packed_values[i]
    end
    for i = at + 2, at + 1 + tonumber(ARGV[at + 1]) do
        wanted[#wanted + 1] = tag_name(ARGV[i])
        tags[#tags + 1] = char(#ARGV[i]) .. ARGV[i]
    end
    return wanted, table.concat(follows), table.concat(tags)
end

local function put(at)
    local id_digest, id_flag, id, secret = ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2], ARGV[at + 3]
    local token_digest, platform, endpoint = ARGV[at + 4], ARGV[at + 5], ARGV[at + 6]
    local id_key, token_key = index_key('id', id_digest), index_key('token', token_digest)
    local number = tonumber(redis.call('HGET', id_key, id_digest) or nil)
    local holder = tonumber(redis.call('HGET', token_key, token_digest) or nil)
    local created = number == nil
    local old, prefix, slot, bucket
    if not created then
        prefix, slot, bucket = place(number)
        old = read_old(number, prefix, slot, bucket)
        -- A device that was imported without a secret belongs to the first that brings one.
        if not trusted and old.secret ~= '' and old.secret ~= secret then
            return DENIED, 0
        end
        if secret == '' then
            secret = old.secret
        end
    elseif not holder and tonumber(redis.call('GET', '{d}:count') or '0') >= max_devices then
        return FULL, 0
    end

    -- The token belongs to whoever brought it last.
    local moved = 0
    if holder and holder ~= number then
        remove_device(holder, now_ms)
        moved = 1
    end
    if created then
        number = new_number()
        redis.call('INCR', '{d}:count')
        redis.call('HSET', id_key, id_digest, string.format('%d', number))
        prefix, slot, bucket = place(number)
    else
        forget_endpoint(old, platform, number, prefix, slot, bucket, holder ~= number)
    end
    local wanted, follows, tags = read_follows(at + 7)
    set_bits(prefix, slot, wanted, old)
    redis.call('HSET', prefix .. 'info:' .. bucket, slot,
               char(id_flag + (secret ~= '' and 2 or 0), #id) .. id .. secret
               .. char(math.floor(#follows / 256), #follows % 256) .. follows .. tags)
    redis.call('HSET', prefix .. platform .. ':' .. bucket, slot, endpoint)
    if holder ~= number then
        redis.call('HSET', token_key, token_digest, string.format('%d', number))
    end
    return created and CREATED or UPDATED, moved
end

local results, at = {}, 6 + value_count
while at <= #ARGV do
    results[#results + 1], results[#results + 2] = put(at)
    at = at + 9 + tonumber(ARGV[at + 8])
end
return results
