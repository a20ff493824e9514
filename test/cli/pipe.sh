#!/bin/sh
# listen and connect: every kind of socket, the options, and what each end sees.
. "${0%/*}/lib.sh"
need python3

# ---- a message one way, the answer the other, over each kind of socket ----
talk() { # KIND LISTEN-OPTIONS CONNECT-OPTIONS WHERE
    printf 'from the listener\n' >listener.in
    # shellcheck disable=SC2086 # words
    spawn listener "$SOCKIT" listen $2 "$4"
    listener=$pid
    case $4 in
    */* | @*) wait_for 'listening on' listener.err ;;
    *) wait_port "${4##*:}" ;;
    esac
    printf 'from who connects\n' >in
    # shellcheck disable=SC2086
    timeout 20 "$SOCKIT" connect $3 "$4" <in >out 2>err || fail "$1: connect: $? $(cat err)"
    wait_gone "$listener"
    is 0 "$status"
    is 'from the listener' "$(cat out)"
    is 'from who connects' "$(cat listener.out)"
    rm listener.in
}
free_port
talk IPv4 '' '' "127.0.0.1:$port"
talk name '' '' "localhost:$port" # and the same port again at once: SO_REUSEADDR
[ ! -e /proc/net/if_inet6 ] || talk IPv6 '' '' "[::1]:$port"
talk Unix '' '' "unix:$tmp/socket"
talk -U -U -U "$tmp/socket2"
talk abstract -U -U "@sockit-test-$$"
talk source '' "-S 127.0.0.1" "127.0.0.1:$port"
[ ! -e "$tmp/socket" ] || fail "the Unix socket is left behind"

# HOST and PORT as two words; a port alone means loopback
spawn two "$SOCKIT" listen 127.0.0.1 "$port"
wait_port "$port"
exits 0 timeout 20 "$SOCKIT" connect localhost "$port" </dev/null
wait_gone "$pid"
is 0 "$status"
spawn alone "$SOCKIT" listen "$port"
wait_for "^sockit listen: listening on 127.0.0.1:$port$|^listening on 127.0.0.1:$port$" alone.err
exits 0 timeout 20 "$SOCKIT" connect --send 'one line' "127.0.0.1:$port"
wait_gone "$pid"
is 'one line' "$(cat alone.out)"

# --source: the peer sees the address and port that we ask for
free_port
mine=$port
free_port
spawn seen python3 -c '
import socket, sys
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c, who = l.accept()
print(who)
c.close()' "$port"
wait_port "$port"
exits 0 timeout 20 "$SOCKIT" connect -S "127.0.0.2:$mine" "127.0.0.1:$port" </dev/null
wait_for "^\('127.0.0.2', $mine\)$" seen.out

# ---- -k: one peer after the other, in whole ----
free_port
spawn keep "$SOCKIT" listen -k "$port"
keep=$pid
wait_port "$port"
for i in 1 2 3 4 5; do
    exits 0 timeout 20 "$SOCKIT" connect --send "peer $i" "127.0.0.1:$port"
done
until_true 10 [ "$(wc -l <keep.out)" -eq 5 ]
printf 'peer %s\n' 1 2 3 4 5 >want
same want keep.out
kill -INT "$keep"
wait_gone "$keep"
is 130 "$status"

# ---- -z: whether somebody is there, without a byte ----
free_port
spawn probed python3 -c '
import socket, sys
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
for i in range(2):
    c = l.accept()[0]
    print(c.recv(100), flush=True)
c.close()
l.close()' "$port"
wait_port "$port"
exits 0 timeout 20 "$SOCKIT" connect -z 127.0.0.1 "$port" </dev/null
is "127.0.0.1:$port open" "$(cat out)"
exits 0 timeout 20 "$SOCKIT" connect -z --json 127.0.0.1 "$port" </dev/null
python3 -c '
import json
lines = [json.loads(l) for l in open("out")]
assert lines[-1]["open"] is True, lines' || fail "-z --json: $(cat out)"
wait_gone "$pid"
printf "b''\nb''\n" >want
same want probed.out
exits 4 timeout 20 "$SOCKIT" connect -z 127.0.0.1 "$port" </dev/null
silent out
exits 4 timeout 20 "$SOCKIT" connect -z --json 127.0.0.1 "$port" </dev/null
says '"open":false' out

# ---- --crlf, --hex, --transcript: what passes, as it passed ----
free_port
spawn reply "$SOCKIT" serve --reply 'got ' "$port"
wait_port "$port"
printf 'a\nb\r\n\n\033]0;x\a\303\244\377\n' >in
timeout 20 "$SOCKIT" connect -C -x -o seen.txt "127.0.0.1:$port" <in >out 2>err || fail "connect -C -x -o: $? $(cat err)"
says "^> 00000000  61 0d 0a 62 0d 0a 0d 0a  1b 5d 30 3b 78 07 c3 a4  \|a..b.....\]0;x...\|$" err
says '^< 00000000  67 6f 74 20 61' err
python3 -c '
import re
seen = {">": b"", "<": b""}
for line in open("seen.txt", encoding="utf-8"):
    m = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) ([<>]) (.*)\n", line)
    assert m, line
    seen[m[2]] += re.sub(rb"\\x(..)|\\(.)", lambda b: bytes([int(b[1], 16)]) if b[1] else b[0], m[3].encode())
assert seen[">"] == b"a\r\nb\r\n\r\n\x1b]0;x\a\xc3\xa4\xff\r\n", seen
assert seen["<"] == open("out", "rb").read(), seen
' || fail "transcript: $(cat seen.txt)"
LC_ALL=C grep -q "$(printf '\033')" seen.txt && fail "the transcript has an escape sequence in it"
exits 0 timeout 20 "$SOCKIT" connect -x --send 1234567890123456 "127.0.0.1:$port"
says '^> 00000010  0a {47} *\|\.\|$' err

# ---- --limit-rate ----
free_port
head -c 60000 /dev/zero >in
spawn slow "$SOCKIT" listen --limit-rate 40KB/s "$port"
wait_port "$port"
before=$(date +%s%N)
timeout 30 "$SOCKIT" connect "127.0.0.1:$port" <in >out 2>err || fail "connect: $(cat err)"
wait_gone "$pid"
took=$((($(date +%s%N) - before) / 1000000))
same in slow.out
[ $took -ge 1200 ] || fail "60 kB at 40 kB/s in $took ms"

# ---- -w: a silent peer is given up ----
free_port
spawn mute python3 -c '
import socket, sys, time
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
c = l.accept()[0]
time.sleep(30)' "$port"
wait_port "$port"
mkfifo open
sleep 30 >open &
pids="$pids $!"
timeout 20 "$SOCKIT" connect -w 300ms "127.0.0.1:$port" <open >out 2>err && status=0 || status=$?
is 5 "$status"
says "talk to 127.0.0.1:$port: silent for too long" err
free_port
timeout 20 "$SOCKIT" listen -w 300ms "$port" <open >out 2>err &
silent_one=$!
wait_port "$port"
python3 -c '
import socket, sys
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
assert c.recv(10) == b""' "$port" || fail "listen -w"
wait "$silent_one" && status=0 || status=$?
is 5 "$status"
says 'silent for too long' err

# ---- --linger: the peer has ended, but our input has not; when it has, all is over at once ----
free_port
spawn first "$SOCKIT" listen "$port"
wait_port "$port"
before=$(date +%s)
{ sleep 1; echo late; } | timeout 50 "$SOCKIT" connect --linger 40s 127.0.0.1 "$port" >out 2>err || fail "--linger: $?"
[ $(($(date +%s) - before)) -lt 20 ] || fail "connect stays until --linger although both ends have ended"
is late "$(cat first.out)"

# ---- datagrams ----
free_port
spawn udp "$SOCKIT" serve -u --reply 'got ' "$port"
wait_port "udp:$port"
exits 0 timeout 20 "$SOCKIT" connect -u --linger 300ms --send 'größe' 127.0.0.1 "$port"
is 'got größe' "$(cat out)"
spawn unixgram "$SOCKIT" listen -u -U "$tmp/gram"
wait_for 'listening' unixgram.err
exits 0 timeout 20 "$SOCKIT" connect -u -U --linger 50ms --send 'by a path' "$tmp/gram"
wait_for 'by a path' unixgram.out
free_port # nobody is there: ICMP says so
exits 4 timeout 20 "$SOCKIT" connect -u --linger 2s --send x 127.0.0.1 "$port"
says "talk to 127.0.0.1:$port: nobody listens there" err

# ---- a prompt ----
free_port
spawn asked "$SOCKIT" serve --reply 'Server received: ' "$port"
wait_port "$port"
printf 'Hello\nüber\nquit\nnever sent\n' >in
timeout 20 "$SOCKIT" connect -i "127.0.0.1:$port" <in >out 2>err || fail "connect -i: $? $(cat err)"
says "Enter message \(or 'quit' to exit\)" err
cat out err >both
says 'Server received: Hello' both
says 'Server received: über' both
grep -q 'never' both && fail "what follows quit was sent"
free_port
spawn asked_udp "$SOCKIT" serve -u --reply 'Server received: ' "$port"
wait_port "udp:$port"
printf 'Hello\nyou\nquit\n' >in
timeout 20 "$SOCKIT" connect -i -u --linger 300ms "127.0.0.1:$port" <in >out 2>err || fail "connect -i -u: $? $(cat err)"
cat out err >both
says 'Server received: Hello' both
says 'Server received: you' both

# ---- at a prompt: who was left alone is told ----
free_port
spawn bye "$SOCKIT" serve --say bye "$port"
wait_port "$port"
mkfifo keys
sleep 20 >keys &
pids="$pids $!"
exits 0 timeout 20 "$SOCKIT" connect -i "127.0.0.1:$port" <keys
says "^127.0.0.1:$port closed the connection$" err

# ---- --json, -v, -q ----
free_port
spawn tcp "$SOCKIT" serve --echo "$port"
wait_port "$port"
exits 0 timeout 20 "$SOCKIT" -v connect --send hi "127.0.0.1:$port"
says "connected to 127.0.0.1:$port" err
says '3 bytes in, 3 out' err
exits 0 timeout 20 "$SOCKIT" -q connect --send hi "127.0.0.1:$port"
silent err
timeout 20 "$SOCKIT" connect --json --send hi "127.0.0.1:$port" >out 2>err || fail "connect --json: $?"
is hi "$(cat out)" # stdout is what passes; the events stand on stderr
python3 -c '
import json
events = [json.loads(l) for l in open("err")]
assert [e["event"] for e in events] == ["connected", "disconnected"], events
assert events[1]["bytes_in"] == events[1]["bytes_out"] == 3 and events[1]["error"] is None, events
' || fail "--json: $(cat err)"

exits 4 timeout 20 "$SOCKIT" connect --json --send hi 127.0.0.1:1
says '^\{"event":"failed","error":"connect 127.0.0.1:1: Connection refused"\}$' err
if grep -q disconnected err; then fail "who never came has left: $(cat err)"; fi

# ---- a scheme in front of HOST is as good as its option ----
is hi "$(timeout 20 "$SOCKIT" connect --send hi "tcp:127.0.0.1:$port")"
spawn also_udp "$SOCKIT" serve -u --echo "$port"
wait_port "udp:$port"
is hi "$(timeout 20 "$SOCKIT" connect --send hi --linger 200ms "udp:127.0.0.1:$port")"
exits 7 timeout 20 "$SOCKIT" connect "tls:127.0.0.1:$port" </dev/null

# ---- a terminal: a job in the background does not read it, and what loses it ends ----
free_port
background=$port
free_port
head -c 100000 /dev/urandom >in
timeout 60 python3 - "$SOCKIT" "$background" "$port" 2>err <<'END' || fail "terminal: $(cat err)"
import os, pty, signal, socket, subprocess, sys, time
sockit, background, port = sys.argv[1:]


def until(what):
    for _ in range(1000):
        if what():
            return
        time.sleep(0.02)
    raise AssertionError(what)


def connected(port):
    try:
        return socket.create_connection(("127.0.0.1", int(port)), 5)
    except ConnectionRefusedError:
        return None


pid, master = pty.fork()
if pid == 0:  # the shell of that terminal: a job in a group of its own, while we stay in front
    out = open("got", "wb")
    job = subprocess.Popen([sockit, "listen", background], stdout=out, preexec_fn=lambda: os.setpgid(0, 0))
    _, status = os.waitpid(job.pid, os.WUNTRACED)
    os._exit(0 if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 else 1)
peer = []
until(lambda: peer or peer.extend(filter(None, [connected(background)])) or peer)
peer[0].sendall(open("in", "rb").read())
peer[0].close()
assert os.waitpid(pid, 0)[1] == 0, "stopped or failed: " + repr(os.read(master, 1000))
os.close(master)
assert open("got", "rb").read() == open("in", "rb").read()

pid, master = pty.fork()
if pid == 0:
    os.execv(sockit, [sockit, "serve", "--echo", port])
until(lambda: connected(port))
os.kill(pid, signal.SIGHUP)  # nothing to read anew, and nothing happens
time.sleep(0.2)
assert connected(port) and os.waitpid(pid, os.WNOHANG) == (0, 0)
os.close(master)
status = []
until(lambda: status or (lambda r: r[0] and status.append(r[1]) or status)(os.waitpid(pid, os.WNOHANG)))
assert status == [0], status

# what a stranger sends cannot command the terminal, wherever it is cut
server = socket.create_server(("127.0.0.1", 0))
pid, master = pty.fork()
if pid == 0:
    os.execv(sockit, [sockit, "connect", "127.0.0.1:%d" % server.getsockname()[1]])
peer = server.accept()[0]
for part in b"\x1b", b"]0;title\a\x1b[2J \xe4", b"\xbd\xa0\tend", b"\r\n":
    peer.sendall(part)
    time.sleep(0.1)
peer.close()
shown = b""
try:
    while piece := os.read(master, 1000):
        shown += piece
except OSError:  # it has ended
    pass
assert b"\x1b" not in shown and b"\a" not in shown, shown
assert rb"\x1b]0;title\x07\x1b[2J " + "\u4f60\tend".encode() in shown, shown
assert os.waitpid(pid, 0)[1] == 0
END
