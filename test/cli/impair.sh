#!/bin/sh
# impair: what others (Python, curl, socat) meet through the proxy: delay, rate, loss, resets; and what is refused.
# Bounds are those that a busy machine keeps: never faster than asked, and not very much slower.
. "${0%/*}/lib.sh"
need python3

free_port
echo=$port
spawn echo "$SOCKIT" serve -q --echo "$echo"
wait_port "$echo"

impair() { # NAME OPTION...: on a new port, to the echo
    free_port
    name=$1
    shift
    spawn "$name" "$SOCKIT" impair --listen "$port" --to "127.0.0.1:$echo" "$@"
    impair=$pid
    wait_port "$port"
}

impair_udp() {
    free_port
    name=$1
    shift
    spawn "$name" "$SOCKIT" impair -u --listen "$port" --to "127.0.0.1:$udp_echo" "$@"
    impair=$pid
    wait_port "udp:$port"
}

ends() { # the proxy ends well, as a server that is told to
    kill -INT "$impair"
    wait_gone "$impair"
    is 0 "$status"
}

# row NAME COLUMN FILE: a number of the table at the end; 1: up, 2: down.
row() { sed -nE "s/^$1 +([0-9]+) +([0-9]+)$/\\$2/p" "$3"; }

# rtt PORT N: the round trips of N pings, one after the other: the least and the median, in ms.
cat >rtt.py <<'END'
import socket, sys, time
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
t = []
for i in range(int(sys.argv[2])):
    began = time.monotonic()
    c.sendall(b"ping")
    assert c.recv(100) == b"ping"
    t.append((time.monotonic() - began) * 1000)
t.sort()
print(t[0], t[len(t) // 2])
END

# much.py PORT BYTES: sends and reads at once, compares; prints the seconds.
cat >much.py <<'END'
import os, socket, sys, threading, time
data = os.urandom(int(sys.argv[2]))
c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 30)
began = time.monotonic()
def send():
    c.sendall(data)
    c.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send)
t.start()
got = bytearray()
while piece := c.recv(65536): got += piece
t.join()
assert got == data, (len(got), len(data))
print(time.monotonic() - began)
END

# between LOW VALUE HIGH: decimal numbers.
between() {
    awk -v a="$1" -v b="$2" -v c="$3" 'BEGIN { exit !(a <= b && b <= c) }' || fail "$2 is not between $1 and $3"
}

# ---- nothing asked for: moved, whole ----
impair clear
python3 much.py "$port" 5000000 >/dev/null || fail "much through a clear network"
ends
says '^bytes out +4.76MiB +4.76MiB$' clear.out
says '^connections: 1 came, 1 hit, 0 failed, 0 refused$' clear.out
says '^network: clear$' clear.err

# ---- delay: both ways, or one ----
impair delay --delay 20ms
python3 rtt.py "$port" 20 >rtts || fail "ping through a delay"
read -r least median <rtts
between 40 "$least" 80
between 40 "$median" 120
ends
is 20 "$(row in 1 delay.out)"
is 20 "$(row out 2 delay.out)"
impair down --down 'delay 30ms'
python3 rtt.py "$port" 5 >rtts || fail "ping through a delay one way"
read -r least median <rtts
between 30 "$least" 59
ends
impair jitter --delay '20ms 10ms' --distribution normal --seed 5
python3 much.py "$port" 300000 >/dev/null || fail "much through jitter: order is lost"
ends

# ---- rate: 400 kB at 400 kB/s is a second ----
impair rate --rate 3200kbit
between 0.95 "$(python3 much.py "$port" 400000)" 3
ends

# ---- loss on a stream is time, not a hole; the same seed hits the same segments ----
impair loss --loss 5% --delay 1ms --seed 7
python3 rtt.py "$port" 60 >/dev/null || fail "ping through loss"
ends
lost=$(row lost 1 loss.out)
between 1 "$lost" 12
is "$lost" "$(row resent 1 loss.out)"
impair again --loss 5% --delay 1ms --seed 7
python3 rtt.py "$port" 60 >/dev/null || fail "ping through loss, again"
ends
is "$lost" "$(row lost 1 again.out)"

# ---- what ends connections ----
talk() { python3 -c '
import socket, sys, time
began, got, end = time.monotonic(), b"", "end"
try:
    c = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) # may hear of the reset already
    c.sendall(b"x" * int(sys.argv[2]))
    while piece := c.recv(65536): got += piece
