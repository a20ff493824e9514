#!/bin/sh
# What strangers do to a server: it goes on, its memory and CPU stay bounded, and it counts what it refused.
. "${0%/*}/lib.sh"
need python3 openssl
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>err || fail "openssl req: $(cat err)"

free_port
plain=$port
spawn plain "$SOCKIT" -q serve --reply 'got ' --queue 64KiB --timeout 20s --max-conns 6000 --stats 1h "$plain"
server=$pid
free_port
spawn tls "$SOCKIT" -q serve --reply 'got ' --tls --cert cert.pem --key key.pem --stats 1h "$port"
secure=$pid
wait_port "$plain"
wait_port "$port"

cat >attack.py <<'END'
import os, random, resource, select, socket, ssl, struct, sys, time
plain, secure, pid, pid_tls = map(int, sys.argv[1:])
chance = random.Random(7)
def dial(port): return socket.create_connection(("127.0.0.1", port), 20)
def lives(what):
    c = dial(plain)
    c.sendall(b"well?\n")
    got = c.makefile("rb").readline()
    assert got == b"got well?\n", (what, got)
def attempt(c, data): # send it all, whatever becomes of us
    c.settimeout(0.5) # the answers fill the way back: then it does not read us any more
    try:
        c.sendall(data)
        c.shutdown(socket.SHUT_WR)
        while c.recv(65536): pass
    except OSError: pass
    c.close()
def rst(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
def rss(of): return int(next(l for l in open(f"/proc/{of}/status") if l.startswith("VmHWM")).split()[1]) * 1024
def cpu(of):
    fields = open(f"/proc/{of}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

for i in range(20): attempt(dial(plain), chance.randbytes(chance.randrange(100000)))
lives("garbage")
for i in range(20): attempt(dial(secure), chance.randbytes(chance.randrange(1, 3000)))
attempt(dial(plain), b"\0" * 50000 + b"\n" + b"\0" * 50000)
lives("NUL bytes")
for i in range(3): attempt(dial(plain), b"x" * 20_000_000) # a line without an end
lives("giant lines")
for i in range(50): # a message, and away without the answer
    c = dial(plain)
    c.sendall(b"bye\n" * 1000)
    rst(c)
lives("reset")

# half a handshake, and silence behind it
hello, out = ssl.MemoryBIO(), ssl.MemoryBIO()
context = ssl.create_default_context(cafile="cert.pem")
session = context.wrap_bio(hello, out, server_hostname="localhost")
try: session.do_handshake()
except ssl.SSLWantReadError: pass
hello = out.read()
half = []
for i in range(100):
    c = dial(secure)
    c.sendall(hello[: i % len(hello)] if i % 3 else hello)
    half.append(c)
with context.wrap_socket(dial(secure), server_hostname="localhost") as c: # who means it is served beside them
    c.sendall(b"well?\n")
    assert c.recv(100) == b"got well?\n"

# a reader that never reads
deaf = dial(plain)
deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
deaf.setblocking(False)
asked = time.time()
try:
    while time.time() < asked + 10: # until we are dropped, or not read any more
        if not select.select([], [deaf], [], 2)[1]: break
        deaf.send(b"y\n" * 30000)
except OSError: pass
lives("a deaf reader")

# a crowd
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
crowd = [dial(plain) for i in range(min(5000, hard - 500))]
lives(f"{len(crowd)} connections")
for c in crowd: c.send(b"me\n")
for c in crowd: assert c.recv(100) == b"got me\n"
before = cpu(pid), cpu(pid_tls)
time.sleep(2) # all are silent now, some unread
after = cpu(pid), cpu(pid_tls)
for b, a in zip(before, after): assert a - b < 0.5, f"{a - b:.2f} s of CPU in 2 s of silence"
for c in crowd: rst(c)
lives("all of them reset")

# who began a handshake is given up after some seconds, not kept
began = time.time()
for c in half:
    c.settimeout(15)
    try:
        while c.recv(10000): pass
    except ConnectionResetError: pass
assert time.time() - began < 15
lives("the end")
print("bytes", rss(pid), rss(pid_tls))
END
timeout 110 python3 attack.py "$plain" "$port" "$server" "$secure" >attack.out 2>attack.err || fail "attack: $?"
for pid in $server $secure; do
    kill "$pid"
    wait_gone "$pid"
    is 0 "$status"
done
python3 - "$SOCKIT" <<'END' || fail "$(cat plain.out tls.out attack.out)"
import json, os
plain, tls = [[json.loads(l) for l in open(f)][-1] for f in ("plain.out", "tls.out")]
assert plain["accepted"] >= 5000 and plain["links"] <= 2, plain
assert plain["bytes_in"] > 1_000_000, plain
assert tls["accepted"] >= 121, tls
words = open("attack.out").read().split()
if "SOCKIT_SANDBOX" not in os.environ: # a sanitizer keeps what was freed
    assert max(map(int, words[1:])) < 64 << 20, words
END
