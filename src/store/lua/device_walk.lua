-- ARGV: block, first bucket, last bucket, then the platforms.
-- Returns {info, platform, endpoint, ...} of every device in these buckets.
local prefix = '{b' .. ARGV[1] .. '}:'
local found = {}
for bucket = tonumber(ARGV[2]), tonumber(ARGV[3]) do
    local infos = {}
    local flat = redis.call('HGETALL', prefix .. 'info:' .. bucket)
    for i = 1, #flat, 2 do
        infos[flat[i]] = flat[i + 1]
    end
    for p = 4, #ARGV do
        local endpoints = redis.call('HGETALL', prefix .. ARGV[p] .. ':' .. bucket)
        for i = 1, #endpoints, 2 do
            if infos[endpoints[i]] then
                found[#found + 1] = infos[endpoints[i]]
                found[#found + 1] = ARGV[p]
                found[#found + 1] = endpoints[i + 1]
            end
        end
    end
end
return found
