-- What would speak against a publish now; changes nothing. ARGV: the guard as for a publish.
-- Returns {id of the alert that said the same or '', 1 when the breaker of the key has tripped}.
if ARGV[1] == '' then
    return {'', 0}
end
local guard = cjson.decode(ARGV[1])
return {guard_former(guard) or '', guard.limit > 0 and redis.call('HEXISTS', GUARD_OPEN, guard.key) or 0}
