-- Compares one bucket of records (64 slots, so eight bytes of each bitmap) with everything that is
-- derived from it, and puts that right. One bucket at a time is atomic and takes about a
-- millisecond, so devices may register meanwhile.
-- ARGV: repair, block, bucket, now ms, how many platforms, the platforms, then names of bitmaps that
-- the block has.
-- Returns how many devices, then the faults (lib_check.lua).
local block, bucket, now_ms = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local platform_count = tonumber(ARGV[5])
local prefix = '{b' .. block .. '}:'
local info_key = prefix .. 'info:' .. bucket
local first_slot = bucket * 64
local next_number = tonumber(redis.call('GET', '{d}:next') or '0')

local function read_hash(key)
    local map = {}
    for field, value in pairs(read_map(key)) do
        local slot = tonumber(field)
        if slot and slot >= first_slot and slot < first_slot + 64 then
            map[slot] = value
        elseif fault('misplaced_record', -1, key .. ' ' .. field) then
            redis.call('HDEL', key, field)
        end
    end
    return map
end

local infos, endpoints, expected = read_hash(info_key), {}, {}
for i = 1, platform_count do
    endpoints[ARGV[5 + i]] = read_hash(prefix .. ARGV[5 + i] .. ':' .. bucket)
end

local function drop_endpoint(platform, slot, number)
    local key = prefix .. platform .. ':' .. bucket
    forget_token(platform, endpoints[platform][slot], number)
    redis.call('HDEL', key, slot)
end

-- True when the index leads here, or was made to; false when it rightly leads to another device.
local function check_index(kind, digest, number, holder_of)
    local key = index_key(kind, digest)
    local holder = tonumber(redis.call('HGET', key, digest) or nil)
    if holder == number then
        return true
    end
    if holder and holder_of(holder) == digest then
        return false
    end
    if fault('index_wrong', number, kind) then
        redis.call('HSET', key, digest, number)
    end
    return true
end

-- What of a slot counts as a device: the names of its bitmaps, or nil.
local function check_record(slot, number)
    local device = infos[slot] and read_device(number, infos[slot])
    local why
    if infos[slot] and not device then
        why = 'record_unreadable'
    elseif device and not endpoints[device.platform][slot] then
        why = 'endpoint_missing'
    elseif device and not check_index('id', device.id_digest, number, id_digest_of_number) then
        why = 'id_twice'
    elseif device and not check_index('token', endpoint_digest(device.platform,
            endpoints[device.platform][slot]), number, token_digest_of_number) then
        why = 'token_twice'
    end
    if why then
        if fault(why, number) then
            redis.call('HDEL', info_key, slot)
        end
        device = nil
    end
    for platform, slots in pairs(endpoints) do
        if slots[slot] and not (device and device.platform == platform) then
            if fault('endpoint_stray', number, platform) then
                drop_endpoint(platform, slot, number)
            end
        end
    end
    return device and device.names
end

-- A number is in use, or free, or was never given.
local function check_number(number, in_use)
    local is_free = redis.call('ZSCORE', '{d}:free', number)
    if in_use and number >= next_number and fault('number_not_given', number) then
        next_number = number + 1
        redis.call('SET', '{d}:next', next_number)
    end
    if in_use and is_free and fault('number_free_in_use', number) then
        redis.call('ZREM', '{d}:free', number)
    end
    if not in_use and number < next_number and not is_free and fault('number_lost', number) then
        redis.call('ZADD', '{d}:free', now_ms, number)
    end
end

local function bytes_of(slots)
    local sums = {0, 0, 0, 0, 0, 0, 0, 0}
    for slot in pairs(slots) do
        local i = slot - first_slot
        local at = math.floor(i / 8) + 1
        sums[at] = sums[at] + 2 ^ (7 - i % 8)
    end
    return char(unpack(sums))
end

local NO_BYTES = ('\0'):rep(8)
local function check_bits(name)
    local key, wanted = prefix .. name, expected[name]
    local bytes = redis.call('GETRANGE', key, bucket * 8, bucket * 8 + 7)
    bytes = bytes .. NO_BYTES:sub(#bytes + 1)
    if bytes == (next(wanted) and bytes_of(wanted) or NO_BYTES) then
        return
    end
    for i = 0, 63 do
        local value = byte(bytes, math.floor(i / 8) + 1)
        local is_set = math.floor(value / 2 ^ (7 - i % 8)) % 2 == 1
        local slot = first_slot + i
        if is_set and not wanted[slot] then
            if fault('bit_stray', block * 16384 + slot, name) then
                clear_bit(key, slot)
            end
        elseif wanted[slot] and not is_set then
            if fault('bit_missing', block * 16384 + slot, name) then
                redis.call('SETBIT', key, slot, 1)
            end
        end
    end
end

for i = 6 + platform_count, #ARGV do
    expected[ARGV[i]] = {}
end
for slot = first_slot, first_slot + 63 do
    local number = block * 16384 + slot
    local names = check_record(slot, number)
    if names then
        found[1] = found[1] + 1
        for _, name in ipairs(names) do
            expected[name] = expected[name] or {}
            expected[name][slot] = true
        end
    end
    check_number(number, names ~= nil)
end
for name in pairs(expected) do
    check_bits(name)
end
return found
