#!/bin/sh
# send, when the receiver has no place for it yet: it says so once, asks again, and tells in the end what is true.
. "${0%/*}/lib.sh"
need python3

head -c 4000000 /dev/urandom >big
echo small >small

# receiver NAME: recv with a pair code, which is left in $code.
receiver() {
    free_port
    to=127.0.0.1:$port
    dir=in.$1 log=$1.err
    spawn "$1" "$SOCKIT" recv --listen "$to" "$dir"
    receiver=$pid
    wait_for 'type:  sockit send --pair' "$log"
    code=$(sed -n 's/.*--pair \([^ ]*\) .*/\1/p' "$log" | tail -n 1)
}
# first: who has the code's one conversation, for two seconds.
first() {
    spawn first "$SOCKIT" send --pair "$code" --limit-rate 2MB/s big "$to"
    first=$pid
    until_true 20 test -s "$dir/big.part-sockit" || fail "nothing arrives"
}
is_said_once() {
    is 1 "$(grep -c 'is busy, or has no code at the moment: trying again' "$1")"
    ! grep -q 'no answer from' "$1" || fail "an answer came: $(cat "$1")"
}

# ---- the code is used up, and the receiver ends with its first sender: who waited is told that it is gone ----
receiver once
first
exits 4 timeout 25 "$SOCKIT" send --pair "$code" --json small "$to"
is_said_once err
says 'was there a moment ago, and has ended' err
says '"event":"put_off","session":0,"peer":"127' out
wait_gone "$first"
is 0 "$status"
wait_gone "$receiver"
is 0 "$status"

# ---- its time is up before that: busy ----
receiver busy
first
exits 10 timeout 25 "$SOCKIT" send --pair "$code" --timeout 1s small "$to"
is_said_once err
says "$to: the receiver is busy, or waits for a new code" err
wait_gone "$first"
wait_gone "$receiver"

# ---- who asked first never goes on, and is forgotten after 10 s: then it goes, and nobody has to type anything twice ----
receiver ghost
python3 - "$port" <<'END' || fail "no ACCEPT"
import os, socket, sys
# an INIT whose share is the base point of ristretto255; of the answers: RETRY has the cookie, ACCEPT is what is wanted
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(("127.0.0.1", int(sys.argv[1])))
head = bytes([1, 0, 0, 1]) + os.urandom(4) + bytes(8)
body = bytes([1]) + os.urandom(16) + bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76")
s.send((head + body + bytes([0])).ljust(1200, b"\0"))
retry = s.recv(2000)
s.send((head + body + retry[16:]).ljust(1200, b"\0"))
sys.exit(s.recv(2000)[0] != 3)
END
exits 0 timeout 25 "$SOCKIT" send --pair "$code" small "$to"
is_said_once err
wait_gone "$receiver"
is 0 "$status"
cmp small in.ghost/small || fail "another file arrived"
