#!/bin/sh
# The programs of examples/ among themselves, and each against Python's socket as the tutorials use it, both ways.
. "${0%/*}/lib.sh"
need python3
EXAMPLES=${EXAMPLES:-$top/build/examples}

py() { # PROGRAM ARGUMENT...: with what the tutorials import
    program=$1
    shift
    python3 -c "import socket, sys, threading, time
$program" "$@"
}

# A server of Python's for tests: binds port 0, and says which it got in its first line.
served() { # NAME PROGRAM
    spawn "$1" python3 -u -c "import socket, ssl, sys, threading, time
$2"
    wait_for '^[0-9]+$' "$1.out"
    port=$(head -n 1 "$1.out")
}

ours() { # NAME PROGRAM [PREFIX]: one of our servers, on a free port
    free_port
    spawn "$1" "$EXAMPLES/$2" "${3-}127.0.0.1:$port"
    wait_port "$([ -z "${3-}" ] || echo udp:)$port"
}

# ---- one fixed message ----
ours hello hello_server
hello_pid=$pid
exits 0 "$EXAMPLES/hello_client" "127.0.0.1:$port"
is 'Hello from server' "$(cat out)"
exits 0 "$EXAMPLES/hello_client" "localhost:$port" 'a message of my own'
is 'Hello from server' "$(cat out)"
is 'Hello from server' "$(py '
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
s.connect(("127.0.0.1", int(sys.argv[1])))
s.send("Hello from client".encode())
print(s.recv(1024).decode(), end="")
s.close()' "$port")"
py '
for i in range(20): # who sends much and reads late still gets the answer: no reset takes it
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    s.sendall(b"x" * 100000)
    time.sleep(0.01)
    assert s.recv(1024) == b"Hello from server\n"
    s.close()' "$port" || fail "an answer was lost"
kill -INT "$hello_pid"
wait_gone "$hello_pid"
is 0 "$status"
says '^Connection from 127.0.0.1:[0-9]+$' hello.out
exits 1 "$EXAMPLES/hello_client" "127.0.0.1:$port"
says "127.0.0.1:$port.*refused" err

served once '
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("localhost", 0))
listener.listen(5)
print(listener.getsockname()[1])
for answer in "Hello from Python: caf\u00e9", "\x1b]0;mine now\a":
    conn, addr = listener.accept()
    print(conn.recv(1024).decode())
    for byte in answer.encode(): # every character in pieces
        conn.send(bytes([byte]))
        time.sleep(0.002)
    conn.close()'
exits 0 "$EXAMPLES/hello_client" "localhost:$port" 'Grüße'
is 'Hello from Python: café' "$(cat out)"
exits 0 "$EXAMPLES/hello_client" "localhost:$port"
is '\x1b]0;mine now\x07' "$(cat out)"
says '^Grüße$' once.out

# ---- a server for many ----
ours reply reply_server
reply_pid=$pid
printf 'one\nzwei und drei: äöü\n\nquit\nnever sent\n' >talk.in
"$EXAMPLES/reply_client" "127.0.0.1:$port" <talk.in >talk.out 2>talk.err || fail "reply_client: $(cat talk.err)"
grep -o 'Server response: .*' talk.out >answers
printf 'Server response: Server received: %s\n' one 'zwei und drei: äöü' '' >want
same want answers
says "Enter message \(or 'quit' to exit\)" talk.out
exits 0 "$EXAMPLES/manual" "127.0.0.1:$port" # what skt_net(3) shows
is 'Server received: Hello' "$(cat out)"
py '
def dial():
    return socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)

silent = dial()                       # holds up nobody
half = dial()
half.sendall("h\u00e9".encode()[:2])  # half a character: the rest comes when all others were served
clients = [dial() for i in range(20)]
for i, c in enumerate(clients):
    c.sendall(f"line {i}\nnext {i}\n".encode())
for i, c in enumerate(clients):
    f = c.makefile("rb")
    assert f.readline() == f"Server received: line {i}\n".encode()
    assert f.readline() == f"Server received: next {i}\n".encode()
old = dial()                          # as the tutorials do it: no LF, a message is what send was given
for text in "Hello", "wie gehts":
    old.send(text.encode())
    assert old.recv(1024).decode() == "Server received: " + text + "\n"
half.sendall("h\u00e9".encode()[2:] + b"\n")
got = b""
while not got.endswith(b"\xc3\xa9\n"):
    got += half.recv(1024)
assert b"\xef\xbf\xbd" not in got
' "$port" || fail "Python's clients of reply_server"
all_left() { [ "$(grep -c ' left' reply.out)" -eq 25 ]; }
until_true 10 all_left || fail "not all have left: $(cat reply.out)"
is 25 "$(grep -c ' connected$' reply.out)"
py '
import struct
s = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) for i in range(100)]
for c in s:                           # all of them are in
    c.sendall(b"x\n")
    assert c.recv(100) == b"Server received: x\n"
late = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
assert b"full" in late.recv(100) and late.recv(100) == b""
s[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.pop(0).close()                      # a reset makes room too
for i in range(100):
    late = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10)
    late.sendall(b"y\n")
    try:
        if late.recv(100) == b"Server received: y\n":
            break
    except ConnectionResetError:      # turned away with our line unread
        pass
    time.sleep(0.02)
else:
    raise SystemExit("the seat stays taken")
' "$port" || fail "the cap of reply_server"
says 'turned away' reply.out
says 'left: .*reset' reply.out
kill -INT "$reply_pid"
wait_gone "$reply_pid"
is 0 "$status"
says '^Server stopped$' reply.out

served threads '
def talk(conn, addr):
    while True:
        data = conn.recv(1024)
        if not data:
            break
        conn.send(("Server received: " + data.decode().rstrip("\n")).encode())
        if data == b"bye\n":
            break
    conn.close()

listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(5)
print(listener.getsockname()[1])
while True:
    conn, addr = listener.accept()
    threading.Thread(target=talk, args=(conn, addr), daemon=True).start()'
printf 'hello\nwörld\nquit\n' >talk.in
"$EXAMPLES/reply_client" "127.0.0.1:$port" <talk.in >talk.out 2>talk.err || fail "reply_client: $(cat talk.err)"
grep -o 'Server response: .*' talk.out >answers
printf 'Server response: Server received: %s\n' hello wörld >want
same want answers
printf 'bye\nanyone there?\n' >talk.in
"$EXAMPLES/reply_client" "127.0.0.1:$port" <talk.in >talk.out 2>talk.err && fail "it did not notice that the server left"
says 'closed|reset' talk.err
free_port
exits 1 "$EXAMPLES/reply_client" "127.0.0.1:$port"
says "127.0.0.1:$port.*refused" err

# ---- datagrams ----
ours udp udp_server udp:
udp_pid=$pid
printf 'one\n\nçé\nquit\n' >talk.in
"$EXAMPLES/udp_client" "udp:127.0.0.1:$port" <talk.in >talk.out 2>talk.err || fail "udp_client: $(cat talk.err)"
grep -o 'Server response: .*' talk.out >answers
printf 'Server response: Server received: %s\n' one '' çé >want
same want answers
py '
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(10)]
for i, c in enumerate(s):
    c.settimeout(10)
    c.sendto(f"m{i}".encode(), ("127.0.0.1", int(sys.argv[1])))
for i, c in enumerate(s):
    assert c.recvfrom(1024)[0] == f"Server received: m{i}".encode()
s[0].sendto(b"z" * 60000, ("127.0.0.1", int(sys.argv[1])))
assert s[0].recvfrom(65535)[0] == b"Server received: " + b"z" * 60000
' "$port" || fail "Python's clients of udp_server"
kill -INT "$udp_pid"
wait_gone "$udp_pid"
is 0 "$status"

# The first answer is lost, the second comes too late, the third in time: the client must not take one for another.
served lossy '
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])
s.recvfrom(1024)
data, addr = s.recvfrom(1024)
time.sleep(2.2)
s.sendto(b"late: " + data, addr)
data, addr = s.recvfrom(1024)
s.sendto(b"in time: " + data, addr)'
{
    printf 'one\ntwo\n'
    sleep 4.8
    printf 'three\n'
} | "$EXAMPLES/udp_client" "udp:127.0.0.1:$port" >talk.out 2>talk.err || fail "udp_client: $(cat talk.err)"
is 2 "$(grep -c 'No answer within 2 s' talk.out)"
is 'Server response: in time: three' "$(grep -o 'Server response: .*' talk.out)"

# ---- the scanner and the HTTP client ----
served open '
listeners = [socket.create_server(("127.0.0.1", 0)) for i in range(3)]
print(listeners[0].getsockname()[1])
print(*sorted(l.getsockname()[1] for l in listeners))
time.sleep(60)'
wait_for ' ' open.out
for open in $(tail -n 1 open.out); do
    exits 0 "$EXAMPLES/scan_ports" 127.0.0.1 "$open" "$open"
    says "^Port $open is open$" out
    says "^1 of 1 ports of 127.0.0.1 are open \([0-9.]+ s\) $open$" out
done
free_port
exits 0 "$EXAMPLES/scan_ports" localhost "$port" "$port"
says '^0 of 1 ports' out
exits 2 "$EXAMPLES/scan_ports" localhost 5 70000
exits 2 "$EXAMPLES/scan_ports" 'no host' 1 2