except (ConnectionResetError, BrokenPipeError): end = "reset"
except TimeoutError: end = "silence"
print(end, len(got), "late" if time.monotonic() - began > .25 else "soon")' "$@"; }
impair reset --reset-after 300ms
is 'reset 100 late' "$(talk "$port" 100)"
impair bytes --reset-after 50B --slice 10B/1ms
says '^reset [0-9]+ ' - <<END
$(talk "$port" 1000)
END
impair limit --limit-data 50B
says '^(end|reset) [0-9]+ ' - <<END
$(talk "$port" 1000)
END
impair hole --blackhole --timeout 500ms
says '^(end|reset) 0 late$' - <<END
$(talk "$port" 1000)
END
impair slow --slow-close 400ms
before=$(date +%s%N)
is x "$(printf x | timeout 20 "$SOCKIT" connect "127.0.0.1:$port" 2>/dev/null)"
between 800 "$((($(date +%s%N) - before) / 1000000))" 6000
impair share --reset-after 1B --share 50% --seed 1
for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
    printf 'x\n' | timeout 20 "$SOCKIT" connect -q "127.0.0.1:$port" >>shared 2>/dev/null
done
ends
hit=$(sed -nE 's/^connections: 12 came, ([0-9]+) hit.*/\1/p' share.out)
between 1 "$hit" 11
is "$((12 - hit))" "$(wc -l <shared)"

# ---- a target that is not there: told, and the proxy stays ----
free_port
nobody=$port
free_port
spawn lost "$SOCKIT" impair --listen "$port" --to "127.0.0.1:$nobody"
wait_port "$port"
says '^reset 0 ' - <<END
$(talk "$port" 10)
END
wait_for "target for 127.0.0.1:[0-9]+: connect 127.0.0.1:$nobody: Connection refused" lost.err
spawn late "$SOCKIT" serve -q --echo "$nobody"
wait_port "$nobody"
python3 rtt.py "$port" 1 >/dev/null || fail "the target is there now"

# ---- datagrams ----
free_port
udp_echo=$port
spawn udp_echo "$SOCKIT" serve -q -u --echo "$udp_echo"
wait_port "udp:$udp_echo"
cat >shoot.py <<'END'
import socket, sys, time
c = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
c.settimeout(1)
n, back, first = int(sys.argv[2]), [], None
began = time.monotonic()
for i in range(n):
    c.sendto(b"%d:" % i + b"." * (i % 1000), ("127.0.0.1", int(sys.argv[1])))
    if i % 50 == 49: time.sleep(.002)
try:
    while True:
        d = c.recv(2000)
        first = first or time.monotonic() - began
        i = int(d.split(b":")[0])
        assert len(sys.argv) > 3 or d == b"%d:" % i + b"." * (i % 1000), d
        back.append(i)
except TimeoutError: pass
print(len(back), len(set(back)), int(first * 1000), "sorted" if back == sorted(back) else "mixed")
END
impair_udp gram --delay 30ms --seed 3
is '400 400 sorted' "$(python3 shoot.py "$port" 400 | cut -d' ' -f1,2,4)"
ends
is 400 "$(row out 2 gram.out)"
impair_udp lossy --loss 10% --seed 3
python3 shoot.py "$port" 2000 >got || fail "datagrams through loss"
ends
up=$(row lost 1 lossy.out) down=$(row lost 2 lossy.out)
between 150 "$up" 250 # 99.9 % of all seeds
is "$((2000 - up - down))" "$(cut -d' ' -f1 got)"
impair_udp twice --duplicate 50% --reorder 20% --delay 10ms
python3 shoot.py "$port" 500 >got || fail "datagrams twice"
ends
read -r all different _ order <got
is '500 mixed' "$different $order"
between 900 "$all" 1400
impair_udp few --max-conns 2 --json
python3 -c '
import socket, sys
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(3)]
for one in s:
    one.settimeout(1)
    one.sendto(b"x", ("127.0.0.1", int(sys.argv[1])))
got = []
for one in s:
    try: got.append(one.recv(9))
    except TimeoutError: got.append(None)
assert got == [b"x", b"x", None], got' "$port" || fail "--max-conns of flows"
ends
says '"event":"stats".*"refused":1,.*"up":\{"in":3,' few.out

# ---- the lines that help shows for a profile are a profile ----
exits 0 "$SOCKIT" help profile --json
python3 -c '
import json
for line in map(json.loads, open("out")):
    if line["value"] == line["value"].lower(): print(line["value"])' >shown.profile
[ "$(wc -l <shown.profile)" -ge 7 ] || fail "too few lines: $(cat shown.profile)"
impair shown --profile shown.profile
wait_for '^network: up delay 20ms 5ms rate 2mbit; down delay 20ms 5ms$' shown.err
exits 0 "$SOCKIT" help profile
while read -r line; do
    grep -qF -e "$line" out || fail "help profile does not show '$line'"
done <shown.profile

# ---- a profile: its time, its reload ----
printf '# a flap\ndelay 1ms\nat 2s: delay 60ms\n' >profile
impair profile --profile profile
python3 rtt.py "$port" 3 >rtts || fail "ping through a profile"
read -r least median <rtts
between 2 "$least" 119
wait_for '^now: delay 60ms$' profile.err
python3 rtt.py "$port" 3 >rtts || fail "ping through a profile that changed"
read -r least median <rtts
between 120 "$least" 400
echo 'delay 5ms' >profile
kill -HUP "$impair"
wait_for '^profile read anew: delay 5ms$' profile.err
python3 rtt.py "$port" 3 >rtts || fail "ping through a new profile"
read -r least median <rtts
between 10 "$least" 119
echo 'delay lots' >profile
kill -HUP "$impair"
wait_for '^sockit impair: warning: profile not changed: profile:1: ' profile.err
ends

