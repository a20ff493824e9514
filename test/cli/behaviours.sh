#!/bin/sh
# Ten things that a netcat ought to do; of nc, ncat and socat none does all.
. "${0%/*}/lib.sh"
need python3

# peer NAME PROGRAM: a listener of Python's, l, on a port of its own; $port is what it got.
peer() {
    rm -f "$1.out"
    spawn "$1" python3 -u -c "import os, socket, struct, sys, time
kind = socket.SOCK_DGRAM if '$1' == 'udp' else socket.SOCK_STREAM
l = socket.socket(socket.AF_INET, kind)
l.bind(('127.0.0.1', 0))
if kind == socket.SOCK_STREAM: l.listen(8)
print(l.getsockname()[1])
def rst(c):
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    c.close()
$2"
    wait_for '^[0-9]+$' "$1.out"
    port=$(head -n 1 "$1.out")
}

# ---- 1. a reply that comes 1.2 s after our end is not lost ----
peer late '
c = l.accept()[0]
while c.recv(4096): pass
time.sleep(1.2)
c.sendall(b"late\n")'
printf 'question\n' >in
timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <in >out 2>err || fail "late reply: $?"
is late "$(cat out)"

free_port
mkfifo slow
{ sleep 1.2; echo late; } >slow & # and we, whose answer is late, wait for it as long as --linger says
timeout 20 "$SOCKIT" listen --linger 5s "$port" <slow >out 2>err &
pid=$!
wait_port "$port"
python3 -c '
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
c.sendall(b"question\n")
c.shutdown(socket.SHUT_WR)
got = b""
while piece := c.recv(100): got += piece
assert got == b"late\n", got' "$port" || fail "listen lost its late answer"
wait "$pid" || fail "listen: $?"
is question "$(cat out)"

# ---- 2. the peer ends while our stdin stays open: we end too, soon, with all that it said ----
mkfifo open
for verb in connect listen; do
    sleep 30 >open & # holds the pipe open, says nothing
    holder=$!
    pids="$pids $holder"
    if [ $verb = connect ]; then
        peer says '
c = l.accept()[0]
c.sendall(b"bye\n")
c.close()'
        timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <open >out 2>err && status=0 || status=$?
    else
        free_port
        timeout 20 "$SOCKIT" listen "$port" <open >out 2>err &
        pid=$!
        wait_port "$port"
        python3 -c '
import socket, sys
socket.create_connection(("127.0.0.1", int(sys.argv[1]))).sendall(b"bye\n")' "$port"
        wait "$pid" && status=0 || status=$?
    fi
    is 0 "$status"
    is bye "$(cat out)"
    kill "$holder" 2>/dev/null
done

# ---- 3. reset in the middle: said, and exit code 6 ----
peer resets '
c = l.accept()[0]
c.sendall(b"half of it")
time.sleep(0.3)
rst(c)'
mkfifo hold
sleep 30 >hold &
pids="$pids $!"
timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <hold >out 2>err && status=0 || status=$?
is 6 "$status"
is 'half of it' "$(cat out)"
says "^sockit connect: error: .*127.0.0.1:$port.*reset" err

# ---- 4. refused: said, and exit code 4 ----
free_port
exits 4 timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" </dev/null
says "^sockit connect: error: .*127.0.0.1:$port.*refused" err
silent out

# ---- 5. a limit on connecting holds ----
peer full '
crowd = []
for i in range(12): # the queue of connections is full: the next gets no answer
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(l.getsockname())
    crowd.append(s)
print("full")
time.sleep(30)'
wait_for full full.out
before=$(date +%s%N)
exits 5 timeout 20 "$SOCKIT" connect -w 1s 127.0.0.1 "$port" </dev/null
took=$((($(date +%s%N) - before) / 1000000))
if [ $took -lt 900 ] || [ $took -gt 8000 ]; then fail "-w 1s took $took ms"; fi
says "^sockit connect: error: .*127.0.0.1:$port" err

# ---- 6. 3 MiB arrive, both ways ----
head -c 3145728 /dev/urandom >three
free_port
timeout 20 "$SOCKIT" listen "$port" <three >got.listen 2>err &
pid=$!
wait_port "$port"
timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <three >got.connect 2>err.connect || fail "connect: $(cat err.connect)"
wait "$pid" || fail "listen: $(cat err)"
same three got.listen
same three got.connect

# ---- 7. a datagram of no bytes is a datagram ----
free_port
spawn empty "$SOCKIT" serve -u --reply 'got:' "$port"
wait_port "udp:$port"
python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(10)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.send(b"")
print(s.recv(100))' "$port" >out || fail "no answer to an empty datagram"
is "b'got:'" "$(cat out)"

peer udp '
l.settimeout(10)
print(l.recvfrom(100)[0])'
exits 0 timeout 20 "$SOCKIT" connect -u --send '' 127.0.0.1 "$port"
wait_for "^b''$" udp.out

# ---- 8. a full disk is told: exit code 8 ----
if [ -e /dev/full ]; then
    peer much '
c = l.accept()[0]
try:
    while True: c.sendall(b"x" * 65536)
except OSError: pass'
    timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" </dev/null >/dev/full 2>err && status=0 || status=$?
    is 8 "$status"
    says 'standard output: No space left on device' err
    free_port
    timeout 20 "$SOCKIT" listen "$port" </dev/null >/dev/full 2>err &
    pid=$!
    wait_port "$port"
    python3 -c '
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
try:
    for i in range(1000): c.sendall(b"x" * 65536)
except OSError: pass' "$port"
    wait "$pid" && status=0 || status=$?
    is 8 "$status"
    says 'standard output: No space left on device' err
fi

# ---- 9. three senders to one UDP listener, all heard ----
free_port
spawn three "$SOCKIT" listen -u "$port"
listener=$pid
wait_port "udp:$port"
for i in 1 2 3; do
    exits 0 timeout 20 "$SOCKIT" connect -u --linger 10ms --send "sender $i" 127.0.0.1 "$port"
done
for i in 1 2 3; do
    wait_for "sender $i" three.out
done
kill "$listener"
wait_gone "$listener"

# ---- 10. a datagram of 60,000 bytes stays one, whole ----
head -c 60000 /dev/urandom >big
free_port
spawn whole "$SOCKIT" listen -u "$port"
wait_port "udp:$port"
python3 -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.sendto(open("big", "rb").read(), ("127.0.0.1", int(sys.argv[1])))' "$port"
until_true 10 cmp -s big whole.out || fail "$(wc -c <whole.out) of 60000 bytes"
peer udp '
l.settimeout(10)
print(l.recvfrom(70000)[0] == open("big", "rb").read())'
timeout 20 "$SOCKIT" connect -u 127.0.0.1 "$port" <big >out 2>err || fail "connect -u: $(cat err)"
wait_for '^True$' udp.out
