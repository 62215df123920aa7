-- Which drafts are to be sent now, the longest due first. KEYS: due. ARGV: most to tell.
-- Returns {milliseconds until the next one that is not due yet (-1 = none), id, …}.
local now = now_ms()
local answer = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, ARGV[1])
local next_due = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
table.insert(answer, 1, next_due[2] and whole(tonumber(next_due[2]) - now) or '-1')
return answer
