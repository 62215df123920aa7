-- What a dispatcher must heed while it sends.
-- KEYS: the switch, then the counters of each revision being sent.
-- Returns {the platforms that are paused, for each revision why it is sent no more (lib_ending.lua)}.
local endings = {}
for i = 2, #KEYS do
    endings[i - 1] = ending_of(KEYS[i])
end
return {redis.call('HKEYS', KEYS[1]), endings}
