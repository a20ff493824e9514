#!/bin/sh
# A disk that needs longer for the last bytes, or to copy what is replaced, than a peer may be silent: both ends wait for it, and
# answer meanwhile.
. "${0%/*}/lib.sh"
need strace
strace -qq -o /dev/null true 2>/dev/null || skip 'strace may not'
export ASAN_OPTIONS="${ASAN_OPTIONS:-}:detect_leaks=0" # which cannot be done under strace

free_port
printf 'a secret text\n' >key
head -c 3000000 /dev/urandom >file
spawn recv strace -D -f -qq -o trace -e trace=syncfs -e inject=syncfs:delay_enter=5s \
    "$SOCKIT" recv --timeout 2s --key-file key --listen "127.0.0.1:$port" in
wait_port "udp:$port"
exits 0 timeout 50 "$SOCKIT" send --timeout 2s --key-file key file "127.0.0.1:$port"
wait_gone "$pid"
is 0 "$status"
cmp file in/file || fail 'another file arrived'
grep -q 'syncfs(.*DELAYED' trace || fail "the disk was not slow: $(cat trace)"

# So with each write: the receiver reads on, answers at once, and nothing is lost for that it waits.
head -c 12000000 /dev/urandom >file
free_port
spawn recv strace -D -f -qq -o trace -e trace=pwrite64 -e inject=pwrite64:delay_enter=200ms \
    "$SOCKIT" recv --key-file key --listen "127.0.0.1:$port" slow
wait_port "udp:$port"
exits 0 timeout 50 "$SOCKIT" send --json --key-file key file "127.0.0.1:$port"
wait_gone "$pid"
is 0 "$status"
cmp file slow/file || fail 'another file arrived'
[ "$(grep -c 'pwrite64(.*DELAYED' trace)" -ge 12 ] || fail "the disk was not slow: $(cat trace)"
rtt=$(sed -n 's/.*"event":"done".*"rtt_ms":\([0-9]*\).*/\1/p' out)
[ "$rtt" -lt 100 ] || fail "the receiver answers after $rtt ms"

# ---- a large file is replaced: the old one is copied first, in pieces of 16 MiB ----
cp --reflink=always file shared 2>/dev/null && exit 0 # where that goes nothing is copied
slow_copy() {
    free_port
    spawn recv strace -D -f -qq -o trace -e trace=copy_file_range -e inject=copy_file_range:delay_enter=2s \
        "$SOCKIT" recv --overwrite --timeout 2s --key-file key --listen "127.0.0.1:$port" in
    wait_port "udp:$port"
}
head -c 40000000 /dev/urandom >file
cp file in/file
printf 'another end' >>file
printf 'the old end' >>in/file
cp in/file old
slow_copy
receiver=$pid
spawn send "$SOCKIT" send --timeout 2s --key-file key file "127.0.0.1:$port"
until_true 20 test -e in/file.part-sockit || fail 'no copy is made'
kill -KILL "$receiver" # in the middle of it
wait_gone "$pid"
[ "$status" -ne 0 ] || fail 'send is content without a receiver'
cmp old in/file || fail 'the old file is another one'

free_port
spawn recv "$SOCKIT" recv --overwrite --key-file key --listen "127.0.0.1:$port" in
receiver=$pid
wait_port "udp:$port"
exits 0 timeout 50 "$SOCKIT" send --key-file key file "127.0.0.1:$port" # what was copied is compared, the rest sent
wait_gone "$receiver"
is 0 "$status"
cmp file in/file || fail 'another file arrived after the kill'

cp old in/file
slow_copy
receiver=$pid
exits 0 timeout 50 "$SOCKIT" send --timeout 2s --key-file key file "127.0.0.1:$port"
wait_gone "$receiver"
is 0 "$status"
cmp file in/file || fail 'another file arrived'
is "$(printf 'file\n')" "$(ls -A in)"
grep -q 'copy_file_range(.*DELAYED' trace || fail "the copy was not slow: $(cat trace)"
