#!/bin/sh
# TLS as a user meets it, with OpenSSL's own client and server at the other end.
. "${0%/*}/lib.sh"
need openssl python3

# certificate NAME SAN: NAME.crt and NAME.key, signed by itself.
certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$1.key" -out "$1.crt" -days 2 \
        -subj "/CN=$1" -addext "subjectAltName=$2" 2>/dev/null || fail "openssl makes no certificate"
}
pin_of() {
    openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64
}
shown() { # the name in the certificate that the server shows
    openssl s_client -connect "127.0.0.1:$port" </dev/null 2>/dev/null | openssl x509 -noout -subject
}
tells() { grep -Fq -e "$1" "$2" || fail "no '$1' in $2: $(cat "$2")"; } # as says, but no pattern: base64 has '+'
shows() { [ "$(shown)" = "subject=CN = $1" ]; }

certificate one DNS:localhost,IP:127.0.0.1
certificate two DNS:two.test
head -c 3000000 /dev/urandom >big

# --- our server, OpenSSL's client ---
cp one.crt now.crt
cp one.key now.key
free_port
server=$port
spawn serve "$SOCKIT" serve --echo --tls --cert now.crt --key now.key "127.0.0.1:$port"
served=$pid
wait_port "$port"
for version in -tls1_2 -tls1_3; do
    mkfifo "client$version.in"
    (exec 3<>"client$version.in" && echo "hello $version" >&3 && sleep 20) &
    holder=$!
    pids="$pids $holder"
    spawn "client$version" openssl s_client -quiet "$version" -CAfile one.crt -verify_return_error -connect "127.0.0.1:$port"
    wait_for "hello $version" "client$version.out"
    kill "$pid" "$holder"
done
openssl s_client -tls1_1 -cipher 'ALL:@SECLEVEL=0' -connect "127.0.0.1:$port" </dev/null >old 2>&1 &&
    fail "TLS 1.1 was accepted"
says 'protocol version' old
printf 'GET / HTTP/1.0\r\n\r\n' | "$SOCKIT" connect 127.0.0.1 "$port" >plain 2>/dev/null # must not trouble the server
shows one || fail "the server does not go on: $(shown)"

# --- a handshake that fails leaves a line and is counted ---
wait_for '^TLS with 127\.0\.0\.1:[0-9]+: .*version' serve.err
wait_for '^TLS with 127\.0\.0\.1:[0-9]+: .*TLS' serve.err
free_port
spawn counts "$SOCKIT" serve --echo --tls --cert one.crt --key one.key --json --stats 1h "$port"
counts=$pid
wait_port "$port"
for _ in 1 2 3; do
    printf '\026\003\001\000\005hello' | "$SOCKIT" connect 127.0.0.1 "$port" >plain 2>/dev/null
done
until_true 10 shows one || fail "no TLS after garbage"
python3 -c '
import socket, struct, sys, time
silent = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
time.sleep(0.2)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
s.close()
silent.settimeout(20)
assert silent.recv(1) == b""' "$port" || fail "who says nothing is not let go"
wait_for '"event":"tls_failed","peer":"127\.0\.0\.1:[0-9]+","error":"Connection reset by peer"' counts.out
wait_for '"event":"tls_failed","peer":"127\.0\.0\.1:[0-9]+","error":"no handshake in time"' counts.out
kill "$counts"
wait_gone "$counts"
says '"event":"tls_failed","peer":"127\.0\.0\.1:[0-9]+","error":"[^"]+"' counts.out
tail -n 1 counts.out >last
says '"event":"stats".*"accepted":6,.*"tls_failed":5[,}]' last
port=$server

# --- our server, our client ---
"$SOCKIT" connect --tls --cacert one.crt 127.0.0.1 "$port" <big >back 2>err || fail "connect: $(cat err)"
cmp big back || fail "the echo is something else"

# --- SIGHUP: the new certificate, or the old one and a reason ---
echo broken >now.crt
kill -HUP "$served"
wait_for "no PEM certificate" serve.err
shows one || fail "a broken certificate took the place of a good one"
cp two.crt now.crt
cp two.key now.key
kill -HUP "$served"
until_true 10 shows two || fail "after SIGHUP still: $(shown)"
cp one.crt now.crt
cp one.key now.key
kill -HUP "$served"
until_true 10 shows one || fail "after SIGHUP still: $(shown)"

# --- what our client refuses: exit status 7, and why ---
pin=$(pin_of one.crt) other=$(pin_of two.crt)
exits 7 "$SOCKIT" connect --tls 127.0.0.1 "$server" </dev/null
tells "self-signed certificate: use --cacert or --pin sha256//$pin" err
exits 7 "$SOCKIT" connect --tls --cacert one.crt --servername wrong.test 127.0.0.1 "$server" </dev/null
tells "certificate is for 'localhost', 127.0.0.1, not for 'wrong.test'" err
exits 7 "$SOCKIT" connect --tls --pin "sha256//$other" 127.0.0.1 "$server" </dev/null
tells "the server's key is sha256//$pin, not the pinned one" err
exits 0 "$SOCKIT" connect --tls --pin "sha256//$pin" 127.0.0.1 "$server" </dev/null
exits 0 "$SOCKIT" connect --tls --insecure 127.0.0.1 "$server" </dev/null

# --- our client, OpenSSL's server: both directions, byte for byte ---
mkfifo sink.in # that it does not end: s_server would close
exec 7<>sink.in
free_port
spawn sink openssl s_server -quiet -naccept 1 -cert one.crt -key one.key -accept "127.0.0.1:$port"
sink=$pid
wait_port "$port"
"$SOCKIT" connect --tls --cacert one.crt localhost "$port" <big >out 2>err || fail "connect: $(cat err)"
wait_gone "$sink"
cmp big sink.out || fail "OpenSSL got something else"

free_port
spawn source openssl s_server -WWW -naccept 1 -cert one.crt -key one.key -accept "127.0.0.1:$port"
wait_port "$port"
printf 'GET /big HTTP/1.0\r\n\r\n' |
    timeout 20 "$SOCKIT" connect --tls --cacert one.crt 127.0.0.1 "$port" >got 2>err || fail "connect: $(cat err)"
tail -c 3000000 got | cmp big - || fail "OpenSSL sent something else"
