#!/bin/sh
# sockit impair --bridge: three network namespaces of this test's own, A - (left, right) - B; the bridge runs in the middle.
# What is measured there: nothing lost when nothing is asked, the delay, the loss in its interval, the same packets lost
# as in the simulated network, trains cut, checksums right, tags kept; and what it says when an interface is wrong or goes.
[ -n "${BRIDGE_INSIDE:-}" ] || {
    for how in -n -Urn; do
        ! unshare $how true 2>/dev/null || BRIDGE_INSIDE=1 exec unshare $how "$0"
    done
    echo "skipped: no network namespaces for this user"
    exit 77
}
export BRIDGE_INSIDE
. "${0%/*}/lib.sh"
need ip nsenter python3 setpriv

cat >net.py <<'END'
# net.py udp-sink COUNT | udp-send COUNT GAP_US SIZE | echo | rtt COUNT | tcp-sink | tcp-send BYTES | big SIZE
import hashlib, os, socket, struct, sys, time
what, args = sys.argv[1], [int(a) for a in sys.argv[2:]]
A, B = ('10.9.0.1', 7000), ('10.9.0.2', 7000)
PATIENCE = 1

def body(number, size):
    return struct.pack('!I', number) + bytes((number * 7 + i) & 255 for i in range(size - 4))

def udp(bind=None):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    if bind: s.bind(bind)
    return s

def ready():
    print('ready', flush=True)

if what == 'udp-sink':  # numbers that did not come go to the file lost; a first line of counters to stdout
    s, seen, twice, late, wrong, last = udp(('', 7000)), {}, 0, 0, 0, -1
    s.settimeout(10)
    ready()
    while True:
        try:
            data = s.recv(65536)
        except socket.timeout:
            break
        s.settimeout(PATIENCE)
        number = struct.unpack('!I', data[:4])[0]
        wrong += data != body(number, len(data))
        twice += number in seen
        late += number < last
        last = max(last, number)
        seen[number] = True
    with open('lost', 'w') as f:
        f.writelines('%d\n' % n for n in range(args[0]) if n not in seen)
    print('came=%d twice=%d late=%d wrong=%d' % (len(seen), twice, late, wrong), flush=True)
elif what in ('udp-send', 'udp-back'):
    s, due = udp(), time.monotonic()
    for n in range(args[0]):
        s.sendto(body(n, args[2]), B if what == 'udp-send' else A)
        due += args[1] / 1e6
        while time.monotonic() < due:
            time.sleep(max(0, due - time.monotonic()))
elif what == 'echo':
    s = udp(('', 7000))
    ready()
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)
elif what == 'rtt':  # least, median and most, in us
    s, times = udp(), []
    s.settimeout(5)
    for n in range(args[0]):
        began = time.monotonic()
        s.sendto(body(n, 100), B)
        s.recv(65536)
        times.append(int((time.monotonic() - began) * 1e6))
    times.sort()
    print(times[0], times[len(times) // 2], times[-1])
elif what == 'tcp-sink':
    s, h, n = socket.create_server(('', 7000)), hashlib.sha256(), 0
    ready()
    c, _ = s.accept()
    c.settimeout(60)
    while data := c.recv(1 << 20):
        h.update(data)
        n += len(data)
    print(n, h.hexdigest())
elif what == 'tcp-send':
    s, h, left = socket.create_connection(B, 20), hashlib.sha256(), args[0]
    while left:
        data = os.urandom(min(left, 1 << 20))
        s.sendall(data)
        h.update(data)
        left -= len(data)
    s.shutdown(socket.SHUT_WR)
    s.settimeout(60)
    s.recv(1)
    print(args[0], h.hexdigest())
END

# ---- the world ----
elsewhere() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
namespace() { # NAME: sets $NAME to what runs a command in it, and $NAME_pid
    unshare -n sleep 600 &
    pids="$pids $!"
    until_true 10 elsewhere $! || fail "no namespace"
    eval "$1='nsenter -t $! -n' $1_pid=$!"
}
namespace A
namespace B
cable() { # no IPv6 of the kernel's own: a packet that nobody sent would have a number, too
    ip link add "$1" type veth peer name eth0 netns "$2" || skip "no veth in this kernel"
    ip link set "$1" addrgenmode none
    nsenter -t "$2" -n ip link set eth0 addrgenmode none
    ip link set "$1" up
}
plug() {
    # shellcheck disable=SC2154
    cable left "$A_pid"
    # shellcheck disable=SC2154
    cable right "$B_pid"
    $A ip link set eth0 address 02:00:00:00:00:0a
    $B ip link set eth0 address 02:00:00:00:00:0b
    $A ip addr add 10.9.0.1/24 dev eth0
    $B ip addr add 10.9.0.2/24 dev eth0
    $A ip link set eth0 up
    $B ip link set eth0 up
}
quiet() { # no ARP
    $A ip neigh replace 10.9.0.2 lladdr 02:00:00:00:00:0b dev eth0 nud permanent
    $B ip neigh replace 10.9.0.1 lladdr 02:00:00:00:00:0a dev eth0 nud permanent
}
ip link set lo up
plug

bridge() { # OPTION...
    rm -f bridge.err
    spawn bridge "$SOCKIT" impair --bridge left right "$@"
    bridge=$pid
    wait_for '^network: ' bridge.err
}
end_bridge() {
    kill "$bridge"
    wait_gone "$bridge"
    is 0 "$status"
}
counter() { # WAY NAME: of the last line of --json
    tail -n 1 bridge.out | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]][sys.argv[2]])' "$1" "$2"
}
sink() { # WHERE COUNT
    rm -f sink.out # its word of readiness is that of the next one
    # shellcheck disable=SC2086
    spawn sink $1 python3 net.py udp-sink "$2"
    sink=$pid
    wait_for ready sink.out
}
drained() {
    wait_gone "$sink"
    is 0 "$status"
}
answer() { # on B, until end_answer
    rm -f answer.out
    # shellcheck disable=SC2086
    spawn answer $B python3 net.py echo
    answer=$pid
    wait_for ready answer.out
}
end_answer() {
    kill "$answer"
    wait_gone "$answer"
}
within() { # GOT LEAST MOST WHAT
    { [ "$2" -le "$1" ] && [ "$1" -le "$3" ]; } || fail "$4: $1 is not within $2..$3"
}

