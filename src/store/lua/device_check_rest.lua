-- Checks what belongs to no one bucket of records. ARGV: repair, then
--    'values': names and numbers of the values, which must be each other's reverse. Returns -1 first
--       when both are lost.
--    'id' or 'token', first, last: entries of these buckets of an index that lead to no such device.
--    'free', cursor: free numbers that were never given. Returns the next cursor first.
--    'count', blocks: the number of devices, counted anew.
-- Then the faults (lib_check.lua).
local what = ARGV[2]

-- Records hold the numbers, so the names by number are believed first.
if what == 'values' then
    local names, values = read_map('{d}:names'), read_map('{d}:values')
    if not next(names) and not next(values) and redis.call('EXISTS', '{d}:next') == 1 then
        return {-1}
    end
    for number, name in pairs(names) do
        if values[name] ~= number and fault('value_number_wrong', -1, name) then
            redis.call('HSET', '{d}:values', name, number)
        end
    end
    for name, number in pairs(values) do
        if not names[number] and fault('value_name_missing', -1, name) then
            redis.call('HSET', '{d}:names', number, name)
        end
    end
elseif what == 'id' or what == 'token' then
    local holder_of = what == 'id' and id_digest_of_number or token_digest_of_number
    for bucket = tonumber(ARGV[3]), tonumber(ARGV[4]) do
        local key = string.format('{d}:%s:%04x', what, bucket)
        for digest, number in pairs(read_map(key)) do
            local fine, holder = pcall(holder_of, tonumber(number))
            if not (fine and holder == digest)
                and fault('index_stray', tonumber(number) or -1, what) then
                redis.call('HDEL', key, digest)
            end
        end
    end
elseif what == 'free' then
    local next_number = tonumber(redis.call('GET', '{d}:next') or '0')
    local reply = redis.call('ZSCAN', '{d}:free', ARGV[3], 'COUNT', 1000)
    found[1] = reply[1]
    for i = 1, #reply[2], 2 do
        local number = tonumber(reply[2][i])
        if (not number or number >= next_number)
            and fault('free_never_given', number or -1, reply[2][i]) then
            redis.call('ZREM', '{d}:free', reply[2][i])
        end
    end
else
    local devices = 0
    for block = 0, tonumber(ARGV[3]) - 1 do
        for bucket = 0, 255 do
            devices = devices + redis.call('HLEN', '{b' .. block .. '}:info:' .. bucket)
        end
    end
    local count = tonumber(redis.call('GET', '{d}:count') or '0')
    if count ~= devices and fault('count_wrong', -1, count .. ' instead of ' .. devices) then
        redis.call('SET', '{d}:count', devices)
    end
end
return found
