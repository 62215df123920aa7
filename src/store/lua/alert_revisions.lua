-- KEYS: alert. Returns {state, text of each revision, the first first}, {} when there is no alert.
local alert = redis.call('HMGET', KEYS[1], 'rev', 'state', 'json')
if not alert[1] then
    return {}
end
local found = {alert[2]}
for revision = 1, tonumber(alert[1]) - 1 do
    found[#found + 1] = redis.call('HGET', KEYS[1], 'json:' .. revision) or nil
end
found[#found + 1] = alert[3]
return found
