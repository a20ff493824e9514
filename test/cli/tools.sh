#!/bin/sh
# sockit impair as the tools of others see it: Python and ping, through the proxy and through the bridge, meet the delay,
# the rate and the loss that were asked for, and lose the same packets as the simulated network with the same seed.
# Three network namespaces of this test's own; bench/tools is the long form, with iperf3 and curl.
[ -n "${TOOLS_INSIDE:-}" ] || {
    for how in -n -Urn; do
        ! unshare $how true 2>/dev/null || TOOLS_INSIDE=1 exec unshare $how "$0"
    done
    echo "skipped: no network namespaces for this user"
    exit 77
}
export TOOLS_INSIDE
. "${0%/*}/lib.sh"
need ip nsenter python3 ping

cat >net.py <<'END'
# net.py servers | rtt tcp|udp HOST PORT N | take HOST PORT BYTES | echoes HOST PORT N
import socket, struct, sys, threading, time
what, args = sys.argv[1], sys.argv[2:]

def answer(c):  # "give N" is answered with N bytes, anything else comes back
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := c.recv(65536):
        c.sendall(bytes(int(data[5:])) if data[:5] == b'give ' else data)

def tcp():
    s = socket.create_server(('', 7000))
    print('ready', flush=True)
    while True:
        threading.Thread(target=answer, args=s.accept()[:1], daemon=True).start()

def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    s.bind(('', 7000))
    while True:
        data, peer = s.recvfrom(2048)
        s.sendto(data, peer)

def dial(kind, host, port):
    s = socket.socket(socket.AF_INET, kind)
    s.settimeout(20)
    if kind == socket.SOCK_STREAM:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 << 10)  # a window that the queue has room for
    s.connect((host, int(port)))
    return s

if what == 'servers':
    threading.Thread(target=udp, daemon=True).start()
    tcp()
elif what == 'rtt':  # the least and the median, in us
    s = dial(socket.SOCK_STREAM if args[0] == 'tcp' else socket.SOCK_DGRAM, args[1], args[2])
    times = []
    for _ in range(int(args[3])):
        began = time.monotonic()
        s.send(b'x' * 64)
        s.recv(64)
        times.append(int((time.monotonic() - began) * 1e6))
    times.sort()
    print(times[0], times[len(times) // 2])
elif what == 'take':  # ms from the first byte to the last
    s, n, began = dial(socket.SOCK_STREAM, *args[:2]), 0, 0
    s.sendall(b'give ' + args[2].encode())
    while n < int(args[2]):
        n += len(s.recv(65536))
        began = began or time.monotonic()
    print(int((time.monotonic() - began) * 1000))
elif what == 'echoes':  # numbered datagrams, all in order: the numbers whose answers do not come
    s, n, came = dial(socket.SOCK_DGRAM, *args[:2]), int(args[2]), set()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    for number in range(n):
        s.send(struct.pack('!I', number))
        if number % 10 == 9: time.sleep(.005)  # so that nobody's buffer overflows who does not run for a while
    s.settimeout(1)
    try:
        while True: came.add(struct.unpack('!I', s.recv(100))[0])
    except TimeoutError: pass
    for number in range(n):
        if number not in came: print(number)
END

# ---- the world: A behind one cable, B behind the other ----
elsewhere() { [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }
behind() { # NAME NUMBER: no IPv6 and no ARP of the kernel's own: a frame that nobody sent would have a number, too
    unshare -n sleep 600 &
    there=$!
    pids="$pids $there"
    until_true 10 elsewhere "$there" || fail "no namespace"
    ip link add "if$1" type veth peer name eth0 netns "$there" || skip "no veth in this kernel"
    ip link set "if$1" addrgenmode none up
    nsenter -t "$there" -n sh -c "ip link set lo up; ip link set eth0 addrgenmode none address 02:00:00:00:00:0$2
        ip addr add 10.9.0.$2/24 dev eth0; ip link set eth0 up
        ip neigh add 10.9.0.$((3 - $2)) lladdr 02:00:00:00:00:0$((3 - $2)) dev eth0 nud permanent"
    eval "$1='nsenter -t $there -n'"
}
behind A 1
behind B 2
ip link set lo up
# shellcheck disable=SC2154,SC2086 # A and B are set by behind; they are words
spawn far $B python3 net.py servers
wait_for ready far.out
spawn near python3 net.py servers
wait_for ready near.out

through() { # bridge|proxy|datagrams OPTION...: sets from, host and port for a client
    way=$1
    shift
    from='' host=127.0.0.1 port=7100
    rm -f ours.err
    case $way in
    bridge)
        spawn ours "$SOCKIT" impair --bridge ifA ifB "$@"
        from=$A host=10.9.0.2 port=7000
        ;;
    proxy) spawn ours "$SOCKIT" impair --listen 7100 --to 127.0.0.1:7000 "$@" ;;
    datagrams) spawn ours "$SOCKIT" impair -u --listen 7100 --to 127.0.0.1:7000 "$@" ;;
    esac
    ours=$pid
    wait_for '^network: ' ours.err
}
end_it() {
    kill "$ours"
    wait_gone "$ours"
    is 0 "$status"
}
within() { # LEAST GOT MOST WHAT
    { [ "$1" -le "$2" ] && [ "$2" -le "$3" ]; } || fail "$4: $2 is not within $1..$3"
}

