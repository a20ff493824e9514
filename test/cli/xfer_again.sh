#!/bin/sh
# A sender that was killed and begins again at once does not wait for its own ghost, whose session still holds the file.
. "${0%/*}/lib.sh"

free_port
printf 'a secret text\n' >key
head -c 40000000 /dev/urandom >file
spawn recv "$SOCKIT" recv -k --key-file key --listen "127.0.0.1:$port" in
wait_port "udp:$port"
"$SOCKIT" send --key-file key --limit-rate 4MB/s file "127.0.0.1:$port" >/dev/null 2>ghost.err &
ghost=$!
until [ -s in/file.part-sockit ]; do
    kill -0 "$ghost" || fail "it ended: $(cat ghost.err)"
    sleep 0.1
done
kill -KILL "$ghost"
began=$(date +%s)
exits 0 timeout 25 "$SOCKIT" send --key-file key file "127.0.0.1:$port"
took=$(($(date +%s) - began))
[ "$took" -lt 15 ] || fail "it waited $took s" # the ghost's silence would be 30
cmp file in/file || fail 'another file arrived'

# But who holds a file and is silent for a moment only keeps it, although another one brings the same name all the while.
head -c 8000000 /dev/urandom >mine
mkdir other
head -c 8000000 /dev/urandom >other/mine
"$SOCKIT" send --key-file key --limit-rate 2MB/s mine "127.0.0.1:$port" >/dev/null 2>mine.err &
first=$!
until [ -s in/mine.part-sockit ]; do
    kill -0 "$first" || fail "it ended: $(cat mine.err)"
    sleep 0.1
done
timeout 50 "$SOCKIT" send --key-file key other/mine "127.0.0.1:$port" >/dev/null 2>other.err &
second=$!
sleep 1
kill -STOP "$first"
sleep 2.5
kill -CONT "$first"
wait "$first" || fail "a break of 2.5 s: $(cat mine.err)"
cmp mine in/mine || fail 'another file arrived'
wait "$second"
is 8 $?
says 'exists there and differs' other.err