served http '
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1])
for head in b"HTTP/1.0 200 OK\r\nA: 1\r\nA: 2\r\n\r\n", b"HTTP/1.0 200", b"x" * 100000, b"A: 1\n" * 300:
    conn = listener.accept()[0]
    request = b""
    while b"\r\n\r\n" not in request:
        request += conn.recv(1024)
    try:
        conn.sendall(head + request + b"\xff\x00" + b"x" * 100000)
    except OSError:
        pass
    conn.close()'
exits 0 "$EXAMPLES/http_get" "http://localhost:$port/path?query=1#fragment"
says '^HTTP/1.0 200 OK$' out
is 2 "$(grep -c '^A: [12]$' out)"
says '^GET /path\?query=1 HTTP/1.0' out
says "^Host: localhost:$port" out
says '\\xff\\x00x' out
says '\(body of 100[0-9]* bytes\)' out
exits 0 "$EXAMPLES/http_get" "http://localhost:$port?no=slash"
says 'GET /\?no=slash HTTP/1.0$' out
exits 1 "$EXAMPLES/http_get" "http://localhost:$port" # a line without end
exits 1 "$EXAMPLES/http_get" "http://localhost:$port" # headers without end
says 'too many headers' err
for url in '' / http:// ftp://localhost/ 'http://localhost/a b' "http://localhost/$(printf '\r')"; do
    exits 1 "$EXAMPLES/http_get" "$url"
    says '^http_get http' err
done

# ---- other families, and TLS ----
if [ -e /proc/net/if_inet6 ]; then
    free_port
    spawn hello6 "$EXAMPLES/hello_server" "[::1]:$port"
    wait_port "$port"
    exits 0 "$EXAMPLES/hello_client" "[::1]:$port"
    is 'Hello from server' "$(cat out)"
    exits 0 "$EXAMPLES/hello_client" "localhost:$port" # which tries both
    is 'Hello from server' "$(cat out)"
fi
spawn local "$EXAMPLES/reply_server" "unix:$tmp/socket"
until_true 10 test -S "$tmp/socket" || fail "no socket"
echo over Unix >talk.in
"$EXAMPLES/reply_client" "unix:$tmp/socket" <talk.in >talk.out 2>talk.err || fail "reply_client: $(cat talk.err)"
says 'Server received: over Unix' talk.out

if command -v openssl >/dev/null && python3 -c 'import ssl' 2>/dev/null; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2 \
        -subj /CN=localhost -addext subjectAltName=DNS:localhost 2>/dev/null || fail "openssl req"
    served tls '
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1])
while True:
    conn = listener.accept()[0]
    try:
        with context.wrap_socket(conn, server_side=True) as s:
            s.sendall(b"over TLS: " + s.recv(1024))
            s.unwrap()
    except (ssl.SSLError, OSError):
        pass'
    exits 0 env SSL_CERT_FILE="$tmp/cert.pem" "$EXAMPLES/hello_client" "tls:localhost:$port" hi
    is 'over TLS: hi' "$(cat out)"
    exits 1 "$EXAMPLES/hello_client" "tls:localhost:$port" hi # nobody vouches for it
    says 'TLS' err
fi

# ---- every system call fails in turn: no signal, no hang, an error told ----
# strace -D: the child is the program and not its tracer, which would not let itself be ended.
command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null || exit 0
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # which cannot be done under strace
ours survivor hello_server
for call in socket connect ppoll getsockopt epoll_create1 sendmsg recvfrom shutdown; do
    for error in ENOMEM EINTR EMFILE; do
        for nth in 1 2; do
            timeout 20 strace -D -qq -o /dev/null -e "inject=$call:error=$error:when=$nth" \
                "$EXAMPLES/hello_client" "127.0.0.1:$port" >out 2>err
            case $? in
            0) is 'Hello from server' "$(cat out)" ;;
            1) grep -q "127.0.0.1:$port: ." err || fail "$call $error $nth: no reason: $(cat err)" ;;
            *) fail "$call $error $nth: neither success nor failure: $(cat out err)" ;;
            esac
        done
    done
done
for error in ENOMEM EINTR EMFILE ECONNABORTED EPERM; do # a server goes on
    free_port
    spawn "faulty.$error" strace -D -qq -o /dev/null -e "inject=accept4:error=$error:when=1..3" \
        "$EXAMPLES/hello_server" "127.0.0.1:$port"
    wait_port "$port"
    answered=0
    for _ in 1 2 3 4 5; do
        [ "$("$EXAMPLES/hello_client" "127.0.0.1:$port" 2>/dev/null)" = 'Hello from server' ] && answered=$((answered + 1))
    done
    [ $answered -ge 2 ] || fail "accept4 $error: only $answered of 5 clients were served"
done
