-- sockit_xfer: Wireshark's view of the sockit transfer protocol, doc/protocol/xfer.md, version 1.
--
--   wireshark -X lua_script:/usr/share/sockit/sockit_xfer.lua FILE     or put it into ~/.local/lib/wireshark/plugins/
--
-- Packets are found by their form, on any UDP port; on that of recv (-o sockit_xfer.port:NUMBER for another) whatever comes is
-- taken for one. Sealed packets show their head; in a capture that was written with their text in clear (first byte 0x46)
-- they show frames and messages as well. Filters: sockit_xfer.conn, sockit_xfer.block.file,
-- sockit_xfer.entry.path contains "report", sockit_xfer.bad, ...

local xfer = Proto("sockit_xfer", "sockit transfer")

local INIT, REJECT, SEALED, IN_CLEAR = 1, 5, 6, 0x46
local VERSION, HEAD, TAG, INIT_MIN, COOKIE_MAX, MESSAGE_MAX = 1, 16, 16, 1200, 64, 16384

local type_names = { "INIT", "RETRY", "ACCEPT", "CONFIRM", "REJECT", "SEALED", [IN_CLEAR] = "SEALED, text in clear" }
local mode_names = { "pair code", "key file" }
local reject_names = { "wrong secret", "the other mode is wanted", "version not known", "too many conversations",
    [8] = "the code is locked" }
local close_names = { [0] = "done", "stopped by its user", "protocol error", "a packet was acknowledged that was never sent",
    "time-out", "no memory", "the disk", "refused", "hashes differ" }
local kind_names = { "file", "directory", "symbolic link", "hard link", "directory again" }

-- What follows the head of a packet, the kind of a frame, the type and length of a message: fields in order. Each is
-- { name, form, names }: a form of 1, 2, 4, 8 is a number of so many bytes, "time" ns since 1970; "bytes" and "text" take
-- the rest; { form, N } takes N bytes, and { form, "nN" } first a number of N bytes that says how many.
local packets = {
    { "init", { "mode", 1, mode_names }, { "session", { "bytes", 16 } }, { "share", { "bytes", 32 } },
        { "cookie", { "bytes", "n1" } }, { "check", { "bytes", 4 } }, { "padding", "bytes" } },
    { "retry", { "cookie", { "bytes", "n1" } } },
    { "accept", { "other", 4 }, { "share", { "bytes", 32 } }, { "check", { "bytes", 4 } } },
    { "confirm", { "mac", { "bytes", 32 } }, { "check", { "bytes", 4 } } },
    { "reject", { "code", 1, reject_names }, { "session", { "bytes", 16 } }, { "versions", "bytes" } },
    { "sealed", { "body", "bytes" } },
}
local frames = {
    [0] = { "pad", { "n", 4 } },
    { "ping" },
    { "ack", { "largest", 8 }, { "delay", 4 }, { "ranges", 1 }, { "range", "text" } },
    { "stream", { "offset", 8 }, { "bytes", { "bytes", "n2" } } },
    { "credit", { "offset", 8 } },
    { "block", { "file", 4 }, { "offset", 8 }, { "bytes", { "bytes", "n2" } } },
    { "close", { "code", 2, close_names }, { "text", { "text", "n1" } } },
}
local messages = {
    { "offer", { "files", 8 }, { "bytes", 8 } },
    { "entry", { "file", 4 }, { "kind", 1, kind_names }, { "mode", 2 }, { "mtime", "time" }, { "size", 8 }, { "data", 8 },
        { "path", { "text", "n2" } }, { "target", "text" } },
    { "end", { "files", 4 } },
    { "hashes", { "file", 4 }, { "group", 8 }, { "hash", "bytes" } },
    { "zeros", { "file", 4 }, { "group", 8 }, { "count", 8 } },
    { "skip", { "file", 4 }, { "error", 2 } },
    { "sum", { "hash", { "bytes", 32 } } },
    [16] = { "more", { "files", 4 } },
    [17] = { "check", { "file", 4 } },
    [18] = { "need", { "file", 4 }, { "group", 8 }, { "count", 8 } },
    [19] = { "refuse", { "file", 4 }, { "error", 2 }, { "text", "text" } },
    [20] = { "stored", { "files", 4 }, { "bytes", 8 } },
    [21] = { "done", { "hash", { "bytes", 32 } }, { "stored", 4 }, { "refused", 4 } },
}

