-- For the checks of the registry: telling faults, reading records that may be damaged.
-- ARGV[1] tells whether to repair (0 or 1). A check returns a number of its own, then for each
-- fault: what, number, detail.
local repair, found = ARGV[1] == '1', {0}

-- Notes a fault; true when it is to be put right.
local function fault(what, number, detail)
    found[#found + 1] = what
    found[#found + 1] = number
    found[#found + 1] = detail or ''
    return repair
end

local function read_map(key)
    local flat, map = redis.call('HGETALL', key), {}
    for i = 1, #flat, 2 do
        map[flat[i]] = flat[i + 1]
    end
    return map
end

-- A device that can be made out: {id_digest, names, platform}; nil otherwise.
local function read_device(number, info)
    local fine, device = pcall(function()
        local record = decode_info(info)
        local names, platform = names_of(record)
        return #record.id_digest_of > 1 and platform
            and {id_digest = digest_of(record.id_digest_of), names = names, platform = platform}
    end)
    return fine and device or nil
end

local function device_of_number(number)
    local prefix, slot, bucket = place(number)
    local info = redis.call('HGET', prefix .. 'info:' .. bucket, slot)
    return info and read_device(number, info), prefix, slot, bucket
end

local function id_digest_of_number(number)
    local device = device_of_number(number)
    return device and device.id_digest
end

local function endpoint_digest(platform, endpoint)
    local fine, token = pcall(token_of, endpoint)
    return fine and digest_of(platform .. ':' .. token) or ''
end

local function token_digest_of_number(number)
    local device, prefix, slot, bucket = device_of_number(number)
    local endpoint = device and redis.call('HGET', prefix .. device.platform .. ':' .. bucket, slot)
    return endpoint and endpoint_digest(device.platform, endpoint)
end
