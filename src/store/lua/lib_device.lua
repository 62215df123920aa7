-- Devices. A device has a dense number; block = number / 16384, slot = the rest, bucket = 64 slots.
--   {b<block>}:info:<bucket>        slot -> who it is and what it follows (layout below)
--   {b<block>}:<platform>:<bucket>  slot -> endpoint: registered ms (6 bytes), app, token
--   {b<block>}:<value>              bitmap of the slots that follow a value, e.g. region:mena
--   {d}:id:<xxxx>, {d}:token:<xxxx> digest (12 bytes) -> number, in 65,536 buckets
--   {d}:values, {d}:names           value -> small number and back, for the records
--   {d}:next, {d}:count, {d}:free   next number, devices, freed numbers by time
-- Buckets are small enough for Redis to keep them as one packed list each.
-- info = flags (1 = id is a packed UUID, 2 = has a secret), id length, id, [16 bytes of secret
-- digest], length of follows (2 bytes), follows (value numbers of 1 or 2 bytes), tags (length, text).
local char, byte = string.char, string.byte

-- As texts: Redis would print each number anew, as a float, for every command it is given to.
local function place(number)
    local slot = number % 16384
    return string.format('{b%d}:', math.floor(number / 16384)), string.format('%d', slot),
           string.format('%d', math.floor(slot / 64))
end

local function index_key(kind, digest)
    return string.format('{d}:%s:%02x%02x', kind, byte(digest, 1, 2))
end

-- The first 12 bytes of SHA-1, as the program computes it.
local function digest_of(text)
    local hex = redis.sha1hex(text):sub(1, 24)
    return (hex:gsub('%x%x', function(pair) return char(tonumber(pair, 16)) end))
end

-- Tags are compared without ASCII case.
local function tag_name(tag)
    return 'tag:' .. tag:lower()
end

local function decode_info(info)
    local flags, id_bytes = byte(info, 1, 2)
    local at = 3 + id_bytes
    local record = {secret = '', follows = {}, tags = {}}
    record.id_digest_of = char(flags % 2) .. info:sub(3, at - 1)
    if flags >= 2 then
        record.secret = info:sub(at, at + 15)
        at = at + 16
    end
    local high, low = byte(info, at, at + 1)
    local last = at + 1 + high * 256 + low
    at = at + 2
    while at <= last do
        local value = byte(info, at)
        if value >= 128 then
            at = at + 1
            value = (value - 128) * 256 + byte(info, at)
        end
        record.follows[#record.follows + 1] = value
        at = at + 1
    end
    while at <= #info do
        local size = byte(info, at)
        record.tags[#record.tags + 1] = tag_name(info:sub(at + 1, at + size))
        at = at + 1 + size
    end
    return record
end

-- Names of the bitmaps the device stands in, and its platform.
local function names_of(record)
    local names = redis.call('HMGET', '{d}:names', unpack(record.follows))
    local platform
    for _, name in ipairs(names) do
        platform = platform or name:match('^platform:(.*)$')
    end
    for _, tag in ipairs(record.tags) do
        names[#names + 1] = tag
    end
    return names, platform
end

local function token_of(endpoint)
    return endpoint:sub(8 + byte(endpoint, 7))
end

local function registered_of(endpoint)
    local ms = 0
    for i = 1, 6 do
        ms = ms * 256 + byte(endpoint, i)
    end
    return ms
end

-- A bitmap exists only where some bit is set.
local function clear_bit(key, slot)
    redis.call('SETBIT', key, slot, '0')
    if redis.call('BITPOS', key, 1) < 0 then
        redis.call('DEL', key)
    end
end

local function forget_token(platform, endpoint, number)
    local digest = digest_of(platform .. ':' .. token_of(endpoint))
    local key = index_key('token', digest)
    if redis.call('HGET', key, digest) == tostring(number) then
        redis.call('HDEL', key, digest)
    end
end

-- Removes a registration whole; its number may be used again much later.
local function remove_device(number, now_ms)
    local prefix, slot, bucket = place(number)
    local info = redis.call('HGET', prefix .. 'info:' .. bucket, slot)
    if not info then
        return false
    end
    local record = decode_info(info)
    local names, platform = names_of(record)
    for _, name in ipairs(names) do
        clear_bit(prefix .. name, slot)
    end
    local endpoint_key = prefix .. platform .. ':' .. bucket
    local endpoint = redis.call('HGET', endpoint_key, slot)
    if endpoint then
        forget_token(platform, endpoint, number)
        redis.call('HDEL', endpoint_key, slot)
    end
    redis.call('HDEL', prefix .. 'info:' .. bucket, slot)
    local digest = digest_of(record.id_digest_of)
    redis.call('HDEL', index_key('id', digest), digest)
    redis.call('ZADD', '{d}:free', now_ms, number)
    redis.call('DECR', '{d}:count')
    return true
end

