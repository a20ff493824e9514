#!/bin/sh
# Every system call that the program makes at work fails in turn: no death by a signal, no hang; who loses data says so, on
# stderr and by its exit status. strace tampers with the calls.
. "${0%/*}/lib.sh"
need strace python3
torture_begin

head -c 300000 /dev/urandom >data

# The peers of the program: one that echoes until the end, one that talks to a server and wants the echo.
cat >peer.py <<'END'
import socket, sys, threading
what, port = sys.argv[1], int(sys.argv[2])
data = open("data", "rb").read()
def receive(c):
    got = b""
    try:
        while piece := c.recv(65536): got += piece
    except OSError as e: print("error", e)
    return got
def send(c):
    try:
        c.sendall(data)
        c.shutdown(socket.SHUT_WR)
    except OSError as e: pass
if what == "echo":
    l = socket.create_server(("127.0.0.1", port))
    while True:
        c = l.accept()[0]
        def one(c):
            try:
                while piece := c.recv(65536): c.sendall(piece)
                c.shutdown(socket.SHUT_WR)
            except OSError: pass
            c.close()
        threading.Thread(target=one, args=(c,), daemon=True).start()
else:
    try: c = socket.create_connection(("127.0.0.1", port), 5)
    except OSError as e: sys.exit("refused")
    t = threading.Thread(target=send, args=(c,))
    t.start()
    got = receive(c)
    t.join()
    sys.exit(0 if got == data else "%d bytes came back" % len(got))
END
free_port
echo_port=$port
spawn echo python3 peer.py echo "$echo_port"
wait_port "$echo_port"

# tamper CALL ERROR N COMMAND...: becomes the command, of which strace watches only the calls it fails.
tamper() {
    inject="inject=$1:error=$2:when=$3"
    shift 3
    exec strace -D -f -qq -o trace -e "$inject" "$@"
}

# no_signal CASE STATUS: 128 and above is a signal; timeout says 124 and 137
no_signal() {
    case $2 in
    124 | 137) fail "$1 hangs: $(tail -n 5 err)" ;;
    [0-9] | 1[0-9]) ;;
    *) fail "$1: exit status $2: $(tail -n 20 err)" ;;
    esac
    ! grep -Eq 'AddressSanitizer|runtime error|Assertion' err || fail "$1: $(tail -n 30 err)"
}

# client CALL ERROR N: connect sends the data to the echo; it says 0 only if all came back.
client() {
    (tamper "$@" timeout -k 2 8 "$SOCKIT" connect -w 2s 127.0.0.1 "$echo_port") <data >out 2>err &&
        status=0 || status=$?
    no_signal "connect, $1 $2 $3" "$status"
    if [ "$status" -eq 0 ]; then
        cmp -s data out || fail "connect, $1 $2 $3: status 0, but $(wc -c <out) bytes of 300000"
    else
        grep -q '^sockit connect: ' err || fail "connect, $1 $2 $3: status $status and not a word"
    fi
    cases=$((cases + 1))
}

up() { listening "$port" || gone "$pid"; }

# catcher CALL ERROR N: listen, which somebody sends the data to and reads from.
catcher() {
    free_port
    tamper "$@" timeout -k 2 8 "$SOCKIT" listen -w 2s "$port" <data >out 2>err &
    pid=$!
    until_true 5 up
    for _ in 1 2 3; do # who was refused for want of descriptors comes again
        gone "$pid" && break
        timeout 8 python3 peer.py talk "$port" >talk.log 2>&1 && talked=0 || talked=$?
        [ "$talked" -eq 0 ] && break
    done
    wait "$pid" && status=0 || status=$?
    no_signal "listen, $1 $2 $3" "$status"
    if [ "$status" -eq 0 ]; then
        cmp -s data out || fail "listen, $1 $2 $3: status 0, but $(wc -c <out) bytes of 300000"
        [ "$talked" -eq 0 ] || fail "listen, $1 $2 $3: status 0, but the peer: $(cat talk.log)"
    else
        grep -q '^sockit listen: ' err || fail "listen, $1 $2 $3: status $status and not a word"
    fi
    cases=$((cases + 1))
}

# server CALL ERROR N OPTION...: conversations may break, but then there are whole ones, unless the server said why it
# ended. It ends on TERM.
server() {
    name="serve $4, $1 $2 $3"
    call=$1 error=$2 when=$3
    shift 3
    free_port
    tamper "$call" "$error" "$when" "$SOCKIT" serve --timeout 2s "$@" "$port" </dev/null >out 2>err &
    pid=$!
    until_true 5 up
    whole=0
    for _ in 1 2 3 4 5 6; do
        timeout 8 python3 peer.py talk "$port" >talk.log 2>&1 && talked=0 || talked=$?
        [ "$talked" -ne 124 ] || fail "$name: a client hangs"
        [ "$talked" -ne 0 ] || whole=$((whole + 1))
        [ "$whole" -lt 2 ] || break
    done
    if gone "$pid"; then
        wait "$pid" && status=0 || status=$?
        [ "$status" -ne 0 ] || fail "$name: it ended, and said 0"
        grep -q '^sockit serve: ' err || fail "$name: status $status and not a word"
    else
        [ "$whole" -eq 2 ] || fail "$name: $(cat talk.log)"
        kill "$pid"
        until_true 8 gone "$pid" || {
            kill -KILL "$pid"
            fail "$name: it does not end"
        }
        wait "$pid" && status=0 || status=$?
        is 0 "$status"
    fi
    no_signal "$name" "$status"
    cases=$((cases + 1))
}

# The calls of each, seen by strace, and the errors that their manuals know.
at_work='epoll_pwait2 EINTR ENOSYS
epoll_ctl ENOMEM ENOSPC
socket EMFILE ENOMEM
recvfrom EINTR ECONNRESET ENOMEM
sendto EINTR ECONNRESET ENOBUFS
splice EINTR EIO ENOMEM EINVAL
sendfile EINTR EIO ENOMEM EINVAL
write ENOSPC EIO EINTR
pipe2 EMFILE
setsockopt ENOMEM
getsockopt ENOBUFS
shutdown ENOTCONN
getpeername ENOTCONN
eventfd2 EMFILE
epoll_create1 EMFILE'
accepting='accept4 EMFILE ENFILE ENOMEM ECONNABORTED EINTR EPERM
listen EADDRINUSE
bind EADDRINUSE EACCES'
connecting='connect EINTR ENETUNREACH EADDRNOTAVAIL'

# each FUNCTION LIST [OPTION...]: every line of the list with each of its errors, at the first, second, third call.
each() {
    function=$1
    echo "$2" >list
    shift 2
    while read -r call errors; do
        for error in $errors; do
            for when in 1 2 3; do
                echo "$function $call $error $when $*"
            done
        done
    done <list
}
{
    each client "$at_work
$connecting"
    each catcher "$accepting
$at_work"
    each server "$accepting
$at_work" --echo
    each server "$accepting
$at_work
$connecting" --to "127.0.0.1:$echo_port"
} >all

# torture.sh 'server accept4 EMFILE 1 --echo' runs that one, else as many as the time allows.
torture_all "$@"
