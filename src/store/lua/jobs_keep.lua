-- Tells that the consumer still works on its jobs, so that nobody claims them.
-- KEYS: all lanes. ARGV: consumer, then lane (index) and entry of each job.
-- Returns of each that is no longer its own: lane, entry, 1 when another consumer has it (0: gone).
local lost = {}
for i = 2, #ARGV, 2 do
    local lane, entry = KEYS[tonumber(ARGV[i])], ARGV[i + 1]
    local pending = redis.pcall('XPENDING', lane, 'push', entry, entry, 1)
    if pending.err or not pending[1] or pending[1][2] ~= ARGV[1] then
        for _, word in ipairs({tonumber(ARGV[i]), entry, pending[1] and 1 or 0}) do
            lost[#lost + 1] = word
        end
    else
        redis.call('XCLAIM', lane, 'push', ARGV[1], 0, entry, 'JUSTID')
    end
end
return lost
