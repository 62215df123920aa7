-- Drafts of a set, newest first. KEYS: set. ARGV: state ('' = any), score and id to begin below, how
-- many, most to look at. Returns {score and id to go on below ('' = the end), fields of each}.
local state, score, below, limit, look = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local found, last = {''}, ''
local entries = redis.call('ZREVRANGEBYSCORE', KEYS[1], score, '-inf', 'WITHSCORES', 'LIMIT', 0, look)
for i = 1, #entries, 2 do
    local id, at = entries[i], entries[i + 1]
    if at ~= score or id < below then
        local is = redis.call('HGET', '{t}:draft:' .. id, 'state')
        if is and (state == '' or is == state) then
            if #found > limit then
                found[1] = last
                return found
            end
            found[#found + 1] = redis.call('HGETALL', '{t}:draft:' .. id)
        end
    end
    last = at .. '-' .. id
end
if #entries == 2 * look then
    found[1] = last
end
return found
