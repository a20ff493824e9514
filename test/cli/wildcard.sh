#!/bin/sh
# A socket for every address of this host answers each from the address that was asked: IPv4, IPv6, and through a relay.
# In a network namespace of its own, with a second IPv6 address.
[ -n "${WILDCARD_INSIDE:-}" ] || {
    for how in -n -Urn; do
        ! unshare $how true 2>/dev/null || WILDCARD_INSIDE=1 exec unshare $how "$0"
    done
    echo "skipped: no network namespaces for this user"
    exit 77
}
export WILDCARD_INSIDE
. "${0%/*}/lib.sh"
need ip python3
ip link set dev lo up
ip -6 addr add fd00::7/128 dev lo nodad 2>/dev/null || echo 'no IPv6 here: that part is left out'

# ask PORT ADDRESS...: each answers for itself, twice in turn, from the same socket. Some 80 datagrams in a train besides.
cat >ask.py <<'END'
import socket, sys
port, addresses = int(sys.argv[1]), sys.argv[2:]
for family in socket.AF_INET, socket.AF_INET6:
    mine = [a for a in addresses if (':' in a) == (family == socket.AF_INET6)]
    if not mine: continue
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.settimeout(10)
    s.bind(('', 0))
    for a in mine * 2:
        s.sendto(b'to ' + a.encode(), (a, port))
        got, who = s.recvfrom(100)
        assert got == b'to ' + a.encode() and who[:2] == (a, port), (a, got, who)
    if family == socket.AF_INET:
        s.sendmsg([bytes(80 * 100)], [(socket.IPPROTO_UDP, 103, (100).to_bytes(2, sys.byteorder))], 0, (mine[-1], port))
        for i in range(80):
            got, who = s.recvfrom(200)
            assert len(got) == 100 and who == (mine[-1], port), (i, len(got), who)
END

six=
! ip -6 addr show dev lo | grep -q fd00::7 || six='::1 fd00::7'
free_port
echo=$port
spawn echo "$SOCKIT" serve -u --echo "*:$echo"
wait_port "udp:$echo"
# shellcheck disable=SC2086 # none, or two
python3 ask.py "$echo" 127.0.0.1 127.0.0.2 127.0.0.99 $six || fail "serve -u --echo"

free_port
spawn relay "$SOCKIT" serve -u --to "127.0.0.1:$echo" "*:$port"
wait_port "udp:$port"
# shellcheck disable=SC2086
python3 ask.py "$port" 127.0.0.1 127.0.0.2 127.0.0.99 $six || fail "serve -u --to"

free_port
spawn impair "$SOCKIT" impair -u --listen "*:$port" --to "127.0.0.1:$echo" --delay 1ms
wait_port "udp:$port"
# shellcheck disable=SC2086
python3 ask.py "$port" 127.0.0.1 127.0.0.2 127.0.0.99 $six || fail "impair -u"

free_port
spawn four "$SOCKIT" serve -u --echo "0.0.0.0:$port"
wait_port "udp:$port"
python3 ask.py "$port" 127.0.0.3 127.0.0.4 || fail "serve -u --echo 0.0.0.0"
