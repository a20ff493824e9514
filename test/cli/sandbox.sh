#!/bin/sh
# What the verbs still do after they gave up rights, files and system calls; and that they gave them up.
. "${0%/*}/lib.sh"
need nc socat openssl cmp
[ "${SOCKIT_SANDBOX:-}" != off ] || skip "SOCKIT_SANDBOX=off: a sanitizer looks into the process"

# shut PID: is each of its threads in the sandbox?
field() { sed -n "s/^$2:[[:space:]]*//p" "$1"; }
all_shut() {
    for status_of in /proc/"$1"/task/*/status; do
        [ "$(field "$status_of" NoNewPrivs)$(field "$status_of" CapEff)" = 10000000000000000 ] || return 1
        [ "$(field "$status_of" Seccomp)" = "$2" ] || return 1
    done
}
shut() {
    until_true 10 all_shut "$1" "${2-2}" || fail "not shut in: $(grep -E 'Seccomp|NoNew|Cap' "/proc/$1/task/"*/status)"
}
stop() {
    kill "$1"
    wait_gone "$1"
    is 0 "$status"
}
head -c 3000000 /dev/urandom >data

# ---- serve: bytes come back, by one thread and by two ----
for threads in 1 2; do
    free_port
    spawn serve "$SOCKIT" serve --echo -j $threads "$port"
    server=$pid
    wait_port "$port"
    shut "$server"
    is $threads "$(find "/proc/$server/task" -mindepth 1 -maxdepth 1 | wc -l)"
    for i in 1 2 3 4; do
        nc -N 127.0.0.1 "$port" <data >back$i &
    done
    for i in 1 2 3 4; do
        until_true 30 cmp -s data back$i || fail "no echo of a whole file by $threads threads"
    done
    stop "$server"
done

# ---- listen and connect, with a capture and a transcript that were opened before ----
free_port
spawn listen "$SOCKIT" listen --pcap listen.pcapng -o script "$port"
listener=$pid
wait_port "$port"
shut "$listener"
exits 0 "$SOCKIT" connect localhost "$port" <data
wait_gone "$listener"
is 0 "$status"
same data listen.out
[ -s listen.pcapng ] || fail "no capture"
[ -s script ] || fail "no transcript"

free_port
spawn nc nc -l 127.0.0.1 "$port"
wait_port "$port"
mkfifo hold.in
spawn hold "$SOCKIT" connect 127.0.0.1 "$port"
client=$pid
exec 3>hold.in
shut "$client"
cat data >&3
exec 3>&-
wait_gone "$client"
is 0 "$status"
until_true 10 cmp -s data nc.out || fail "connect did not send the file"

# ---- a relay to names: of ours, and of the hosts file, which is read late ----
free_port
echo_port=$port
spawn echo "$SOCKIT" serve --echo "$echo_port"
echo_pid=$pid
wait_port "$echo_port"
relay() { # relay COMMAND...: runs it, a relay on $port
    spawn relay "$@"
    relay_pid=$pid
    wait_port "$port"
    shut "$relay_pid"
    nc -N 127.0.0.1 "$port" <data >back
    same data back
    stop "$relay_pid"
}
free_port
relay "$SOCKIT" serve --to "localhost:$echo_port" "$port"
free_port
relay "$SOCKIT" serve -j 2 --to "localhost:$echo_port" "$port"
if unshare -rm true 2>/dev/null; then
    echo '127.0.0.1 house.test' >hosts
    free_port
    # shellcheck disable=SC2016 # for the inner shell
    relay unshare -rm sh -c 'mount --bind hosts /etc/hosts && exec "$@"' sh \
        "$SOCKIT" serve --to "house.test:$echo_port" "$port"
fi
stop "$echo_pid"

# ---- TLS: a certificate that takes the place of another is read by SIGHUP, also through a link ----
certificate() { # certificate NAME DIRECTORY
    mkdir -p "$2"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
        -addext "subjectAltName=DNS:$1" -keyout "$2/key" -out "$2/cert" 2>/dev/null || fail "openssl req"
}
subject() { openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
serves() { subject | grep -q "$1"; }
certificate first.test archive/1
certificate second.test archive/2
mkdir live
ln -s ../archive/1/cert live/cert
ln -s ../archive/1/key live/key
free_port
spawn tls "$SOCKIT" serve --echo --tls --cert live/cert --key live/key "$port"
server=$pid
wait_port "$port"
shut "$server"
serves first.test || fail "wrong certificate: $(subject)"
cat archive/2/cert >archive/1/cert.new
cat archive/2/key >archive/1/key.new
mv archive/1/cert.new archive/1/cert
mv archive/1/key.new archive/1/key
kill -HUP "$server"
until_true 10 serves second.test || fail "old certificate: $(subject) $(cat tls.err)"
socat -t 10 - "OPENSSL:127.0.0.1:$port,verify=0" <data >back
same data back
stop "$server"

# ---- Unix sockets: of streams, gone at the end, and of datagrams ----
spawn unix "$SOCKIT" serve --echo "unix:$tmp/stream"
server=$pid
until_true 10 test -S stream
shut "$server"
socat -t 10 - UNIX-CONNECT:stream <data >back
same data back
echo 'by a path' | "$SOCKIT" connect -U "$tmp/stream" >back || fail "connect -U"
is 'by a path' "$(cat back)"
stop "$server"
[ ! -e stream ] || fail "the socket's file is still there"
spawn unixgram "$SOCKIT" listen -u -U "$tmp/datagram"
server=$pid
until_true 10 test -S datagram
shut "$server"
echo 'one datagram' | socat - UNIX-SENDTO:datagram
wait_for 'one datagram' unixgram.out
kill "$server"
wait_gone "$server"

# ---- commands get no rights, but every system call and file ----
free_port
# shellcheck disable=SC2016 # for the inner shell
spawn exec "$SOCKIT" serve --exec 'read line; ls /proc/self/fd >/dev/null && echo "$line" | tr a-z A-Z' "$port"
server=$pid
wait_port "$port"
shut "$server" 0
is LOUD "$(echo loud | nc 127.0.0.1 "$port")"
stop "$server"

# ---- chat, and the way out ----
free_port
spawn hub "$SOCKIT" chat serve --listen "127.0.0.1:$port"
server=$pid
wait_port "$port"
shut "$server"
printf 'NICK ann\r\nUSER ann 0 * :Ann\r\nQUIT\r\n' | nc -q 5 127.0.0.1 "$port" >back
says ' 001 ann ' back
stop "$server"
free_port
SOCKIT_SANDBOX=off spawn open "$SOCKIT" serve --echo "$port"
server=$pid
wait_port "$port"
is 0 "$(field "/proc/$server/status" Seccomp)"
stop "$server"

# ---- a kernel that lacks a part, and one that refuses ----
if strace -o trace true 2>/dev/null; then
    free_port
    for lack in landlock_create_ruleset seccomp; do
        exits 4 strace -o trace -e "inject=$lack:error=ENOSYS" "$SOCKIT" -v connect -z 127.0.0.1 "$port"
        says '^debug: sandbox: no rights' err
    done
    exits 9 strace -o trace -e inject=capset:error=EPERM "$SOCKIT" connect -z 127.0.0.1 "$port"
    says 'the sandbox, which SOCKIT_SANDBOX=off leaves out: Operation not permitted' err
fi
