#!/bin/sh
# serve: each thing that it does for who comes, its limits, and what it tells.
. "${0%/*}/lib.sh"
need python3

# ask PORT TEXT: one TCP conversation, as Python has it; the answer is printed.
ask() {
    python3 -c '
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
c.sendall(sys.argv[2].encode().decode("unicode_escape").encode("latin1"))
c.shutdown(socket.SHUT_WR)
while got := c.recv(65536): sys.stdout.buffer.write(got)' "$@"
}

serve() { # NAME OPTION...: on a new port
    free_port
    name=$1
    shift
    spawn "$name" "$SOCKIT" serve "$@" "$port"
    wait_port "$port"
}

# ---- what it does ----
serve echo --echo
is 'one
two' "$(ask "$port" 'one\ntwo')"
head -c 3000000 /dev/urandom >much
python3 -c '
import socket, sys, threading
much = open("much", "rb").read()
def one(): # a slow reader gets all
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
    def send():
        c.sendall(much)
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send)
    t.start()
    got = bytearray()
    while piece := c.recv(10000): got += piece
    t.join()
    assert got == much, (len(got), len(much))
threads = [threading.Thread(target=one) for i in range(4)]
for t in threads: t.start()
for t in threads: t.join()' "$port" || fail "echo of 3 MB, four at once"

serve reply --reply 'Server received: '
is 'Server received: Hello
Server received: größe
Server received: 
Server received: no end' "$(ask "$port" 'Hello\ngr\xc3\xb6\xc3\x9fe\n\nno end')"
is 'Server received: x\r\n' "$(ask "$port" 'x\r\n' | sed 's/\r/\\r\\n/')" # the line keeps its end
python3 -c '
import socket, sys, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
f = c.makefile("rb")
for byte in "käse\n".encode(): # pieces are not messages, and no character is cut
    c.send(bytes([byte]))
    time.sleep(0.01)
assert f.readline() == "Server received: käse\n".encode()
c.sendall(b"x\n" * 500)        # many at once are many
for i in range(500): assert f.readline() == b"Server received: x\n"
' "$port" || fail "reply in pieces"

serve say --say 'Hello from server'
is 'Hello from server' "$(ask "$port" '')"
is 'Hello from server' "$(ask "$port" 'Hello from client')"

serve discard --discard
is '' "$(ask "$port" 'to nobody')"

serve exec --exec 'tr a-z A-Z; echo done'
is 'SHOUT
done' "$(ask "$port" 'shout\n')"


# how the command ended is part of the last line about its peer, also when the peer goes later than the command
# shellcheck disable=SC2016 # for the command's shell
serve ends --exec 'read code; exit $code' --json
python3 -c '
import socket, sys, time
for code in b"0\n", b"7\n", b"250\n":
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    c.sendall(code)
    assert c.recv(1) == b""
    if code == b"7\n": time.sleep(0.3)' "$port" || fail "serve --exec"
for code in 0 7 250; do
    wait_for "\"event\":\"disconnected\".*\"exit\":${code}[,}]" ends.out
done
# shellcheck disable=SC2016
serve dies --exec 'read how; [ "$how" != kill ] || kill -9 $$; exit 5'
ask "$port" 'kill\n' >/dev/null
wait_for 'left: .*: the command was killed by signal 9$' dies.err
ask "$port" 'no\n' >/dev/null
wait_for 'left: .*: the command ended with 5$' dies.err

free_port
target=$port
spawn target "$SOCKIT" serve --reply 'target: ' "$target"
wait_port "$target"
serve to --to "127.0.0.1:$target"
is 'target: through' "$(ask "$port" 'through\n')"
free_port
nobody=$port
serve lost --to "127.0.0.1:$nobody"
is '' "$(ask "$port" 'x')"
wait_for "target for 127.0.0.1:[0-9]+: connect 127.0.0.1:$nobody: Connection refused" lost.err
wait_for '^127.0.0.1:[0-9]+ left: 0B in, 0B out, [0-9.]+[a-z]+$' lost.err # the reason is told once

