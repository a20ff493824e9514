#!/bin/sh
# tools/wireshark/sockit_xfer.lua: the vectors of the transfer protocol as a capture, and what tshark shows of them.
. "${0%/*}/lib.sh"
need tshark python3

lua=$top/tools/wireshark/sockit_xfer.lua
cat >cases.py <<'END'
import re, struct, sys

def unhex(words):
    out = b''
    for word in words:
        byte, _, times = word.partition('*')
        out += bytes.fromhex(byte) * int(times or 1)
    return out

# (kind, [things], '!! WHY' or '?? WHY' or '', bytes)
def cases(path):
    for block in open(path).read().split('\n\n'):
        lines = [l for l in block.split('\n') if l and l[0] != '#']
        if not lines:
            continue
        kind, _, text = lines[0].partition(' ')
        things = text.split('; ')
        mark = things.pop() if things[-1][:3] in ('!! ', '?? ') else ''
        yield kind, things, mark, unhex(w for l in lines[1:] for w in l.split())

def in_clear(conn, number, text):
    return struct.pack('>BBHIQ', 0x46, 0, 1, conn, number) + text

def stream(offset, data):
    return struct.pack('>BQH', 3, offset, len(data)) + data

def datagrams(path):
    for i, (kind, _, _, data) in enumerate(cases(path)):
        if kind == 'frame':
            data = in_clear(i, 0, data)
        elif kind == 'message':
            data = in_clear(i, 0, stream(0, data))
        yield data

