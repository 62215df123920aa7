-- KEYS: epoch, log. ARGV: id for a new epoch.
-- Returns {epoch, head seq, past, oldest seq in the log or head + 1}.
local epoch, seq, past = epoch_current(KEYS[1], KEYS[2], ARGV[1])
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)
local first = oldest[1] and oldest[1][1]:match('^(%d+)') or whole(seq + 1)
return {epoch, whole(seq), past, first}