# ---- several listeners, kinds of sockets, threads ----
free_port
first=$port
free_port
spawn many "$SOCKIT" serve --echo "$first" "localhost:$port" "unix:$tmp/socket"
wait_for "listening on .*$tmp/socket" many.err
is a "$(ask "$first" a)"
is b "$(ask "$port" b)"
is c "$(python3 -c '
import socket
c = socket.socket(socket.AF_UNIX)
c.connect("socket")
c.sendall(b"c")
print(c.recv(10).decode())')"
serve threads -j 2 --echo
threads=$pid
for i in 1 2 3 4 5 6 7 8; do
    is "$i" "$(ask "$port" "$i")"
done
kill "$threads"
wait_gone "$threads"
is 0 "$status"

# ---- datagrams ----
free_port
spawn udp "$SOCKIT" serve -u --reply 'Server received: ' "$port"
wait_port "udp:$port"
python3 -c '
import socket, sys
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(3)]
for i, one in enumerate(s): # each gets its own answer
    one.settimeout(10)
    one.sendto(f"sender {i}".encode(), ("127.0.0.1", int(sys.argv[1])))
for i, one in enumerate(s):
    assert one.recv(100) == f"Server received: sender {i}".encode()' "$port" || fail "serve -u --reply"
free_port
udp_to=$port
spawn udp_target "$SOCKIT" serve -u --echo "$udp_to"
wait_port "udp:$udp_to"
free_port
spawn udp_relay "$SOCKIT" serve -u --to "127.0.0.1:$udp_to" "$port"
wait_port "udp:$port"
python3 -c '
import socket, sys
for i in range(3):
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.settimeout(10)
    for n in 0, 1, 1400, 60000:
        one.sendto(bytes(n), ("127.0.0.1", int(sys.argv[1])))
        assert one.recv(70000) == bytes(n), n' "$port" || fail "serve -u --to"

# ---- limits ----
serve max --echo --max-conns 2
python3 -c '
import socket, sys
def dial(): return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
held = [dial(), dial()]
for c in held:
    c.sendall(b"x")
    assert c.recv(1) == b"x"
third = dial()
try: assert third.recv(1) == b""    # told at once, not left waiting
except ConnectionResetError: pass
held[0].close()
import time
for i in range(200):                # and room again when one has left
    c = dial()
    c.sendall(b"y")
    try:
        if c.recv(1) == b"y": break
    except ConnectionResetError: pass
    time.sleep(0.02)
else: raise SystemExit("no room after one left")' "$port" || fail "--max-conns"
serve wait --echo --max-conns 1 --at-max wait
python3 -c '
import socket, sys
def dial(): return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
first = dial()
first.sendall(b"x")
assert first.recv(1) == b"x"
second = dial()
second.sendall(b"y")
second.settimeout(0.4)
try: raise SystemExit(second.recv(1))
except TimeoutError: pass
first.close()
second.settimeout(10)
assert second.recv(1) == b"y"' "$port" || fail "--at-max wait"

serve timeout --echo --timeout 300ms --stats 10s
timeout_pid=$pid
python3 -c '
import socket, sys, time
def dial(): return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
silent, talks = dial(), dial()
began = time.time()
for i in range(8):
    talks.sendall(b"x")
    assert talks.recv(1) == b"x"
    time.sleep(0.1)
try: assert silent.recv(1) == b""
except ConnectionResetError: pass
assert 0.2 < time.time() - began < 8' "$port" || fail "--timeout"
kill "$timeout_pid"
wait_gone "$timeout_pid"
python3 -c '
import json
last = [json.loads(l) for l in open("timeout.out")][-1]
assert last["event"] == "stats" and last["accepted"] == 2 and last["dropped_idle"] >= 1 and last["bytes_in"] == 8, last
' || fail "--stats: $(cat timeout.out)"

serve rate --echo --limit-rate 50KB/s
before=$(date +%s%N)
head -c 50000 /dev/zero | timeout 20 "$SOCKIT" connect "127.0.0.1:$port" >out 2>err || fail "connect: $(cat err)"
took=$((($(date +%s%N) - before) / 1000000))
is 50000 "$(wc -c <out)"
[ $took -ge 800 ] || fail "50 kB at 50 kB/s in $took ms"

# ---- who may come ----
serve deny --say yes --deny 127.0.0.0/8 --stats 10s
deny=$pid
is '' "$(ask "$port" '' 2>/dev/null)"
kill "$deny"
wait_gone "$deny"
says '"denied":1[,}]' deny.out
serve allow --say yes --allow 127.0.0.1
is yes "$(ask "$port" '')"
serve other --say yes --allow 192.0.2.0/24
is '' "$(ask "$port" '' 2>/dev/null)"

