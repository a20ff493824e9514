#!/bin/sh
# The resolver's files are replaced by renaming while a server runs inside its sandbox: the next name is looked up by the
# new ones. In namespaces of its own, with name servers of its own.
[ -n "${NAMES_INSIDE:-}" ] || {
    ! unshare -rmn true 2>/dev/null || NAMES_INSIDE=1 exec unshare -rmn "$0"
    echo "skipped: no namespaces for this user"
    exit 77
}
export NAMES_INSIDE
. "${0%/*}/lib.sh"
need ip python3
ip link set dev lo up

# An /etc of our own: hosts is a link to a directory that root may read, too.
mkdir etc names
cp /etc/ld.so.cache etc/
echo 'root:x:0:0::/:/bin/sh' >etc/passwd
echo 'hosts: files dns' >etc/nsswitch.conf
echo 'nameserver 127.0.0.53' >etc/resolv.conf
echo '127.0.0.1 localhost' >names/hosts
ln -s "$tmp/names/hosts" etc/hosts
mount --bind etc /etc || skip "no mounts for this user"

# Name servers at 127.0.0.53 and .54: every name has the address 127.0.1.53, or .54.
cat >server.py <<'END'
import select, socket
socks = {}
for last in 53, 54:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('127.0.0.%d' % last, 53))
    socks[s] = last
print('ready', flush=True)
while True:
    for s in select.select(list(socks), [], [])[0]:
        q, who = s.recvfrom(600)
        end = 12
        while q[end]: end += q[end] + 1
        a = q[end + 1:end + 3] == b'\0\1'
        answer = b'\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\1' + bytes([socks[s]]) if a else b''
        s.sendto(q[:2] + b'\x81\x80\0\1\0' + bytes([a]) + b'\0\0\0\0' + q[12:end + 5] + answer, who)
END
spawn names python3 server.py
wait_for ready names.out
free_port
target=$port
for last in 53 54 55; do
    spawn "target$last" "$SOCKIT" serve --say "$last" "127.0.1.$last:$target"
    wait_for listening "target$last.err"
done

leads() { [ "$(timeout 10 "$SOCKIT" connect 127.0.0.1 "$port" </dev/null 2>connect.err)" = "$1" ]; }
replace() { # TEXT FILE
    echo "$1" >"$2.new"
    mv "$2.new" "$2"
}
relay() { # NAME COMMAND...: of a relay to house.test
    free_port
    name=$1
    shift
    spawn "$name" "$@" "$SOCKIT" serve --to "house.test:$target" "127.0.0.1:$port"
    wait_port "$port"
}

# Root: a file of /etc itself stays what it was, others are followed.
relay root
until_true 10 leads 53 || fail "by resolv.conf: $(cat root.err)"
replace '127.0.1.55 house.test' names/hosts
leads 55 || fail "hosts was replaced: $(cat root.err)"
replace '127.0.0.1 localhost' names/hosts
leads 53 || fail "hosts was replaced again: $(cat root.err)"

# Another user: resolv.conf is followed, too.
chmod 711 "$tmp"
relay user unshare -U --map-user=1000 --map-group=1000
leads 53 || fail "a user, by resolv.conf: $(cat user.err)"
replace 'nameserver 127.0.0.54' etc/resolv.conf
leads 54 || fail "resolv.conf was replaced: $(cat user.err)"
replace '127.0.1.55 house.test' names/hosts
leads 55 || fail "a user, hosts was replaced: $(cat user.err)"