# Raw IPv4 in a classic capture: 127.0.0.1, from port 40000 to PORT.
def write(path, port, all_of_them):
    with open(path, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
        for i, data in enumerate(all_of_them):
            ip = struct.pack('>BBHHHBBH4s4s', 0x45, 0, 28 + len(data), 0, 0, 64, 17, 0, b'\x7f\0\0\1', b'\x7f\0\0\1')
            udp = struct.pack('>HHHH', 40000, port, 8 + len(data), 0)
            f.write(struct.pack('<IIII', 1700000000, i, 28 + len(data), 28 + len(data)) + ip + udp + data)
END

cat >write.py <<'END'
from cases import *
write('vectors.pcap', 4444, datagrams(sys.argv[1]))
# A message in three pieces that come in the wrong order, the first of them twice; another behind it; and one that lacks its beginning.
entry = bytes.fromhex('02 0025 00000000 01 01a4 0000000000000000 0000000000000003 0000000000000003 0004') + b'a/bc'
more = bytes.fromhex('03 0004 00000001')
both = entry + more
write('pieces.pcap', 4444, [in_clear(7, 0, stream(0, both[:5])), in_clear(7, 1, stream(9, both[9:])),
    in_clear(7, 2, stream(0, both[:5])), in_clear(7, 3, b'\x01' + stream(5, both[5:9])), in_clear(8, 0, stream(3, more))])
# Three sealed packets as a sender's own machine sees them: in one datagram. On the port of recv, without a handshake.
sealed = lambda number, n: struct.pack('>BBHIQ', 6, 1, 1, 9, number) + bytes(i * 7 % 251 for i in range(n))
write('batch.pcap', 7411, [sealed(5, 2000) + sealed(6, 2000) + sealed(8, 40), sealed(9, 17)])
# Others' packets of the same lengths, and ours by their form.
write('others.pcap', 4444, [b'\x06' + bytes(range(60)), bytes(1200), b'\x01\0\0\1' + b'\xff' * 1196, b'\x04\0\0\1' + bytes(49),
    b'\x04\0\0\1' + b'\x01' * 48])
END

cat >compare.py <<'END'
from cases import *

def field(kind, thing, name):
    if name in ('type', 'version', 'epoch', 'conn', 'number') and kind == 'packet':
        return 'sockit_xfer.' + name
    return 'sockit_xfer.' + {'OTHER': 'init'}.get(thing, thing.lower()) + '.' + name

# What tshark is to show of a field, as -T fields prints it.
def shown(name, value):
    value, star, times = value.partition('*')
    value = value * int(times) if star else value
    if name == 'sockit_xfer.type':
        return '0x%02x' % int(value)
    if name.endswith(('.text', '.path', '.target')):
        text = re.sub(rb'\\x(..)', lambda m: bytes([int(m[1], 16)]), value.encode()).decode(errors='replace')
        return text.replace('\n', '\\n')
    return value

def wanted(kind, things):
    want = {}
    for thing in things:
        name, _, rest = thing.lstrip('~').partition(' ')
        if kind != 'packet':
            want.setdefault('sockit_xfer.' + kind, []).append(name)
        for word in rest.split():
            key, equal, value = word.partition('=')
            if not equal:
                key, value = 'range', word
            if value and not (name == 'HASHES' and key == 'count'):
                id = field(kind, name, key)
                want.setdefault(id, []).append(shown(id, value))
    return want

if sys.argv[2] == 'names':
    names = {n for kind, things, mark, _ in cases(sys.argv[1]) for n in wanted(kind, things)}
    print('\n'.join(sorted(names)))
    sys.exit()
names = open('wanted').read().split()
rows = [line.rstrip('\n').split('\t') for line in open(sys.argv[2], encoding='utf-8')]
wrong = n = 0
for (kind, things, mark, _), row in zip(cases(sys.argv[1]), rows):
    got, faults = dict(zip(names, row)), row[len(names)]
    for id, values in wanted(kind, things).items():
        n += 1
        if got[id] != ','.join(values) and not (mark[:2] == '!!' and got[id].startswith(','.join(values) + ',')):
            wrong += 1
            print('%s: %s: wanted %.300r, got %.300r' % (things[0][:60], id, ','.join(values), got[id]))
    if bool(faults) != (mark[:2] == '!!'):
        wrong += 1
        print('%s %s: faults %r' % (kind, mark or things, faults))
print('%d cases, %d fields' % (len(rows), n))
sys.exit(wrong > 0 or len(rows) != len(list(cases(sys.argv[1]))) or n < 250)
END

# show FILE OPTION...: what tshark prints, with the dissector; a fault of the script fails the test.
show() {
    file=$1
    shift
    timeout 50 tshark -n -X "lua_script:$lua" -r "$file" "$@" 2>tshark.err || fail "tshark: $? $(cat tshark.err)"
    ! grep -i 'lua' tshark.err >lua.err || fail "$(cat lua.err)"
}

vectors=$top/test/vectors/xfer.txt
python3 write.py "$vectors" || fail 'no capture'

# ---- each vector, on a port that is said ----
python3 compare.py "$vectors" names >wanted || fail 'no names'
set --
while read -r name; do
    set -- "$@" -e "$name"
done <wanted
show vectors.pcap -o sockit_xfer.port:4444 -T fields -E separator=/t -E aggregator=, "$@" -e sockit_xfer.bad >shown
python3 compare.py "$vectors" shown >differences || fail "$(head -n 40 differences)"
show vectors.pcap -o sockit_xfer.port:4444 -V >all
! grep -i 'lua error' all >lua.err || fail "$(head -n 5 lua.err)"

# ---- by their form, on any port ----
show vectors.pcap -T fields -e sockit_xfer.type -e sockit_xfer.conn >shown
for type in 0x01 0x02 0x03 0x04 0x05 0x06 0x46; do
    says "^$type" shown
done
show others.pcap -T fields -e sockit_xfer.type >shown
is 5 "$(wc -l <shown)"
! grep -q 0x shown || fail "others' packets are taken for ours: $(tr '\n' ' ' <shown)"

# ---- packets in a batch ----
show batch.pcap -T fields -E "separator=;" -e sockit_xfer.number -e sockit_xfer.bad >shown
printf '5,6,8;\n9;\n' >want
same want shown
show batch.pcap >shown
says 'SEALED 5, conn 00000009, and 2 more in one batch' shown

# ---- messages in pieces: each is shown where it becomes whole, once, also in a second look ----
for pass in '' -2; do
    # shellcheck disable=SC2086 # an option or nothing
    show pieces.pcap $pass -T fields -E "separator=;" -e sockit_xfer.conn -e sockit_xfer.frame -e sockit_xfer.message \
        -e sockit_xfer.entry.path -e sockit_xfer.end.files >shown
    printf '7;STREAM;;;\n7;STREAM;;;\n7;STREAM;;;\n7;PING,STREAM;ENTRY,END;a/bc;1\n8;STREAM;;;\n' >want
    same want shown
done

# ---- what people see ----
show pieces.pcap -V >all
says 'sockit transfer, SEALED 3, conn 00000007: PING, STREAM, ENTRY, END' all
says 'mode: 0*644' all
says '1970-01-01 00:00:00 UTC' all
show pieces.pcap >all
says 'SOCKIT-XFER .* SEALED 3, conn 00000007: PING, STREAM, ENTRY, END' all

# ---- a transfer, as either end has recorded it ----
free_port
printf 'a secret text\n' >key
mkdir tree && seq 100000 >tree/numbers && printf hi >tree/hi
spawn recv "$SOCKIT" recv --key-file key --pcap recv.pcapng --listen "127.0.0.1:$port" there
wait_port "udp:$port"
exits 0 timeout 50 "$SOCKIT" send --key-file key --pcap send.pcapng tree "127.0.0.1:$port"
wait_gone "$pid"
is 0 "$status"
for side in send recv; do
    show $side.pcapng -T fields -e sockit_xfer.type -e sockit_xfer.bad >shown
    is '01 02 03 04 06 ' "$(cut -c3-4 shown | awk '!seen[$1]++' | tr '\n' ' ')" # each for the first time
    ! grep -vE '^0x0[1-6](,0x06)*.$' shown >strange || fail "$side: $(head -n 5 strange)"
    # No number twice: the sender's to the port, the receiver's from it.
    for way in dst src; do
        show $side.pcapng -Y "udp.${way}port == $port && sockit_xfer.type == 6" -T fields -e sockit_xfer.number |
            tr ',' '\n' >numbers
        says '^[0-9]' numbers
        sort -n numbers | uniq -d >twice
        silent twice
    done
done

# ---- the same with its text in clear: what tshark reads out of it are the files ----
free_port
spawn plain "$SOCKIT" recv --key-file key --pcap recv.pcapng --pcap-plain --listen "127.0.0.1:$port" again
wait_port "udp:$port"
exits 0 timeout 50 "$SOCKIT" send --key-file key --pcap send.pcapng --pcap-plain tree "127.0.0.1:$port"
wait_gone "$pid"
is 0 "$status"
for side in send recv; do
    show $side.pcapng -T fields -e sockit_xfer.type -e sockit_xfer.bad >shown
    is '01 02 03 04 46 ' "$(cut -c3-4 shown | awk '!seen[$1]++' | tr '\n' ' ')"
    show $side.pcapng >shown
    grep -q "SUM, CLOSE" shown || fail "$side: the sum of the sender is missing"
    show $side.pcapng -T fields -E separator=, -e sockit_xfer.entry.path | tr ',' '\n' | grep . | sort -u >shown
    printf 'tree\ntree/hi\ntree/numbers\n' >want
    same want shown
    show $side.pcapng -o sockit_xfer.port:"$port" -T pdml >all.xml
    python3 - all.xml tree/hi tree/numbers <<'END' || fail "$side: the blocks are not the files"
import sys, xml.etree.ElementTree as et
got, now = {}, None
for _, e in et.iterparse(sys.argv[1]):
    if e.tag != 'field':
        continue
    name, show, value = e.get('name'), e.get('show'), e.get('value')
    if name == 'sockit_xfer.block.file':
        now = [int(show), 0]
    elif name == 'sockit_xfer.block.offset' and now:
        now[1] = int(show)
    elif name == 'sockit_xfer.block.bytes' and now:
        file, part = got.setdefault(now[0], bytearray()), bytes.fromhex(value)
        file.extend(bytes(max(0, now[1] + len(part) - len(file)))) # blocks may come again, cut elsewhere
        file[now[1]:now[1] + len(part)] = part
files = {bytes(file) for file in got.values()}
sys.exit(files != {open(p, 'rb').read() for p in sys.argv[2:]})
END
done
