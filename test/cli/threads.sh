#!/bin/sh
# serve -j 4 under a load of 200 connections, datagrams, and signals meanwhile. In a build with ThreadSanitizer a race
# would be told on stderr and by the exit status.
. "${0%/*}/lib.sh"
need python3

# load PORT CONNECTIONS ROUNDS: each connection sends lines of its own and wants them back.
load() {
    timeout 50 python3 -c '
import selectors, socket, sys
port, count, rounds = map(int, sys.argv[1:])
sel = selectors.DefaultSelector()
left = 0
for i in range(count):
    s = socket.create_connection(("127.0.0.1", port), 20)
    s.setblocking(False)
    state = {"name": i, "round": 0, "want": b"", "got": b""}
    sel.register(s, selectors.EVENT_READ, state)
    left += 1
def ask(s, st):
    st["want"] = (b"%d:%d " % (st["name"], st["round"])) * 50 + b"\n"
    st["got"] = b""
    s.send(st["want"])
for key in list(sel.get_map().values()): ask(key.fileobj, key.data)
while left:
    for key, _ in sel.select(20) or sys.exit("no answer in 20 s"):
        s, st = key.fileobj, key.data
        st["got"] += s.recv(65536) or sys.exit("an end too early")
        assert st["want"].startswith(st["got"]), st
        if st["got"] != st["want"]: continue
        st["round"] += 1
        if st["round"] < rounds:
            ask(s, st)
        else:
            sel.unregister(s)
            s.close()
            left -= 1
print("done")' "$@"
}

ended() { # NAME PID: on TERM, with 0 and not a word of a sanitizer
    kill "$2"
    wait_gone "$2"
    is 0 "$status"
    ! grep -q 'Sanitizer' "$1.err" || fail "$(grep -A 30 Sanitizer "$1.err")"
}

# ---- streams, with what happens told as JSON, and counters that look into all threads ----
free_port
spawn json "$SOCKIT" serve -j 4 --echo --json --stats 20ms "$port"
server=$pid
wait_port "$port"
is 'done' "$(load "$port" 200 20)"
for _ in 1 2 3; do
    kill -HUP "$server"
done
is 'done' "$(load "$port" 50 5)"
kill -0 "$server" || fail "the server is gone"
until_true 10 sh -c "[ \$(grep -c disconnected json.out) -eq 250 ]" || fail "$(grep -c disconnected json.out) left"
ended json "$server"
is 250 "$(grep -c '"event":"connected"' json.out)"
python3 -c '
import json
for line in open("json.out"): json.loads(line)' || fail "lines were mixed"

# ---- with words for people, stopped in the middle of the load ----
free_port
spawn busy "$SOCKIT" serve -j 4 --echo "$port"
server=$pid
wait_port "$port"
load "$port" 100 100000 >load.out 2>&1 &
loader=$!
pids="$pids $loader"
wait_for connected busy.err
ended busy "$server"
wait "$loader" && fail "the load ended as if nothing had happened"

# ---- a relay and datagrams ----
free_port
spawn target "$SOCKIT" serve -j 2 --echo -q "$port"
wait_port "$port"
to=$port
free_port
spawn relay "$SOCKIT" serve -j 4 --to "127.0.0.1:$to" -q "$port"
server=$pid
wait_port "$port"
is 'done' "$(load "$port" 100 5)"
ended relay "$server"

free_port
spawn datagrams "$SOCKIT" serve -u -j 4 --echo "$port"
server=$pid
wait_port "udp:$port"
timeout 50 python3 -c '
import socket, sys
socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(50)]
for i, s in enumerate(socks):
    s.settimeout(2)
    s.connect(("127.0.0.1", int(sys.argv[1])))
for n in range(20):
    for i, s in enumerate(socks): s.send(b"%d %d" % (i, n))
    for i, s in enumerate(socks): assert s.recv(100) == b"%d %d" % (i, n)' "$port" || fail "datagrams"
ended datagrams "$server"

# ---- the port is the threads' own: a second program is told that it is taken, whatever the order of its words ----
for udp in '' -u; do
    free_port
    # shellcheck disable=SC2086 # no word at all for TCP
    spawn "own$udp" "$SOCKIT" serve $udp -j 2 --echo "$port"
    wait_port "${udp:+udp:}$port"
    for threads in 1 2; do
        # shellcheck disable=SC2086 # as above
        exits 1 timeout 20 "$SOCKIT" serve $udp -j $threads --echo "$port"
        says "bind ${udp:+udp:}$port: Address already in use: another program listens there" err
    done
done

# ---- any port is one port for all threads ----
spawn any "$SOCKIT" serve -j 3 --say one 0
wait_for '^listening on 127.0.0.1:[0-9]+$' any.err
port=$(sed -n 's/^listening on 127.0.0.1:\([0-9]*\)$/\1/p' any.err)
is 3 "$(grep -Ec "^ *[0-9]+: 0100007F:$(printf '%04X' "$port") [0-9A-F:]+ 0A " /proc/net/tcp)"
for _ in 1 2 3 4 5 6; do
    is one "$(timeout 10 "$SOCKIT" connect localhost "$port" </dev/null)"
done
