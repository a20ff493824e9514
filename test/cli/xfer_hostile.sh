#!/bin/sh
# What strangers and bad lines do to recv and send: floods of first packets, garbage, whole conversations again, packets
# that are cut, changed and repeated on their way. A transfer goes through meanwhile, memory stays where it was, nobody
# gets a bigger answer than his question.
. "${0%/*}/lib.sh"
need python3
echo 'a secret that both ends know' >key
head -c 3000000 /dev/urandom >file
mkdir in

cat >hostile.py <<'END'
import os, random, selectors, socket, struct, sys, time
random.seed(int(os.environ.get('XFER_SEED', '5')))

def udp(port=0):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    s.bind(('127.0.0.1', port))
    s.setblocking(False)
    return s

def drain(s):
    got = []
    while True:
        try: got.append(s.recv(65536))
        except (BlockingIOError, ConnectionRefusedError): return got

def head(kind, conn=0, number=0, epoch=0, version=1):
    return struct.pack('>BBHIQ', kind, epoch, version, conn, number)

# BLAKE3 of at most 1024 bytes: the check of handshake packets, without which they are nothing.
IV = (0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
LANES = [(i, 4 + i, 8 + i, 12 + i) for i in range(4)] + [(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)]
def ror(x, n): return (x >> n | x << 32 - n) & 0xffffffff
def blake3(data):
    h, n = IV, (len(data) + 63) // 64
    for i in range(n):
        block = data[64 * i:64 * i + 64]
        m = struct.unpack('<16I', block.ljust(64, b'\0'))
        v = [*h, *IV[:4], 0, 0, len(block), (i == 0) | (i == n - 1) * 10]
        for _ in range(7):
            for (a, b, c, d), x, y in zip(LANES, m[::2], m[1::2]):
                for k, left, right in ((x, 16, 12), (y, 8, 7)):
                    v[a] = v[a] + v[b] + k & 0xffffffff
                    v[d] = ror(v[d] ^ v[a], left)
                    v[c] = v[c] + v[d] & 0xffffffff
                    v[b] = ror(v[b] ^ v[c], right)
            m = [m[k] for k in ORDER]
        h = tuple(v[k] ^ v[k + 8] for k in range(8))
    return struct.pack('<8I', *h)

def checked(p): return p + blake3(p)[:4]

def init(cookie=b'', mode=2, version=1):
    p = head(1, random.getrandbits(32), version=version) + bytes([mode]) + random.randbytes(48) + bytes([len(cookie)]) + cookie
    return checked(p).ljust(1200, b'\0')

def spoil(p): # as a bad line or a bad neighbour would
    how = random.randrange(5)
    if how == 0: return p[:random.randrange(len(p) + 1)]
    if how == 1: return p + random.randbytes(random.randrange(1, 50))
    if how == 2: return random.randbytes(len(p))
    p = bytearray(p)
    for _ in range(random.choice([1, 1, 1, 8])): p[random.randrange(len(p) if how == 3 else min(len(p), 24))] ^= 1 << random.randrange(8)
    return bytes(p)
END

# relay.py LISTEN TO RECORD: a line that repeats, spoils and reorders what it carries, both ways, and writes down what
# the sender said: length[4] bytes...
cat >relay.py <<'END'
from hostile import *
front, back = udp(int(sys.argv[1])), udp()
to, peer, record, late = ('127.0.0.1', int(sys.argv[2])), None, open(sys.argv[3], 'wb'), []
pick = selectors.DefaultSelector()
pick.register(front, selectors.EVENT_READ)
pick.register(back, selectors.EVENT_READ)
def give(s, p, where):
    try: s.sendto(p, where)
    except (BlockingIOError, ConnectionRefusedError, OSError): pass
while True:
    for key, _ in pick.select():
        while True:
            try: p, who = key.fileobj.recvfrom(65536)
            except (BlockingIOError, ConnectionRefusedError): break
            if key.fileobj is front:
                peer = who
                record.write(struct.pack('>I', len(p)) + p)
                record.flush()
            s, where = (back, to) if key.fileobj is front else (front, peer)
            if random.random() < .1: give(s, spoil(p), where)
            if random.random() < .02: late.append((s, p, where))
            else: give(s, p, where)
            if random.random() < .05: give(s, p, where)
            if late and random.random() < .1: give(*late.pop(random.randrange(len(late))))
END

# flood.py PORT RECORD...: at a receiver
cat >flood.py <<'END'
from hostile import *
to = ('127.0.0.1', int(sys.argv[1]))
said = heard = 0
def tell(s, p):
    global said, heard
    try: s.sendto(p, to)
    except (BlockingIOError, ConnectionRefusedError): pass
    said += len(p)
    heard += sum(map(len, drain(s)))
    time.sleep(0.00002)
many = [udp() for _ in range(200)]
for i in range(4000): tell(random.choice(many), init(version=random.choice([1, 1, 1, 0, 2, 65535]), mode=random.choice([0, 1, 2, 2, 2, 255])))
for i in range(2000): tell(random.choice(many), init(random.randbytes(random.randrange(65))))
time.sleep(0.2)
heard += sum(len(p) for s in many for p in drain(s))
assert 0 < heard <= said / 12, ('the answers to first packets', said, heard) # 97 bytes to 1200
for i in range(3000): tell(random.choice(many), random.randbytes(random.choice([0, 1, 15, 16, 17, 33, 100, 1199, 1200, 9000])))
for i in range(3000): tell(random.choice(many), head(random.randrange(8), random.getrandbits(32), random.getrandbits(random.choice([1, 8, 64]))) + random.randbytes(random.randrange(100)))
# A cookie that is right, from an address that is ours: handshakes that nobody finishes
opened = 0
for s in many:
    drain(s)
    first = init()
    tell(s, first)
    time.sleep(0.002)
    retry = [p for p in drain(s) if p[:1] == b'\2']
    if retry:
        cookie = retry[0][17:]
        tell(s, checked(first[:16 + 49] + bytes([len(cookie)]) + cookie).ljust(1200, b'\0'))
        opened += 1
# Whole conversations again, from their port and from others, as they were and spoiled
for name in sys.argv[2:]:
    data, again = open(name, 'rb').read(), []
    while len(data) >= 4:
        n, = struct.unpack('>I', data[:4])
        again.append(data[4:4 + n])
        data = data[4 + n:]
    assert len(again) > 20, len(again)
    for p in again: tell(many[0], p)
    for p in again: tell(random.choice(many), spoil(p))
time.sleep(0.2)
for s in many: heard += sum(map(len, drain(s)))
assert heard <= said / 8, (said, heard)
print('%d bytes said, %d heard, %d handshakes begun' % (said, heard, opened))
END

receiver() { # NAME OPTION...
    free_port
    at=$port name=$1
    shift
    spawn "$name" "$SOCKIT" recv -k --json --listen "127.0.0.1:$at" --window 4MiB "$@" in
    receiver=$pid
    wait_for '"listening"' "$name.out"
}
peak() { sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$receiver/status"; }
line() { # RECORD
    free_port
    front=$port
    spawn "line$1" python3 relay.py "$front" "$at" "$1"
    relay=$pid
    wait_port "udp:$front"
}

# ---- one transfer over a line that does all that; what it says is written down ----
receiver calm --key-file key
line first
exits 0 timeout 60 "$SOCKIT" send --json --key-file key file "127.0.0.1:$front"
cmp file in/file || fail 'what came is not what was sent'
kill "$relay"
wait_gone "$relay"
before=$(peak)

# ---- floods, while another transfer goes through such a line ----
line second
rm in/file
spawn sender timeout 90 "$SOCKIT" send --json --limit-rate 600KB/s --key-file key file "127.0.0.1:$front"
sender=$pid
until_true 20 sh -c 'ls in/file.part-sockit >/dev/null 2>&1' || fail 'nothing arrives'
python3 flood.py "$at" first >flood.out || fail "the flood: $(cat flood.out)"
wait_gone "$sender"
is 0 "$status"
cmp file in/file || fail 'what came during the flood is not what was sent'
python3 flood.py "$at" second >flood.out || fail "the flood: $(cat flood.out)"
grown=$(($(peak) - before))
[ "$grown" -lt 16384 ] || fail "the receiver's memory grew by $grown KiB"
# Handshakes that nobody finished are forgotten after 10 s; who knows the secret gets in as soon as one is
exits 0 timeout 40 sh -c "until '$SOCKIT' send --key-file key file 127.0.0.1:$at; do sleep 1; done"
kill "$receiver"
wait_gone "$receiver"
is 0 "$status"
is 'file' "$(ls -A in)"

# ---- a pair code is not spent by who does not finish his guess with a wrong proof, and not found by repeating ----
receiver pair
code=$(sed -n 's/.*"code":"\([^"]*\)".*/\1/p' pair.out)
python3 flood.py "$at" first >flood.out || fail "the flood: $(cat flood.out)"
exits 0 timeout 60 sh -c "until '$SOCKIT' send --pair $code file 127.0.0.1:$at; do sleep 1; done"
! grep -q wrong_code pair.out || fail "a stranger spent the code: $(cat pair.out)"
kill "$receiver"
wait_gone "$receiver"

# ---- a proxy on the way changes bits, and makes the checksum of what it sends fit: no code is spent by that ----
for seed in 2 4 7; do # of these the first ACCEPT or CONFIRM is changed
    free_port
    at=$port
    spawn bits "$SOCKIT" recv -k --json --listen "127.0.0.1:$at" "bits$seed"
    receiver=$pid
    wait_for '"code"' bits.out
    code=$(sed -n 's/.*"code":"\([^"]*\)".*/\1/p' bits.out)
    free_port
    spawn proxy "$SOCKIT" impair -u --corrupt 40% --seed $seed -l "127.0.0.1:$port" -t "127.0.0.1:$at"
    proxy=$pid
    wait_port "udp:$port"
    exits 0 timeout 60 "$SOCKIT" send --pair "$code" key "127.0.0.1:$port"
    same key "bits$seed/key"
    ! grep -q wrong_code bits.out || fail "a changed bit spent the code: $(cat bits.out)"
    kill "$proxy" "$receiver"
    wait_gone "$proxy"
    wait_gone "$receiver"
done

# ---- who answers a sender with nonsense: it gives up in its time, and believes no refusal that is not for it ----
cat >liar.py <<'END'
from hostile import *
s = udp(int(sys.argv[1]))
s.setblocking(True)
while True:
    p, who = s.recvfrom(65536)
    mine, session = p[4:8], p[17:33]
    def to(kind, body):
        p = bytes([kind, 0, 0, 1]) + mine + bytes(8) + body
        s.sendto(checked(p) if kind in (3, 4) else p, who)
    to(2, b'\0'); to(2, bytes([65]) + bytes(65)); to(2, b'\x20' + bytes(32)); to(2, b'')
    to(5, b'\1' + random.randbytes(16)); to(5, b'\x09' + session); to(5, b'\3' + session + b'\0'); to(5, b'\1' + session[:15])
    to(3, random.randbytes(35) + b'\xff'); to(3, bytes(36)); to(3, random.randbytes(35)); s.sendto(bytes([3, 0, 0, 1]) + mine + bytes(48), who) # none is a point: the sender goes on asking
    to(4, bytes(32)); to(6, random.randbytes(60)); to(0x46, bytes(20)); to(9, bytes(9))
    s.sendto(p, who); s.sendto(b'', who); s.sendto(bytes(70000)[:65000], who)
END
free_port
spawn liar python3 liar.py "$port"
wait_port "udp:$port"
exits 5 timeout 30 "$SOCKIT" send --key-file key --timeout 3s file "127.0.0.1:$port"
says 'does not answer' err
