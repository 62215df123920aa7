-- Counts who of one block an alert would reach, and leaves nothing behind: neither here nor in the
-- append-only file or at a replica, to which the scratch bitmaps are not told.
-- ARGV: block, then the audience (lib_audience.lua). Returns its counts.
redis.set_repl(redis.REPL_NONE)
local who = read_audience(ARGV[1], 2, {})
return count_audience(who, function()
    return who.part
end)
