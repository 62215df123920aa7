-- The audit log: a stream of events, each sealed into a chain of SHA-256 in the very step that
-- appends it, and so in the same atomic step as the act it tells of. Redis has only SHA-1 in C, and
-- 64 bytes cost 0.15 ms here. Where that counts, in a publish, the caller brings the event's hash
-- along, and the seal as well if it knows the head: 0.45 of 0.73 ms. A wrong one is found like any
-- change.
-- Entries: id <seq>-1, t = time (ms), e = the event (JSON), h = the hash, of
--    <hash of the one before> <seq> <time> <SHA-256 of the event>
-- The head names the last entry once more, so that a cut end is found.
local AUDIT_LOG, AUDIT_HEAD = '{t}:audit', '{t}:audit:head'
local AUDIT_START = ('0'):rep(64)
-- How far the clock of who brings a seal may be off.
local AUDIT_CLOCK_MS = 1000

local sha256
do
    local band, bnot, bxor = bit.band, bit.bnot, bit.bxor
    local ror, rshift, tobit, tohex = bit.ror, bit.rshift, bit.tobit, bit.tohex
    local char, byte = string.char, string.byte
    -- FIPS 180-4 sections 4.2.2 and 5.3.3.
    local k = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    }

    local function add_block(state, w, text, at)
        for i = 1, 16 do
            local a, b, c, d = byte(text, at + 4 * i - 4, at + 4 * i - 1)
            w[i] = a * 16777216 + b * 65536 + c * 256 + d
        end
        for i = 17, 64 do
            local x, y = w[i - 15], w[i - 2]
            w[i] = tobit(w[i - 16] + bxor(ror(x, 7), ror(x, 18), rshift(x, 3)) + w[i - 7]
                + bxor(ror(y, 17), ror(y, 19), rshift(y, 10)))
        end
        local a, b, c, d, e, f, g, h = unpack(state)
        for i = 1, 64 do
            local t1 = h + bxor(ror(e, 6), ror(e, 11), ror(e, 25)) + bxor(band(e, f), band(bnot(e), g))
                + k[i] + w[i]
            local t2 = bxor(ror(a, 2), ror(a, 13), ror(a, 22))
                + bxor(band(a, b), band(a, c), band(b, c))
            h, g, f, e, d, c, b, a = g, f, e, tobit(d + t1), c, b, a, tobit(t1 + t2)
        end
        for i, word in ipairs({a, b, c, d, e, f, g, h}) do
            state[i] = tobit(state[i] + word)
        end
    end

    -- As hex. For texts under 512 MB: the length in bits must fit 32 bits.
    function sha256(text)
        local bits = #text * 8
        text = text .. '\128' .. ('\0'):rep((55 - #text) % 64 + 4)
            .. char(rshift(bits, 24), band(rshift(bits, 16), 255), band(rshift(bits, 8), 255),
                band(bits, 255))
        local state, w = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                          0x1f83d9ab, 0x5be0cd19}, {}
        for at = 1, #text, 64 do
            add_block(state, w, text, at)
        end
        for i = 1, 8 do
            state[i] = tohex(state[i])
        end
        return table.concat(state)
    end
end

-- Where the log goes on when the head was lost or set back: after whatever it ever had.
local function audit_end()
    local info = redis.pcall('XINFO', 'STREAM', AUDIT_LOG)
    local newest = redis.call('XREVRANGE', AUDIT_LOG, '+', '-', 'COUNT', 1)[1]
    local seq = 0
    for i = 1, info.err and 0 or #info, 2 do
        if info[i] == 'last-generated-id' then
            seq = tonumber(info[i + 1]:match('^%d+'))
        end
    end
    return seq, newest and newest[2][6] or AUDIT_START
end

-- Takes the word apart that audit_put_sealed_arg made: the event, and the seal for audit_append.
local function audit_unseal(word)
    local digest, number, at, before, hash, event =
        word:match('^(%x+) (%d*) (%d*) (%x*) (%x*) (.*)$')
    return event, {digest = digest, number = number, at = at, before = before, hash = hash}
end

-- Appends an event, the text that audit_put_event made, and returns its seq. `seal` is what its caller
-- has worked out before, or nil: the event's SHA-256, and a hash for the case that the entry before is
-- the one it knows. To be called before the
-- script changes anything: it raises an error if Redis does not take the entry, and then the act that
-- cannot be recorded is not done either.
local function audit_append(event, seal)
    local head = redis.call('HMGET', AUDIT_HEAD, 'seq', 'hash')
    local seq, hash = tonumber(head[1] or nil), head[2]
    local time = redis.call('TIME')
    local at = time[1] .. string.format('%03d', math.floor(tonumber(time[2]) / 1000))
    local function add()
        local number = string.format('%.0f', seq + 1)
        local stamp, sealed = at, nil
        if seal and seal.number == number and seal.before == hash
            and math.abs(tonumber(seal.at) - tonumber(at)) <= AUDIT_CLOCK_MS then
            stamp, sealed = seal.at, seal.hash
        else
            local digest = seal and seal.digest or sha256(event)
            sealed = sha256(table.concat({hash, number, at, digest}, ' '))
        end
        local added = redis.pcall('XADD', AUDIT_LOG, number .. '-1', 't', stamp, 'e', event, 'h', sealed)
        if added.err then
            return false
        end
        redis.call('HSET', AUDIT_HEAD, 'seq', number, 'hash', sealed)
        return true
    end
    if not (seq and hash and add()) then
        seq, hash = audit_end()
        if not add() then
            error('the audit log takes no entry')
        end
    end
    return seq + 1
end

