-- ARGV: digest of the id, digest of the secret.
-- Returns {status} or {'ok', info, platform, endpoint, {value number, name, ...}}.
local number = tonumber(redis.call('HGET', index_key('id', ARGV[1]), ARGV[1]) or nil)
if not number then
    return {'missing'}
end
local prefix, slot, bucket = place(number)
local info = redis.call('HGET', prefix .. 'info:' .. bucket, slot)
local record = decode_info(info)
if record.secret == '' or record.secret ~= ARGV[2] then
    return {'denied'}
end
local names, platform = names_of(record)
local pairs_of = {}
for i, value in ipairs(record.follows) do
    pairs_of[#pairs_of + 1] = value
    pairs_of[#pairs_of + 1] = names[i]
end
return {'ok', info, platform, redis.call('HGET', prefix .. platform .. ':' .. bucket, slot),
        pairs_of}
