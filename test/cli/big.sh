#!/bin/sh
# 1 GiB through the pipe, byte for byte. The bytes are a counter, checked as they come: nothing is kept on the disk.
. "${0%/*}/lib.sh"
need python3 openssl
SIZE=${SOCKIT_TEST_BIG:-1073741824}

# Blocks of 1 MiB that are random, but known: each begins with its number, so none may be lost, doubled or swapped.
# No letters: openssl s_client takes some, where its buffer begins, for commands.
cat >bytes.py <<'END'
import random, sys
size, block = int(sys.argv[2]), bytearray(random.Random(1).randbytes(1 << 20).translate(bytes(i & 0xBF for i in range(256))))
def blocks():
    for i in range((size + len(block) - 1) // len(block)):
        block[:8] = b"%08d" % i
        yield memoryview(block)[: min(len(block), size - i * len(block))]
if sys.argv[1] == "make":
    for b in blocks(): sys.stdout.buffer.write(b)
else:
    n = 0
    for b in blocks():
        got = sys.stdin.buffer.read(len(b))
        if got != b: sys.exit(f"other bytes within 1 MiB of {n}, {len(got)} instead of {len(b)}")
        n += len(b)
    if sys.stdin.buffer.read(1): sys.exit("more bytes than were sent")
    print("all", n)
END
make() { exec python3 bytes.py make "$SIZE"; }
check() { python3 bytes.py check "$SIZE" >"$1.checked" 2>&1; }

# through NAME SENDER RECEIVER: functions; the receiver listens on $port, and is started first.
through() {
    free_port
    { $3; echo $? >"$1.status"; } 2>"$1.receiver.err" | check "$1" &
    receiver=$!
    wait_port "$port"
    make | $2 2>"$1.sender.err" >/dev/null || fail "$1: sender: $? $(cat "$1.sender.err")"
    wait "$receiver"
    is 0 "$(cat "$1.status")"
    is "all $SIZE" "$(cat "$1.checked")"
}
listen() { timeout 100 "$SOCKIT" -q listen "$port" </dev/null; }
# The peer has nothing to say and ends at once: that is no reason to give up on a source that is slow to begin.
connect() { timeout 100 "$SOCKIT" -q connect --linger 60s 127.0.0.1 "$port"; }
through sockit-sockit connect listen

nc_listens() { timeout 100 nc -l 127.0.0.1 "$port" </dev/null; }
! nc -h 2>&1 | grep -q OpenBSD || through sockit-nc connect nc_listens

socat_connects() { timeout 100 socat -u -b 262144 - "TCP:127.0.0.1:$port"; }
! command -v socat >/dev/null || through socat-sockit socat_connects listen

# TLS with OpenSSL, a way each
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem 2>err || fail "openssl req: $(cat err)"
# Nor does the side that listens give up: by its end s_client would end, before a slow source has begun.
tls_listens() { timeout 100 "$SOCKIT" -q listen --linger 60s --tls --cert cert.pem --key key.pem "$port" </dev/null; }
tls_connects() { timeout 100 "$SOCKIT" -q connect --tls --cacert cert.pem localhost "$port"; }
s_client() { timeout 100 openssl s_client -quiet -no_ign_eof -CAfile cert.pem -connect "localhost:$port"; }
s_server() { # without -naccept it would end at our end of sending, unread
    timeout 100 openssl s_server -quiet -naccept 1 -accept "127.0.0.1:$port" -cert cert.pem -key key.pem <hold
}
through openssl-sockit s_client tls_listens
mkfifo hold
sleep 1000 >hold &
pids="$pids $!"
through sockit-openssl tls_connects s_server

# A file: moved by the kernel. Sparse, and so no load for the disk; what comes is compared, not kept.
truncate -s "$SIZE" zeros
free_port
{ "$SOCKIT" -q listen "$port" </dev/null; echo $? >file.status; } | cmp - zeros >file.cmp 2>&1 &
receiver=$!
wait_port "$port"
timeout 100 "$SOCKIT" -q connect 127.0.0.1 "$port" <zeros >out 2>err || fail "file: $(cat err)"
wait "$receiver" || fail "file: $(cat file.cmp)"
is 0 "$(cat file.status)"
