#!/bin/sh
# What strangers and accidents do to servers. Each paragraph was a hole.
. "${0%/*}/lib.sh"
need python3

# ticks PID: the CPU time that it has used, in 1/100 s
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# ---- a file that is no socket is not taken for one that was left behind ----
echo precious >file
ln -s file link
exits 1 timeout 20 "$SOCKIT" serve --echo "unix:$tmp/file"
exits 1 timeout 20 "$SOCKIT" serve --echo "unix:$tmp/link"
exits 1 timeout 20 "$SOCKIT" listen -u -U "$tmp/file"
is precious "$(cat link)"

# ---- a socket file that another server made in the place of ours stays ----
spawn first "$SOCKIT" serve --echo "unix:$tmp/socket"
wait_for 'listening on' first.err
rm socket
first=$pid
spawn second "$SOCKIT" serve --echo "unix:$tmp/socket"
wait_for 'listening on' second.err
kill "$first"
wait_gone "$first"
[ -S socket ] || fail 'the first server removed the socket of the second'

# ---- a PROXY header that comes slowly costs no time while it is not whole, and not a byte of what follows ----
free_port
spawn proxy "$SOCKIT" serve --echo --proxy-protocol "$port"
wait_port "$port"
before=$(ticks "$pid")
python3 - "$port" <<'EOF' || fail 'PROXY header in pieces'
import socket, sys, time
peers = [socket.create_connection(('127.0.0.1', int(sys.argv[1])), 10) for _ in range(3)]
for p in peers: p.send(b'PROXY T')
time.sleep(1)
for c in b'CP4 192.0.2.1 192.0.2.2 1 2\r\nbytes\n':
    for p in peers: p.send(bytes([c]))
    time.sleep(0.005)
for p in peers:
    got = b''
    while len(got) < 6: got += p.recv(100)
    assert got == b'bytes\n', got
EOF
used=$(($(ticks "$pid") - before))
[ "$used" -lt 60 ] || fail "a PROXY header that is not whole keeps the server busy: $used ticks"

# ---- datagrams from more ports than there are descriptors do not end the relay of those who came before ----
free_port
target=$port
spawn target "$SOCKIT" serve -u --echo "$target"
wait_port "udp:$target"
free_port
(
    # shellcheck disable=SC3045 # dash has it, too
    ulimit -n 100
    exec "$SOCKIT" serve -u --to "127.0.0.1:$target" "$port" >relay.out 2>relay.err </dev/null
) &
pids="$pids $!"
wait_port "udp:$port"
python3 - "$port" <<'EOF' || fail 'UDP relay without descriptors'
import socket, sys
def peer():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(5)
    s.connect(('127.0.0.1', int(sys.argv[1])))
    return s
def ask(s):
    for _ in range(5):
        try:
            s.send(b'ping')
            return s.recv(100)
        except socket.timeout:
            pass
first = peer()
assert ask(first) == b'ping'
crowd = [peer() for _ in range(200)]
for s in crowd: s.send(b'x')
assert ask(first) == b'ping'
EOF
[ "$(wc -l <relay.err)" -lt 40 ] || fail "a line for each datagram: $(wc -l <relay.err)"

# ---- a rate below 50 bytes/s is slow, not nothing ----
free_port
spawn slow "$SOCKIT" serve --echo --limit-rate 20 "$port"
wait_port "$port"
target=$port
free_port
spawn slower "$SOCKIT" serve --to "127.0.0.1:$target" --limit-rate 20 "$port"
wait_port "$port"
echo slow >in
timeout 20 "$SOCKIT" connect --linger 5s 127.0.0.1 "$port" <in >out 2>err || fail "a low rate: $?"
is slow "$(cat out)"

# ---- who is in a chat that ends is told so ----
free_port
spawn chat "$SOCKIT" chat serve --listen "127.0.0.1:$port"
wait_port "$port"
chat=$pid
spawn person python3 -u -c "import socket
s = socket.create_connection(('127.0.0.1', $port), 10)
s.sendall(b'NICK ann\r\nUSER ann 0 * :Ann\r\n')
while got := s.recv(4096): print(got.decode())"
wait_for ' 422 ' person.out
kill "$chat"
wait_gone "$chat"
is 0 "$status"
wait_for 'ERROR :Closing link: .*the server ends' person.out

# ---- nothing is lost without a word: standard output is closed, or full; one error is said once ----
free_port
spawn echo "$SOCKIT" serve --echo "$port"
wait_port "$port"
echo text >in
timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <in >&- 2>err && fail 'a closed standard output took all'
says 'standard output' err
timeout 20 "$SOCKIT" connect 127.0.0.1 "$port" <in >/dev/full 2>err && fail 'a full standard output took all'
says 'standard output' err
timeout 20 "$SOCKIT" connect --transcript /dev/full 127.0.0.1 "$port" <in >out 2>err && fail 'a full transcript'
is 1 "$(wc -l <err)"

# ---- a datagram whose answer would be too long is answered by the text alone ----
free_port
spawn text "$SOCKIT" serve -u --reply 'got: ' "$port"
wait_port "udp:$port"
python3 - "$port" <<'EOF' || fail 'reply to a long datagram'
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(('127.0.0.1', int(sys.argv[1])))
s.send(b'x' * 65507)
assert s.recv(70000) == b'got: '
s.send(b'')
assert s.recv(70000) == b'got: '
EOF
exits 2 timeout 20 "$SOCKIT" serve --echo -j 2 "unix:$tmp/threads"

# ---- SIGHUP ends no thread: all that share the port go on ----
free_port
spawn threads "$SOCKIT" serve -q --echo -j 4 "$port"
wait_port "$port"
kill -HUP "$pid"
sleep 0.2
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    echo text | timeout 20 "$SOCKIT" connect -w 5s 127.0.0.1 "$port" >out 2>err || fail "after SIGHUP: $(cat err)"
    is text "$(cat out)"
done

# ---- "now plus that" is never before now ----
exits 2 timeout 20 "$SOCKIT" serve --echo --stats 36501d "$port"
says 'above 100 years' err