# ---- nothing asked, nothing lost: datagrams, and a stream in trains ----
bridge --json --stats 100ms
sink "$B" 3000
$A python3 net.py udp-send 3000 100 700
drained
says '^came=3000 twice=0 late=[0-9]* wrong=0$' sink.out
silent lost
stream() { # BYTES: from A to B
    rm -f sink.out
    # shellcheck disable=SC2086
    spawn sink $B python3 net.py tcp-sink
    sink=$pid
    wait_for ready sink.out
    $A python3 net.py tcp-send "$1" >sent
    drained
    is "$(cat sent)" "$(tail -n 1 sink.out)"
}
stream 20000000
if command -v ping >/dev/null; then
    $A ping -c 20 -i 0.01 -q 10.9.0.2 >ping.out || fail "no answer to ping"
    says ' 0% packet loss' ping.out
fi
end_bridge
is 0 "$(counter up lost)"
is 0 "$(counter down lost)"
is 0 "$(counter up refused)"
within "$(counter up trains)" 1 1000000 "trains that were cut"
[ "$(counter up missed)" -eq 0 ] || echo "note: this machine was too slow for $(counter up missed) frames of the stream"

# ---- delay: never less than asked; how much more is a matter of the machine, so here only that it is one delay ----
quiet
bridge --delay 30ms
answer
$A python3 net.py rtt 30 >trips
read -r least median most <trips
within "$least" 60000 75000 "least round trip"
within "$median" 60000 90000 "median round trip"
[ "$most" -ge "$median" ]
end_answer
if command -v ping >/dev/null; then
    $A ping -c 10 -i 0.02 -q 10.9.0.2 >ping.out
    least=$(sed -n 's|^rtt.* = \([0-9]*\).*|\1|p' ping.out)
    within "$least" 60 75 "ping's least"
fi
end_bridge
says '^late, half' bridge.out
says '^late below$' bridge.out

# ---- loss: in its interval, and the same packets as in the simulated network ----
# 0.1 of 4000: 400 +- 2.58 * sqrt(4000 * 0.1 * 0.9) = 351..449, the 99 % interval.
[ -z "${SIM_LOST:-}" ] || [ -x "$SIM_LOST" ] || fail "no $SIM_LOST"
for spec in '10%' 'gemodel 3% 20% 90% 1%'; do
    for seed in 1 77; do
        bridge --down "loss $spec" --seed $seed --json
        sink "$A" 4000
        $B python3 net.py udp-back 4000 100 100
        drained
        end_bridge
        says 'twice=0 late=0 wrong=0$' sink.out
        is 4000 "$(counter down in)"
        is "$(counter down lost)" "$(wc -l <lost)"
        [ "$spec" != '10%' ] || within "$(wc -l <lost)" 351 449 "lost of 4000"
        [ -z "${SIM_LOST:-}" ] || {
            "$SIM_LOST" $seed 4000 "loss $spec" >simulated || fail "the simulation"
            same simulated lost
        }
    done
done

