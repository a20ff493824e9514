#!/bin/sh
# What goes wrong is told in one sentence, word for word as here, and by the exit code.
. "${0%/*}/lib.sh"
need python3

# wrong STATUS SENTENCE WORDS...: what the program says, wholly.
wrong() {
    want=$1
    printf '%s\n' "$2" >sentence
    shift 2
    timeout 30 "$SOCKIT" "$@" </dev/null >out 2>err && status=0 || status=$?
    is "$want" "$status"
    same sentence err
    silent out
}

# ---- wrong words: exit code 2 ----
see() { printf "%s\nsee 'sockit %s --help'" "$1" "$2"; }
wrong 2 "$(see 'sockit connect: error: HOST[:PORT] is missing: the peer; also unix:/path' connect)" connect
wrong 2 "$(see 'sockit listen: error: [HOST:]PORT is missing: where to listen; also unix:/path' listen)" listen
wrong 2 "sockit connect: error: port '70000' is above 65535" connect localhost:70000
wrong 2 "sockit listen: error: port '70000' is above 65535" listen 70000
wrong 2 "sockit serve: error: port '70000' is above 65535" serve --echo 70000
wrong 2 "sockit connect: error: port 'nosuch' is neither a number nor a well-known service" connect localhost nosuch
wrong 2 "$(see "sockit connect: error: -w: time '1parsec' has an unknown unit: use ns, us, ms, s, m, h or d" connect)" \
    connect -w 1parsec localhost:1
wrong 2 "$(see "sockit connect: error: --limit-rate: rate 'fast' is not a number with a unit, such as 10mbit or 1MB/s" \
    connect)" connect --limit-rate fast localhost:1
wrong 2 "$(see "sockit serve: error: --queue: '1' is below 4KiB; give 4KiB to 1GiB" serve)" serve --echo --queue 1 7000
wrong 2 "$(see 'sockit serve: error: give one of --echo, --reply, --say, --discard, --exec, --to' serve)" serve 7000
wrong 2 "$(see "sockit serve: error: --allow: network '1.2.3.4/99' needs a number of bits from 0 to 32 after the /" \
    serve)" serve --echo --allow 1.2.3.4/99 7000
wrong 2 "$(see "sockit serve: error: --at-max: 'never' is none of refuse, wait" serve)" serve --echo --at-max never 7000
wrong 2 "$(see 'sockit serve: error: --tls of a server needs --cert FILE' serve)" serve --echo --tls 7000
wrong 2 "$(see 'sockit serve: error: --exec needs a stream: it does not go with --udp' serve)" serve -u --exec cat 7000
wrong 2 "$(see 'sockit connect: error: there is no option --nosuch' connect)" connect --nosuch a:1
wrong 2 "$(see "sockit connect: error: 'c' is one argument too many" connect)" connect a:1 b c
wrong 2 "$(see "sockit help: error: 'connect' is one argument too many after 'serve'" help)" help serve connect
wrong 2 "$(see 'sockit connect: error: --interactive and --send exclude each other' connect)" connect -i --send x a:1
wrong 2 "$(see "sockit connect: error: the port is given twice: in 'localhost:1', and as '2'" connect)" connect localhost:1 2
wrong 2 "$(see "sockit connect: error: the port is given twice: in '[::1]:1', and as '2'" connect)" connect '[::1]:1' 2
wrong 2 "$(see "sockit serve: error: --to: address 'localhost' has no port: write HOST:PORT" serve)" serve --to localhost 7000
wrong 2 "$(see "sockit serve: error: --to: port '99999' is above 65535" serve)" serve --to localhost:99999 7000
wrong 2 "$(see "sockit serve: error: --to udp:localhost:9 needs --udp" serve)" serve --to udp:localhost:9 7000
wrong 2 "$(see "sockit impair: error: '9ms' is one argument too many; a value of several words is quoted, as in \
--delay '100ms 20ms'" impair)" impair --listen 1 --to localhost:2 --delay 5ms 9ms
wrong 2 "$(see 'sockit connect: error: --ipv4 and --ipv6 exclude each other' connect)" connect -46 localhost:1
wrong 2 "$(see 'sockit connect: error: a Unix socket is neither IPv4 nor IPv6: leave out --ipv4 and --ipv6' connect)" \
    connect -4 unix:/nonexistent/s
