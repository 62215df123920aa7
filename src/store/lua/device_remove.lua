-- ARGV: now ms, 'id', digest of the id, digest of the secret -> {status}
--    or now ms, 'dead', then (number, token, packed token, before ms) for each -> {removed}.
local now_ms = ARGV[1]
if ARGV[2] == 'id' then
    local number = tonumber(redis.call('HGET', index_key('id', ARGV[3]), ARGV[3]) or nil)
    if not number then
        return {'missing'}
    end
    local prefix, slot, bucket = place(number)
    local record = decode_info(redis.call('HGET', prefix .. 'info:' .. bucket, slot))
    if record.secret == '' or record.secret ~= ARGV[4] then
        return {'denied'}
    end
    remove_device(number, now_ms)
    return {'ok'}
end

local removed = 0
for i = 3, #ARGV, 4 do
    local number = tonumber(ARGV[i])
    local prefix, slot, bucket = place(number)
    local info = redis.call('HGET', prefix .. 'info:' .. bucket, slot)
    local _, platform
    if info then
        _, platform = names_of(decode_info(info))
    end
    local endpoint = platform and redis.call('HGET', prefix .. platform .. ':' .. bucket, slot)
    local token = endpoint and token_of(endpoint)
    -- The app may have registered again since: with another token, or with this one newly valid.
    if token and token == (platform == 'apns' and ARGV[i + 2] or ARGV[i + 1])
        and registered_of(endpoint) < tonumber(ARGV[i + 3]) then
        remove_device(number, now_ms)
        removed = removed + 1
    end
end
return {removed}