# ---- twice, and before others; a flipped bit is seen by a checksum that the sender's kernel left undone ----
bridge --up 'delay 10ms duplicate 20% reorder 10%' --seed 3 --json
sink "$B" 2000
$A python3 net.py udp-send 2000 100 300
drained
end_bridge
is 2000 "$(counter up in)"
is "came=2000 twice=$(counter up duplicated)" "$(sed -n 's/ late.*//p' sink.out)"
within "$(counter up duplicated)" 354 446 "twice of 2000"
within "$(counter up reordered)" 156 244 "sent past others, of 2000"
within "$(sed -n 's/.*late=\([0-9]*\) .*/\1/p' sink.out)" 156 2400 "overtaken"
bridge --up 'corrupt 30%' --seed 5 --json
sink "$B" 1000
$A python3 net.py udp-send 1000 200 600
drained
end_bridge
says 'wrong=0$' sink.out
within "$(counter up corrupted)" 263 337 "corrupted of 1000"
within "$(wc -l <lost)" 240 337 "seen by a checksum of 1000"

# ---- rate: 20000 bytes a second more slowly than they are sent; a stream in a bad line comes whole ----
bridge --delay 5ms --loss 1% --duplicate 1% --corrupt 1% --reorder 1% --rate 50mbit --json
stream 2000000
end_bridge
within "$(counter up queue_peak)" 1 262144 "bytes in the queue"

# ---- MTU black hole ----
bridge --mtu 1000 --json
sink "$B" 20
$A python3 net.py udp-send 10 1000 973
$A python3 net.py udp-send 10 1000 972
drained
end_bridge
says '^came=10 ' sink.out
is 10 "$(counter up blackholed)"
is 0 "$(counter up lost)"

# ---- a profile: changes in time, and read anew ----
echo 'at 500ms: loss 100%' >flap.profile
bridge --profile flap.profile --json
wait_for '"event":"changed".*"up":"loss 100%' bridge.out
echo 'loss 0%' >flap.profile
kill -HUP "$bridge"
until_true 10 sh -c 'tail -n 1 bridge.out | grep -q "\"changed\".*\"up\":\"clear\""' ||
    grep -q '"changed".*"up":"clear"' bridge.out || fail "the profile was not read anew: $(cat bridge.out)"
answer
$A python3 net.py rtt 5 >trips
end_answer
echo 'los 1%' >flap.profile
kill -HUP "$bridge"
wait_for 'profile not changed: flap.profile:1: ' bridge.err
end_bridge

# ---- tags: the kernel takes them out, and they go in again ----
if $A ip link add link eth0 name eth0.7 type vlan id 7 2>/dev/null; then
    $B ip link add link eth0 name eth0.7 type vlan id 7
    tagged() { # PID ADDRESS
        nsenter -t "$1" -n sh -c "ip addr flush dev eth0; ip addr add $2/24 dev eth0.7; ip link set eth0.7 up"
    }
    tagged "$A_pid" 10.9.0.1
    tagged "$B_pid" 10.9.0.2
    bridge --json
    answer
    $A python3 net.py rtt 5 >trips
    end_answer
    stream 3000000
    end_bridge
    within "$(counter up trains)" 1 1000000 "trains with tags"
    $A ip link del eth0.7
    $B ip link del eth0.7
else
    echo "note: no VLANs in this kernel"
fi

# ---- what it says: down, up again, gone ----
bridge
$B ip link set eth0 down
ip link set right down
wait_for 'interface right is down' bridge.err
ip link set right up
$B ip link set eth0 up
ip link del left
wait_gone "$bridge"
[ "$status" -ne 0 ] || fail "an interface is gone, and the exit status is 0"
says 'interface left is gone' bridge.err
says '^late below|^frames' bridge.out
ip link del right

# ---- and what is refused ----
refused() { # STATUS PATTERN ARGUMENT...
    want=$1 pattern=$2
    shift 2
    exits "$want" "$SOCKIT" impair "$@"
    says "$pattern" err
}
plug
refused 2 "'left' is given twice" --bridge left left
refused 2 'has two ends' --bridge left
refused 2 "'lo' is not Ethernet" --bridge left lo
refused 2 'knows frames, not connections' --bridge left right --listen 80
refused 2 "101%" --bridge left right --loss 101%
exits 8 "$SOCKIT" impair --bridge left nosuch
says "'nosuch' is not there: ip link" err
ip link add d0 type veth peer name d1
ip link set d0 up
refused 4 "'d1' is down \(raise it: ip link set dev d1 up\)" --bridge d0 d1
ip link set d1 up
refused 2 'two ends of one cable' --bridge d0 d1
if ip link add br0 type bridge 2>/dev/null; then
    ip link set d1 master br0
    refused 8 "'d1' is a port of another.*ip link set dev d1 nomaster" --bridge left d1
fi
exits 9 setpriv --bounding-set=-net_raw --inh-caps=-net_raw "$SOCKIT" impair --bridge left right
says "needs CAP_NET_RAW" err