# ---- the PROXY protocol, in and out ----
serve proxied --reply 'hi ' --proxy-protocol --json
is 'hi there' "$(ask "$port" 'PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nthere\n')"
wait_for '"peer":"192.0.2.7:4711"' proxied.out
is '' "$(ask "$port" 'no header\n' 2>/dev/null)"
serve sends --to "127.0.0.1:$port" --send-proxy
is 'hi again' "$(ask "$port" 'again\n')"
wait_for '"peer":"127.0.0.1:[0-9]+"' proxied.out

# ---- what it tells ----
serve json --echo --json --stats 200ms
json=$pid
ask "$port" 12345 >/dev/null
wait_for '"event":"disconnected"' json.out
wait_for '"event":"stats".*"accepted":1,' json.out
kill "$json"
wait_gone "$json"
is 0 "$status"
python3 -c '
import json, re
events = [json.loads(l) for l in open("json.out")]
assert events[0]["event"] == "listening" and re.fullmatch(r"127\.0\.0\.1:\d+", events[0]["address"]), events
came = [e for e in events if e["event"] == "connected"]
left = [e for e in events if e["event"] == "disconnected"]
stats = [e for e in events if e["event"] == "stats"]
assert len(came) == len(left) == 1 and len(stats) >= 2, events
assert re.fullmatch(r"127\.0\.0\.1:\d+", came[0]["peer"]) and left[0]["peer"] == came[0]["peer"]
assert left[0]["bytes_in"] == left[0]["bytes_out"] == 5 and left[0]["error"] is None and 0 <= left[0]["duration"] < 60
last = stats[-1]
assert last["accepted"] == 1 and last["bytes_in"] == last["bytes_out"] == 5 and last["refused"] == 0, last
' || fail "--json: $(cat json.out)"

# who came, was answered and left within one turn was there for some time, too
serve short --json --say hello
short=$pid
python3 -c '
import socket, sys
for i in range(20):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        while s.recv(100): pass' "$port"
kill -INT "$short"
wait_gone "$short"
python3 -c '
import json
stayed = [e["duration"] for e in map(json.loads, open("short.out")) if e["event"] == "disconnected"]
assert len(stayed) == 20 and min(stayed) > 0, stayed
' || fail "a duration of nothing"

serve talk --echo
talk=$pid
ask "$port" 12345 >/dev/null
wait_for '^127.0.0.1:[0-9]+ connected$' talk.err
wait_for '^127.0.0.1:[0-9]+ left: 5B in, 5B out, [0-9.]+[a-z]+$' talk.err
kill -INT "$talk"
wait_gone "$talk"
is 0 "$status"
silent talk.out
serve quiet -q --echo
ask "$port" x >/dev/null
silent quiet.err

# ---- a crowd: 20 lines a second of it are said, and how many more there were; in the log also under -q ----
crowd() { # PORT PID FILE: 60 come and leave; two lines for each
    python3 -c '
import socket, sys
for i in range(60):
    with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
        s.shutdown(socket.SHUT_WR)
        while s.recv(100): pass' "$1"
    kill -INT "$2"
    wait_gone "$2"
    said=$(grep -Ec '127.0.0.1:[0-9]+ (connected|left)' "$3")
    more=$(sed -n 's/.*\.\.\. and \([0-9]*\) more lines$/\1/p' "$3" | awk '{ n += $1 } END { print n + 0 }')
    is 120 $((said + more))
    [ "$more" -gt 0 ] || fail "all $said lines were said: $(tail -n 3 "$3")"
}
serve crowd --echo
crowd "$port" "$pid" crowd.err
serve still -q --echo --log still.log
crowd "$port" "$pid" still.log
silent still.err
serve crowded --echo # the target of impair
target=$port
free_port
spawn bad "$SOCKIT" impair --listen "$port" --to "localhost:$target"
wait_port "$port"
crowd "$port" "$pid" bad.err
port=$target

# ---- a port that is taken ----
exits 1 timeout 20 "$SOCKIT" serve --echo "$port"
says "bind $port: Address already in use: another program listens there" err

# ---- a relay to itself would make connections without end ----
free_port
exits 2 timeout 10 "$SOCKIT" serve --to "localhost:$port" "$port" 2>err
says "error: --to localhost:$port is where we listen: it would lead to itself" err
