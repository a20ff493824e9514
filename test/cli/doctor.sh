#!/bin/sh
# doctor tries what this machine allows, and says what to do about the rest.
. "${0%/*}/lib.sh"

exits 0 "$SOCKIT" doctor
says '^ok +ip4 +yes$' out
says '^[a-z]+ +landlock ' out
says '^ok +plug-ins +tls dns edit sandbox crypt qr$' out
says '^ok +cipher +AES-128-GCM by (openssl|ipsec-mb (sse|avx|avx2|avx512( vaes)?))$' out
says '^(ok +io_uring +yes|absent +io_uring +no: .*)$' out

exits 0 env SOCKIT_CRYPT=openssl "$SOCKIT" doctor
says '^ok +cipher +AES-128-GCM by openssl$' out

# What is taken away is found lacking, with the way out.
(
    # shellcheck disable=SC3045 # dash and busybox have -n
    ulimit -n 200
    exits 0 "$SOCKIT" doctor
) || exit 1
says '^lacking +files +200 now, up to 200$' out
says '^ +do: +raise the hard limit' out
says 'lacking; all else works' err
exits 0 "$SOCKIT" -q doctor
silent err

exits 0 "$SOCKIT" doctor --json
says '^\{"check":"ip4","state":"ok","found":"yes","for":"TCP over 127.0.0.1","do":null\}$' out
is "$(wc -l <out)" "$(grep -c '^{"check":"[a-z0-9_ -]*","state":"\(ok\|lacking\|broken\|absent\|unknown\)",.*}$' out)"

# Without a loopback nothing works: said, and exit code 1.
if unshare -rn true 2>/dev/null; then
    exits 1 unshare -rn "$SOCKIT" doctor
    says '^broken +ip4 +no: ' out
    says 'ip link set lo up' out
fi

# As somebody who may less.
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
    chmod 755 "$tmp"
    exits 0 setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs "$SOCKIT" doctor
    says '^lacking +raw sockets +no: Operation not permitted$' out
    says 'cap_net_raw' out
    says '^absent +rights +none of those for networks$' out
fi
