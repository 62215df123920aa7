-- Keeps a session alive that is used. KEYS: session, all keys. ARGV: how long it lives unused (s), and
-- at all (s). Returns the key as it is now ('' = no session), and when the session ends (ms).
local session = redis.call('HMGET', KEYS[1], 'key', 'opened')
if not session[1] then
    return {'', 0}
end
local idle, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local left = redis.call('PTTL', KEYS[1])
local wanted = math.min(idle, tonumber(session[2]) + most - tonumber(time[1])) * 1000
-- Not at each call: a write can cost the wait for the disk.
if wanted - left > idle * 100 then
    redis.call('PEXPIRE', KEYS[1], wanted)
    left = wanted
end
local ends = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + left
return {redis.call('HGET', KEYS[2], session[1]) or '', ends}