# ---- delay: never less than asked; a busy machine may be late, but not each time ----
for way in proxy bridge datagrams; do
    through "$way" --delay 25ms
    kind=tcp
    [ "$way" != datagrams ] || kind=udp
    $from python3 net.py rtt $kind "$host" $port 9 >trips || fail "Python through the $way"
    read -r least median <trips
    within 50000 "$least" 60000 "least round trip of Python, $way"
    within 50000 "$median" 90000 "median round trip of Python, $way"
    [ "$way" != bridge ] || {
        $from ping -q -c 10 -i 0.05 "$host" >trips || fail "no answer to ping"
        within 50 "$(sed -n 's|^rtt.* = \([0-9]*\)\..*|\1|p' trips)" 60 "least round trip of ping"
    }
    end_it
done

# ---- rate: 800,000 bytes at a million a second; a bridge also counts the heads of its frames: 1514 for 1448. The first of
# them come at once and start the clock, so the bound below has 5 % ----
for way in proxy bridge; do
    through "$way" --rate 8mbit
    $from python3 net.py take "$host" $port 800000 >took || fail "Python through the $way"
    least=760
    [ "$way" = proxy ] || least=794
    within $least "$(cat took)" 1600 "ms for 800 kB at 8 Mbit/s, $way"
    end_it
done

# ---- loss: of 1000 the same as in the simulated network, and in the 99 % interval: 50 +- 2.576 * sqrt(1000 * .05 * .95) ----
for seed in 3 4; do
    through datagrams --down 'loss 5%' --seed $seed
    python3 net.py echoes "$host" $port 1000 >by_python || fail "Python"
    end_it
    within 33 "$(wc -l <by_python)" 67 "datagrams lost of 1000"
    [ -z "${SIM_LOST:-}" ] || {
        "$SIM_LOST" $seed 1000 'loss 5%' >simulated || fail "the simulation"
        same simulated by_python
    }
    [ $seed = 3 ] || continue
    through bridge --down 'loss 5%' --seed $seed
    # Sent 2 ms apart. Not those that came, but those that did not, counted from 0.
    $from ping -c 1000 -i 0.002 -W 1 "$host" >pinged || :
    end_it
    sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' pinged |
        awk '{ came[$1] = 1 } END { for (i = 1; i <= 1000; i++) if (!(i in came)) print i - 1 }' >by_ping
    same by_python by_ping
done
