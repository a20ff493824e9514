#!/bin/sh
# serve, listen and connect with nc, ncat, socat, openssl and Python, both ways. A peer that is missing is left out.
. "${0%/*}/lib.sh"
command -v nc >/dev/null && nc -h 2>&1 | grep -q OpenBSD && nc=nc || nc=
has() { [ -n "$1" ] && command -v "$1" >/dev/null; }
tested=0

head -c 300000 /dev/urandom >ours
head -c 200000 /dev/urandom >theirs
python='import socket, sys, threading
def pump(c, out=None):
    def send():
        c.sendall(sys.stdin.buffer.read())
        c.shutdown(socket.SHUT_WR)
    t = threading.Thread(target=send)
    t.start()
    while piece := c.recv(65536): sys.stdout.buffer.write(piece)
    t.join()
where = ("127.0.0.1", int(sys.argv[2]))
if sys.argv[1] == "connect": c = socket.create_connection(where, 10)
elif sys.argv[1] == "listen": c = socket.create_server(where).accept()[0]
pump(c)'

# ---- who connects is theirs: a file each way, at once ----
to_listen() { # NAME COMMAND...: with PORT at the end
    peer=$1
    shift
    free_port
    cp ours "listen.in"
    spawn listen "$SOCKIT" -q listen "$port"
    listen=$pid
    wait_port "$port"
    timeout 30 "$@" "$port" <theirs >out 2>err || fail "$peer: $? $(cat err)"
    wait_gone "$listen"
    is 0 "$status"
    cmp theirs listen.out || fail "$peer -> listen"
    cmp ours out || fail "listen -> $peer"
    tested=$((tested + 1))
}
! has "$nc" || to_listen nc nc -N 127.0.0.1
! has ncat || to_listen ncat ncat 127.0.0.1
! has python3 || to_listen Python python3 -c "$python" connect
if has socat; then
    cat >socat.sh <<'END'
exec socat -t 20 - "TCP:127.0.0.1:$1"
END
    to_listen socat sh socat.sh
fi

# ---- who listens is theirs ----
to_connect() { # NAME COMMAND...: with PORT at the end
    peer=$1
    shift
    free_port
    cp theirs "peer.in"
    spawn peer timeout 30 "$@" "$port"
    peer_pid=$pid
    wait_port "$port"
    timeout 30 "$SOCKIT" -q connect 127.0.0.1 "$port" <ours >out 2>err || fail "connect to $peer: $? $(cat err)"
    wait_gone "$peer_pid"
    is 0 "$status"
    cmp ours peer.out || fail "connect -> $peer"
    cmp theirs out || fail "$peer -> connect"
    tested=$((tested + 1))
}
! has "$nc" || to_connect nc nc -N -l 127.0.0.1
! has ncat || to_connect ncat ncat -l 127.0.0.1
! has python3 || to_connect Python python3 -c "$python" listen
if has socat; then
    cat >socat.sh <<'END'
exec socat -t 20 - "TCP-LISTEN:$1,bind=127.0.0.1,reuseaddr"
END
    to_connect socat sh socat.sh
fi

# ---- serve, asked by each ----
free_port
spawn serve "$SOCKIT" -q serve --reply 'got ' "$port"
wait_port "$port"
printf 'a\nb\n' >in
printf 'got a\ngot b\n' >want
asks() {
    timeout 30 "$@" <in >out 2>err || fail "$1: $? $(cat err)"
    same want out
    tested=$((tested + 1))
}
! has "$nc" || asks nc -N 127.0.0.1 "$port"
! has ncat || asks ncat 127.0.0.1 "$port"
! has socat || asks socat -t 20 - "TCP:127.0.0.1:$port"
! has python3 || asks python3 -c "$python" connect "$port"
asks "$SOCKIT" -q connect 127.0.0.1 "$port"