-- --- fields ---

local f, all = {}, {}

local function field(name, make, ...)
    f[name] = make("sockit_xfer." .. name, name:gsub("^.*%.", ""), ...)
    all[#all + 1] = f[name]
end

local makers = { ProtoField.uint8, ProtoField.uint16, nil, ProtoField.uint32, nil, nil, nil, ProtoField.uint64,
    time = ProtoField.int64, text = ProtoField.string, bytes = ProtoField.bytes }

local function declare(layout)
    for _, what in pairs(layout) do
        for i = 2, #what do
            local name, form, names = what[i][1], what[i][2], what[i][3]
            form = type(form) == "table" and form[1] or form
            if form == "text" or form == "bytes" then
                field(what[1] .. "." .. name, makers[form])
            else
                field(what[1] .. "." .. name, makers[form], name == "mode" and what[1] == "entry" and base.OCT or base.DEC, names)
            end
        end
    end
end

field("type", ProtoField.uint8, base.HEX, type_names)
field("epoch", ProtoField.uint8)
field("version", ProtoField.uint16)
field("conn", ProtoField.uint32)
field("number", ProtoField.uint64)
field("frame", ProtoField.string)
field("message", ProtoField.string)
declare(packets)
declare(frames)
declare(messages)
xfer.fields = all

local bad = ProtoExpert.new("sockit_xfer.bad", "not as the protocol says", expert.group.MALFORMED, expert.severity.ERROR)
local closed = ProtoExpert.new("sockit_xfer.closed", "the conversation was closed", expert.group.SEQUENCE, expert.severity.NOTE)
xfer.experts = { bad, closed }

-- --- a cursor over bytes: take() gives the next n as a range, or nil for good once there are not enough ---

local function cursor(tvb, from, to) return { tvb = tvb, at = from, to = to } end
local function left(c) return c.to - c.at end

local function take(c, n)
    if c.short or n > left(c) then
        c.short = true
        return nil
    end
    c.at = c.at + n
    return c.tvb(c.at - n, n)
end

local function number_of(range)
    return range:len() == 8 and range:uint64() or range:uint()
end

local function when(range)
    local ns = range:int64()
    return " (" .. os.date("!%Y-%m-%d %H:%M:%S", (ns / 1000000000):tonumber()) .. " UTC)"
end

-- The bytes of a field of this form; nil: it is empty (Wireshark has no ranges of no bytes), or they are not there.
local function bytes_of(c, form)
    local n = left(c)
    if type(form) == "table" then
        n = form[2]
        if type(n) == "string" then
            local said = take(c, tonumber(n:sub(2)))
            n = said and said:uint() or 0
        end
    end
    if c.short or n == 0 then return nil end
    return take(c, n)
end

-- Adds the fields of a thing to its tree; gives those that are numbers, by name.
local function add_fields(c, tree, what)
    local got = {}
    for i = 2, #what do
        local name, form = what[i][1], what[i][2]
        local id = f[what[1] .. "." .. name] or f["init." .. name]
        if type(form) == "number" then
            local range = take(c, form)
            if range then
                tree:add(id, range)
                got[name] = number_of(range)
            end
        elseif form == "time" then
            local range = take(c, 8)
            if range then tree:add(id, range):append_text(when(range)) end
        else
            local range = bytes_of(c, form)
            local is_text = form == "text" or form[1] == "text"
            if range and is_text then
                tree:add_packet_field(id, range, ENC_UTF_8 + ENC_STRING)
            elseif range then
                tree:add(id, range)
            end
            got[name] = range
        end
    end
    return got
end

local function complain(tree, why) tree:add_proto_expert_info(bad, why) end

-- --- rules beyond the form: each gives what is wrong, or nil ---

local SIZE_MAX, GROUPS_MAX = UInt64(0xffffffff, 0x7fffffff), UInt64(0, 0x800) -- 2^63 - 1 bytes; 2^43 groups
local ERRNO_MAX, RANGES, VERSIONS_MAX = 4095, 64, 64

local function raw(range) return range and range:bytes():raw() or "" end

local function odd_path(path)
    if #path == 0 or #path > 4096 or path:find("%z") then return true end
    for part in (path .. "/"):gmatch("([^/]*)/") do
        if part == "" or part == "." or part == ".." then return true end
    end
    return false
end

local function odd_entry(got)
    local path, target = raw(got.path), raw(got.target)
    if not kind_names[got.kind] then return "of an unknown kind" end
    if got.mode > 4095 or got.size > SIZE_MAX or (got.kind ~= 1 and got.size > UInt64(0)) or got.data > got.size then return "mode or size" end
    if odd_path(path) then return "a path that no receiver takes" end
    if got.kind == 4 and odd_path(target) then return "a hard link to where no receiver looks" end
    if got.kind == 3 and (#target == 0 or #target > 4096 or target:find("%z")) then return "text of the symbolic link" end
    return (got.kind ~= 3 and got.kind ~= 4 and #target > 0) and "a target that has no meaning" or nil
end

local function odd_row(got)
    local none = got.count == UInt64(0)
    return (none or got.count > GROUPS_MAX or got.group > GROUPS_MAX - got.count) and "no such groups" or nil
end

local function odd_hashes(got)
    local n = got.hash and got.hash:len() or 0
    if n == 0 or n % 32 ~= 0 then return "no whole values" end
    return odd_row({ group = got.group, count = UInt64(n / 32) })
end

local function odd_error(got) return (got.error < 1 or got.error > ERRNO_MAX) and "no such error" or nil end

local function odd_piece(got)
    if not got.bytes then return "of no bytes" end
    return got.offset > SIZE_MAX - got.bytes:len() and "beyond 2^63 - 1" or nil
end

-- The check of a handshake packet is the first bytes of its BLAKE3 up to there; those packets are one chunk of blocks of 64.
local IV = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }
local ORDER = { 3, 7, 4, 11, 8, 1, 5, 14, 2, 12, 13, 6, 10, 15, 16, 9 }
local LANES = { { 1, 5, 9, 13 }, { 2, 6, 10, 14 }, { 3, 7, 11, 15 }, { 4, 8, 12, 16 },
    { 1, 6, 11, 16 }, { 2, 7, 12, 13 }, { 3, 8, 9, 14 }, { 4, 5, 10, 15 } }
local CHUNK_START, CHUNK_END, ROOT = 1, 2, 8

local function mix(v, lane, x, y)
    local a, b, c, d = lane[1], lane[2], lane[3], lane[4]
    v[a] = bit.tobit(v[a] + v[b] + x)
    v[d] = bit.ror(bit.bxor(v[d], v[a]), 16)
    v[c] = bit.tobit(v[c] + v[d])
    v[b] = bit.ror(bit.bxor(v[b], v[c]), 12)
    v[a] = bit.tobit(v[a] + v[b] + y)
    v[d] = bit.ror(bit.bxor(v[d], v[a]), 8)
    v[c] = bit.tobit(v[c] + v[d])
    v[b] = bit.ror(bit.bxor(v[b], v[c]), 7)
end

local function compress(h, block, flags)
    local v, m, padded = {}, {}, block .. ("\0"):rep(64 - #block)
    for i = 1, 8 do v[i], v[i + 8] = h[i], IV[i] end
    for i = 1, 16 do
        local a, b, c, d = padded:byte(4 * i - 3, 4 * i)
        m[i] = a + 256 * (b + 256 * (c + 256 * d))
    end
    v[13], v[14], v[15], v[16] = 0, 0, #block, flags
    for _ = 1, 7 do
        local moved = {}
        for i = 1, 8 do mix(v, LANES[i], m[2 * i - 1], m[2 * i]) end
        for i = 1, 16 do moved[i] = m[ORDER[i]] end
        m = moved
    end
    for i = 1, 8 do h[i] = bit.bxor(v[i], v[i + 8]) end
end

local function check_of(bytes)
    local h, n = {}, math.ceil(#bytes / 64)
    for i = 1, 8 do h[i] = IV[i] end
    for i = 1, n do
        local flags = (i == 1 and CHUNK_START or 0) + (i == n and CHUNK_END + ROOT or 0)
        compress(h, bytes:sub(64 * i - 63, 64 * i), flags)
    end
    return bit.tohex(bit.bswap(h[1]))
end

local function odd_check(got, c)
    local at = c.to - 4 - (got.padding and got.padding:len() or 0)
    return check_of(raw(c.tvb(0, at))) ~= got.check:bytes():tohex(true) and "its check is wrong: it was damaged" or nil
end

local function odd_init(got, c)
    if not mode_names[got.mode] then return "no such mode" end
    if got.cookie and got.cookie:len() > COOKIE_MAX then return "a cookie of more than 64 bytes" end
    return got.check and odd_check(got, c)
end

local function odd_retry(got)
    local n = got.cookie and got.cookie:len() or 0
    return (n == 0 or n > COOKIE_MAX) and "a cookie of 1 to 64 bytes ought to be there" or nil
end

local function odd_reject(got)
    local n = got.versions and got.versions:len() or 0
    if not reject_names[got.code] then return "no such code" end
    return ((got.code == 3) ~= (n > 0) or n % 2 > 0 or n > VERSIONS_MAX) and "the list of versions" or nil
end

local odd = { init = odd_init, accept = odd_check, confirm = odd_check, retry = odd_retry, reject = odd_reject, stream = odd_piece, block = odd_piece, entry = odd_entry,
    hashes = odd_hashes, zeros = odd_row, need = odd_row, skip = odd_error, refuse = odd_error }

function odd.credit(got) return got.offset > SIZE_MAX and "beyond 2^63 - 1" or nil end

-- c: what its fields were taken from. at_end: nothing may be left over.
local function why_odd(what, c, got, at_end)
    if c.short then return "too short" end
    if at_end and left(c) > 0 then return "too long" end
    return odd[what[1]] and odd[what[1]](got, c)
end

-- --- messages ---

-- By conversation and direction: what came of its control stream, up to where it is whole.
local streams
-- By the number of the captured packet and of its frame: the messages that became whole by it. Wireshark looks at packets
-- again in any order; only the first look is in theirs.
local whole

function xfer.init() streams, whole = {}, {} end

-- Moves what joins the whole part to it; gives the messages that it ends.
local function join(s)
    local moved, done = true, {}
    while moved do
        moved = false
        for offset, bytes in pairs(s.waits) do
            if offset <= s.at then
                s.waits[offset] = nil
                if offset + #bytes > s.at then
                    s.text = s.text .. bytes:sub(s.at - offset + 1)
                    s.at = offset + #bytes
                end
                moved = true
            end
        end
    end
    while #s.text >= 3 do
        local n = 3 + s.text:byte(2) * 256 + s.text:byte(3)
        if n > 3 + MESSAGE_MAX then n = 3 end -- it is shown to be too short, and all that follows is guesswork
        if #s.text < n then break end
        done[#done + 1] = s.text:sub(1, n)
        s.text = s.text:sub(n + 1)
    end
    return done
end

local function whole_messages(pinfo, conn, index, offset, bytes)
    local mine = pinfo.number .. "/" .. index
    local way = tostring(pinfo.src) .. " " .. pinfo.src_port .. " " .. tostring(pinfo.dst) .. " " .. pinfo.dst_port .. " " .. conn
    if not pinfo.visited and not whole[mine] then
        local s = streams[way] or { at = 0, text = "", waits = {} }
        streams[way] = s
        local old = s.waits[offset]
        s.waits[offset] = old and #old > #bytes and old or bytes
        whole[mine] = join(s)
    end
    return whole[mine] or {}
end

local function show_message(text, tree, said)
    local tvb = ByteArray.new(text, true):tvb("message")
    local kind = tvb(0, 1):uint()
    local what = messages[kind]
    local name = what and what[1]:upper() or "message " .. kind
    local sub = tree:add(f.message, tvb(), name)
    said[#said + 1] = name
    if not what then
        complain(sub, "no such message")
        return
    end
    local c = cursor(tvb, 3, tvb:len())
    local got = add_fields(c, sub, what)
    local why = why_odd(what, c, got, true)
    if tvb:len() ~= 3 + tvb(1, 2):uint() then why = "longer than any message" end
    if why then complain(sub, why) end
end

-- --- frames ---

local function ack_ranges(c, tree, got)
    local largest, n = got.largest, got.ranges
    if n > RANGES then return "more than 65 ranges" end
    if largest == UInt64.max() then return "nobody sends this number" end
    for i = 0, n do
        local gap = i > 0 and take(c, 4)
        local more = take(c, 4)
        if not more or gap == nil then return "too short" end
        if i > 0 then
            if largest < UInt64(gap:uint()) + 2 then return "a range below 0" end
            largest = largest - gap:uint() - 2
        end
        if largest < UInt64(more:uint()) then return "a range below 0" end
        tree:add(f["ack.range"], more, tostring(largest - more:uint()) .. "-" .. tostring(largest))
        largest = largest - more:uint()
    end
end

local function pad_len(c)
    local n = 1
    while left(c) > 0 and c.tvb(c.at, 1):uint() == 0 do
        c.at = c.at + 1
        n = n + 1
    end
    return n
end

local ack_head = { "ack", frames[2][2], frames[2][3], frames[2][4] }

-- One frame. Gives its name, and why it is none.
local function show_frame(c, tree, pinfo, conn, index, said)
    local kind, from = take(c, 1):uint(), c.at - 1
    local what = frames[kind]
    local name = what and what[1]:upper() or "frame " .. kind
    local sub = tree:add(f.frame, c.tvb(from, 1), name)
    local why, got
    said[#said + 1] = name
    if not what then
        why = "no such frame"
    elseif kind == 0 then
        sub:add(f["pad.n"], c.tvb(from, 1), pad_len(c))
    elseif kind == 2 then
        got = add_fields(c, sub, ack_head)
        why = not c.short and ack_ranges(c, sub, got) or nil
    else
        got = add_fields(c, sub, what)
    end
    if what and kind ~= 0 and not why then why = why_odd(what, c, got, false) end
    if not why and kind == 3 then
        for _, text in ipairs(whole_messages(pinfo, conn, index, got.offset:tonumber(), got.bytes:bytes():raw())) do
            show_message(text, sub, said)
        end
    elseif not why and kind == 6 then
        sub:add_proto_expert_info(closed, "closed: " .. (close_names[got.code] or "code " .. got.code))
    end
    sub:set_len(c.at - from)
    if why then complain(sub, why) end
    return why
end

-- A row of the same names is said once: "BLOCK x40".
local function brief(said)
    local out, i = {}, 1
    while i <= #said and #out < 12 do
        local n = 1
        while said[i + n] == said[i] do n = n + 1 end
        out[#out + 1] = said[i] .. (n > 1 and " x" .. n or "")
        i = i + n
    end
    return table.concat(out, ", ") .. (i <= #said and ", ..." or "")
end

local function show_frames(tvb, pinfo, tree, conn)
    local c, said, index = cursor(tvb, HEAD, tvb:len()), {}, 0
    while left(c) > 0 do
        index = index + 1
        if show_frame(c, tree, pinfo, conn, index, said) then break end
    end
    return brief(said)
end

-- --- packets ---

local function show_sealed(tvb, tree)
    local text = tvb:len() - HEAD - TAG
    if text < 1 then
        complain(tree, "no text")
        return
    end
    tree:add(f["sealed.body"], tvb(HEAD)):append_text(" (" .. text .. " bytes and a tag)")
end

local function show_packet(tvb, pinfo, tree, kind, version)
    if kind == SEALED then return show_sealed(tvb, tree) end
    if kind == IN_CLEAR then return show_frames(tvb, pinfo, tree, tvb(4, 4):uint()) end
    local what = packets[kind]
    if kind == INIT and tvb:len() < INIT_MIN then complain(tree, "shorter than 1200 bytes") end
    if version ~= VERSION then
        if kind ~= INIT then return end
        what = { "other", what[2], what[3] } -- what all versions share
    elseif not what then
        complain(tree, "no such packet")
        return
    end
    local c = cursor(tvb, HEAD, tvb:len())
    local got = add_fields(c, tree, what)
    local why = why_odd(what, c, got, version == VERSION)
    if version == VERSION and (tvb(1, 1):uint() ~= 0 or tvb(8, 8):uint64() ~= UInt64(0)) then why = "epoch or number" end
    if why then complain(tree, why) end
    return got.code and reject_names[got.code] or got.mode and mode_names[got.mode]
end

local function dissect_one(tvb, pinfo, root)
    local kind, version = tvb(0, 1):uint(), tvb(2, 2):uint()
    local sealed = kind == SEALED or kind == IN_CLEAR
    local tree = root:add(xfer, tvb())
    tree:add(f.type, tvb(0, 1))
    tree:add(f.epoch, tvb(1, 1))
    tree:add(f.version, tvb(2, 2))
    tree:add(f.conn, tvb(4, 4))
    tree:add(f.number, tvb(8, 8))
    local name = sealed and "SEALED " .. tostring(tvb(8, 8):uint64()) or type_names[kind] or "type " .. kind
    local more = show_packet(tvb, pinfo, tree, kind, version)
    local info = name .. string.format(", conn %08x", tvb(4, 4):uint()) .. (more and ": " .. more or "")
    tree:append_text(", " .. info)
    return info
end

-- On the machine that sends (and on one that receives in batches) a capture has many packets in one datagram, which the
-- kernel cuts or has joined. Sealed packets do not say how long they are; but each begins with the same eight bytes, which
-- are found inside another by chance once in 2^64 places.
local function next_packet(tvb, at)
    if tvb(at, 1):uint() ~= SEALED then return tvb:len() end
    local found = tvb:raw():find(tvb:raw(at, 8), at + HEAD + TAG + 2, true)
    return found and found + HEAD <= tvb:len() and found - 1 or tvb:len()
end

function xfer.dissector(tvb, pinfo, root)
    pinfo.cols.protocol = "SOCKIT-XFER"
    if tvb:len() < HEAD then
        complain(root:add(xfer, tvb()), "no whole head")
        return tvb:len()
    end
    local at, n, info = 0, 0, nil
    while at < tvb:len() do
        local to = next_packet(tvb, at)
        local said = dissect_one(tvb(at, to - at):tvb(), pinfo, root)
        at, n, info = to, n + 1, info or said
    end
    pinfo.cols.info = info .. (n > 1 and ", and " .. n - 1 .. " more in one batch" or "")
    return tvb:len()
end

-- --- which packets ---

-- Nobody else's packets look like this: version, zeros and lengths are all as they must be.
local function looks_like_ours(tvb)
    local n = tvb:len()
    if n <= HEAD or tvb(2, 2):uint() ~= VERSION then return false end
    local kind = tvb(0, 1):uint()
    if kind == IN_CLEAR or (kind == SEALED and n > HEAD + TAG) then
        return tvb(8, 2):uint() == 0 -- no transfer has 2^48 packets
    end
    if tvb(1, 1):uint() ~= 0 or tvb(8, 8):uint64() ~= UInt64(0) then return false end
    local first = tvb(HEAD, 1):uint()
    return (kind == 1 and n >= INIT_MIN and mode_names[first] ~= nil and tvb(HEAD + 49, 1):uint() <= COOKIE_MAX) or
        (kind == 2 and n == HEAD + 1 + first) or (kind == 3 and n == HEAD + 40) or (kind == 4 and n == HEAD + 36) or
        (kind == 5 and reject_names[first] ~= nil and n >= HEAD + 17 and (first == 3) == (n > HEAD + 17))
end

xfer:register_heuristic("udp", function(tvb, pinfo, root)
    if not looks_like_ours(tvb) then return false end
    xfer.dissector(tvb, pinfo, root)
    pinfo.conversation = xfer
    return true
end)

-- Where recv listens if nobody says otherwise.
xfer.prefs.port = Pref.uint("UDP port", 7411, "Whose packets are always taken for this protocol; 0: only what looks like it")
local port = 0
local function take_port()
    local udp = DissectorTable.get("udp.port")
    if port ~= 0 then udp:remove(port, xfer) end
    port = xfer.prefs.port
    if port ~= 0 then udp:add(port, xfer) end
end
take_port()
xfer.prefs_changed = take_port
DissectorTable.get("udp.port"):add_for_decode_as(xfer)