# ---- --json ----
impair json --json --loss 1%
python3 rtt.py "$port" 5 >/dev/null || fail "ping"
wait_for '"event":"disconnected"' json.out
wait_for '"event":"stats".*"came":1' json.out
ends
python3 -c '
import json
events = [json.loads(l) for l in open("json.out")]
last = [e for e in events if e["event"] == "stats"][-1]
assert last["came"] == last["hit"] == 1 and last["there"] == 0, last
for way in "up", "down":
    w = last[way]
    assert w["bytes_in"] == w["bytes_out"] == 20 and w["line_bytes"] == 0 and w["resent"] == w["lost"], w
    assert set(w["late"]) == {"count", "mean", "p50", "p99", "max"}
left = [e for e in events if e["event"] == "disconnected"]
assert len(left) == 1 and left[0]["bytes_up"] == left[0]["bytes_down"] == 20 and left[0]["error"] is None' ||
    fail "--json: $(cat json.out)"

# ---- others at the ends ----
if command -v curl >/dev/null; then
    free_port
    web=$port
    echo hello >page
    spawn web python3 -m http.server --bind 127.0.0.1 "$web"
    wait_port "$web"
    free_port
    spawn curled "$SOCKIT" impair -q --listen "$port" --to "127.0.0.1:$web" --delay 50ms
    wait_port "$port"
    curl -s -o got -w '%{time_total}' "http://127.0.0.1:$port/page" >rtts || fail "curl"
    same page got
    between 0.1 "$(cat rtts)" 2
fi
if command -v socat >/dev/null; then
    free_port
    spawn unix "$SOCKIT" impair --listen "unix:$tmp/bad" --to "127.0.0.1:$echo" --delay 10ms
    wait_for "^network: " unix.err # the file is there before it is listened at
    is through "$(echo through | timeout 10 socat -t 5 - UNIX-CONNECT:bad)"
fi

# ---- the recipes of the manual are run ----
sed -n '/^# flap.profile/,/^```/p' "$top/doc/debugging.md" | sed '/^```/d' >flap.profile
grep '^sockit impair --listen 8080' "$top/doc/debugging.md" >recipes
between 5 "$(wc -l <recipes)" 20
while read -r recipe; do
    free_port
    recipe=$(echo "${recipe#sockit }" | sed "s/ 8080 / $port /; s/localhost:80/127.0.0.1:$echo/")
    eval "spawn recipe '$SOCKIT' $recipe"
    impair=$pid
    wait_port "$port"
    is through "$(echo through | timeout 20 "$SOCKIT" connect -q --linger 5s "127.0.0.1:$port" 2>/dev/null)"
    ends
done <recipes

# ---- bad input: the thing, the value, the way out ----
refuse() { # SENTENCE OPTION...
    sentence=$1
    shift
    exits 2 timeout 10 "$SOCKIT" impair --listen 1 --to 127.0.0.1:2 "$@"
    is "sockit impair: error: $sentence" "$(head -n 1 err)"
}
refuse "--loss: percentage '101%' is above 100" --loss 101%
refuse "--delay: time '-5ms' is below 0" --delay -5ms
refuse "--rate: rate '5furlong' has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s" --rate 5furlong
refuse "--share: percentage '200%' is above 100" --share 200%
refuse "--distribution is that of --delay's jitter: give --delay 'TIME JITTER'" --distribution normal
refuse "--slice: a piece has 1 byte to 4GiB, not 0" --slice 0
refuse "--reset-after: 0 is no time and no size; give 5s or 64KiB" --reset-after 0
refuse "--reset-after, --limit-data, --slow-close and --slice need a stream: they do not go with --udp" -u --slice 5
refuse "word 'limit' needs a rate, before which packets wait: rate 10mbit" --limit 5
refuse "word 'reorder' needs a delay, to go past it: delay 10ms reorder 25%" --reorder 5%
refuse "--to: port '70000' is above 65535" --to 70000
printf 'delay 1ms\nat 5s: loss 101%%\n' >bad.profile
refuse "bad.profile:2: percentage '101%' is above 100" --profile bad.profile
exits 2 timeout 10 "$SOCKIT" impair --listen 1
says "give --listen \[HOST:\]PORT and --to HOST:PORT" err
free_port
exits 2 timeout 10 "$SOCKIT" impair --listen "$port" --to "localhost:$port"
says "error: --to localhost:$port is where --listen is: it would lead to itself" err
exits 1 timeout 10 "$SOCKIT" impair --listen "$echo" --to "127.0.0.1:$port"
says "bind $echo: Address already in use: another program listens there" err
