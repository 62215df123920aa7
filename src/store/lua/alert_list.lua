-- Entries of the log, newest first, each with the latest revision of its alert and that one's state.
-- KEYS: log. ARGV: where to begin, how many. Returns {entry, fields, latest revision, state} each;
-- '' for an alert that is no longer kept.
local found = {}
for i, entry in ipairs(redis.call('XREVRANGE', KEYS[1], ARGV[1], '-', 'COUNT', ARGV[2])) do
    local id = entry[2][4]:match('^{"id":"([%x-]+)"')
    local alert = id and redis.call('HMGET', '{t}:alert:' .. id, 'rev', 'state') or {}
    found[i] = {entry[1], entry[2], alert[1] or '', alert[2] or ''}
end
return found