# ---- Unix sockets, IPv6 ----
spawn unix "$SOCKIT" serve --reply 'got ' "unix:$tmp/sock"
wait_for 'listening' unix.err
! has "$nc" || asks nc -N -U "$tmp/sock"
! has ncat || asks ncat -U "$tmp/sock"
! has socat || asks socat -t 20 - "UNIX:$tmp/sock"
if [ -e /proc/net/if_inet6 ]; then
    free_port
    spawn six "$SOCKIT" serve --reply 'got ' "[::1]:$port"
    wait_port "$port"
    ! has "$nc" || asks nc -6 -N ::1 "$port"
    ! has ncat || asks ncat -6 ::1 "$port"
    ! has socat || asks socat -t 20 - "TCP6:[::1]:$port"
fi

# ---- datagrams ----
free_port
spawn udp "$SOCKIT" serve -u --reply 'got ' "$port"
wait_port "udp:$port"
printf 'one' >in
printf 'got one' >want
! has "$nc" || asks nc -u -w 1 127.0.0.1 "$port"
! has socat || asks socat -t 1 - "UDP:127.0.0.1:$port"
if has socat; then
    free_port
    spawn udp_socat socat -u "UDP-RECV:$port,bind=127.0.0.1" -
    wait_port "udp:$port"
    exits 0 timeout 20 "$SOCKIT" connect -u --linger 10ms --send 'to socat' 127.0.0.1 "$port"
    wait_for '^to socat' udp_socat.out
fi
if has "$nc"; then
    free_port
    spawn udp_nc nc -u -l 127.0.0.1 "$port"
    wait_port "udp:$port"
    exits 0 timeout 20 "$SOCKIT" connect -u --linger 10ms --send 'to nc' 127.0.0.1 "$port"
    wait_for '^to nc' udp_nc.out
fi

# ---- TLS ----
if has openssl; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem 2>err ||
        fail "openssl req: $(cat err)"
    for version in tls1_2 tls1_3; do
        free_port
        spawn secure "$SOCKIT" serve --reply 'got ' --tls --cert cert.pem --key key.pem "$port"
        wait_port "$port"
        printf 'a\nb\n' >in
        printf 'got a\ngot b\n' >want
        { cat in; sleep 1; } | timeout 30 openssl s_client -quiet -no_ign_eof -verify_return_error -$version \
            -CAfile cert.pem -connect "localhost:$port" >out 2>err || fail "s_client -$version: $? $(cat err)"
        same want out
        asks "$SOCKIT" -q connect --tls --cacert cert.pem localhost "$port"
        free_port
        mkfifo say
        timeout 30 openssl s_server -quiet -naccept 1 -accept "127.0.0.1:$port" -cert cert.pem -key key.pem \
            -$version <say >server.out 2>server.err &
        server=$!
        pids="$pids $server"
        exec 3>say
        printf 'from s_server\n' >&3
        wait_port "$port"
        { echo 'from connect'; sleep 1; } | timeout 30 "$SOCKIT" -q connect --tls --cacert cert.pem localhost "$port" \
            >out 2>err || fail "connect to s_server -$version: $? $(cat err)"
        exec 3>&-
        is 'from s_server' "$(cat out)"
        wait_for '^from connect$' server.out
        rm say
        tested=$((tested + 2))
    done
    if has ncat; then
        free_port
        spawn ncat_tls "$SOCKIT" serve --reply 'got ' --tls --cert cert.pem --key key.pem "$port"
        wait_port "$port"
        asks ncat --ssl-verify --ssl-trustfile cert.pem localhost "$port"
    fi
    if has socat; then
        free_port
        printf 'from socat\n' >socat_tls.in
        spawn socat_tls socat -t 20 "OPENSSL-LISTEN:$port,bind=127.0.0.1,cert=cert.pem,key=key.pem,verify=0" -
        wait_port "$port"
        echo 'to socat' | timeout 30 "$SOCKIT" -q connect --tls --cacert cert.pem localhost "$port" >out 2>err ||
            fail "connect --tls to socat: $? $(cat err)"
        is 'from socat' "$(cat out)"
        wait_for '^to socat$' socat_tls.out
    fi
fi
[ $tested -gt 2 ] || skip "neither nc, ncat, socat nor python3 is installed"