wrong 2 "$(see "sockit serve: error: --ipv4 and --ipv6 are about the target of --to; to listen on IPv6, give its \
address: [::1]:7000" serve)" serve -6 --echo 7000
wrong 2 "$(see 'sockit impair: error: --ipv4 and --ipv6 are about --to' impair)" impair --bridge a b -4
wrong 2 "$(see 'sockit impair: error: --mtu is that of a bridge: give --bridge IF_A IF_B' impair)" \
    impair --listen 1 --to localhost:2 --mtu 1000
# what was meant to be verified, or secret, does not go out in the plain
wrong 2 "$(see 'sockit connect: error: --pin is about TLS: add --tls' connect)" connect --pin x localhost:1
wrong 2 "$(see 'sockit connect: error: --insecure is about TLS: add --tls' connect)" connect -k localhost:1
wrong 2 "$(see 'sockit listen: error: --cert is about TLS: add --tls' listen)" listen --cert /nonexistent 7000
wrong 2 "$(see 'sockit serve: error: --cacert is about TLS: add --tls' serve)" serve --echo --cacert /nonexistent 7000
wrong 2 "$(see 'sockit chat serve: error: --cert is about TLS: add --tls' 'chat serve')" chat serve --cert /nonexistent
wrong 2 "sockit serve: error: address 'tls:7000' needs TLS to be set up, with a certificate" serve --echo tls:7000

# ---- 3 resolve, 4 connect, 5 timeout, 6 broken, 7 tls, 8 local ----
wrong 3 'sockit connect: error: resolve 1.2.3.4.5: no such name' connect 1.2.3.4.5:1
wrong 3 'sockit connect: error: resolve ::1: that is an IPv6 address, but IPv4 is asked for' connect -4 ::1 9
wrong 3 'sockit connect: error: resolve 127.0.0.1: that is an IPv4 address, but IPv6 is asked for' connect -6 127.0.0.1 9
wrong 4 'sockit connect: error: connect /nonexistent/s: No such file or directory' connect unix:/nonexistent/s
free_port
wrong 4 "sockit connect: error: connect 127.0.0.1:$port: Connection refused" connect "127.0.0.1:$port"
spawn peer python3 -c '
import socket, struct, sys, time
full = socket.create_server(("127.0.0.1", 0), backlog=0)
crowd = []
for i in range(8):
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(full.getsockname())
    crowd.append(s)
l = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(full.getsockname()[1], flush=True)
c = l.accept()[0]
c.sendall(b"")
c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
time.sleep(0.3)
c.close()
c = l.accept()[0]
c.recv(10)
c.sendall(b"I do not speak TLS\r\n")
c.recv(10000)
c.close()' "$port"
wait_for '^[0-9]+$' peer.out
full=$(cat peer.out)
wrong 5 "sockit connect: error: connect 127.0.0.1:$full: no answer in time" connect -w 500ms "127.0.0.1:$full"
wrong 6 "sockit connect: error: talk to 127.0.0.1:$port: Connection reset by peer (the other end broke the connection off)" \
    connect "127.0.0.1:$port"
timeout 20 "$SOCKIT" connect --tls -k "127.0.0.1:$port" </dev/null >out 2>err && status=0 || status=$?
is 7 "$status"
says "^sockit connect: error: TLS with 127.0.0.1:$port: ." err
wrong 8 'sockit connect: error: /nonexistent/t: No such file or directory' connect -o /nonexistent/t localhost:1
wrong 8 'sockit connect: error: /nonexistent/t: No such file or directory' connect --pcap /nonexistent/t localhost:1
