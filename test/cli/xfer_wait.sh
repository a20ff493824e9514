#!/bin/sh
# send, when the receiver has no place for it yet: it says so once, asks again, and tells in the end what is true.
. "${0%/*}/lib.sh"

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
# first RATE: who has the code's one conversation, of 4 MB.
first() {
    spawn first "$SOCKIT" send --pair "$code" --limit-rate "$1" big "$to"
    first=$pid
    until_true 20 test -s "$dir/big.part-sockit" || fail "nothing arrives"
}
is_said_once() {
    is 1 "$(grep -c 'is busy, or has no code at the moment: trying again' "$1")"
    ! grep -q 'no answer from' "$1" || fail "an answer came: $(cat "$1")"
}

# ---- the code is used up, and the receiver ends with its first sender: who waited is told that it is gone ----
receiver once
first 1MB/s
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
first 500kB/s
exits 10 timeout 25 "$SOCKIT" send --pair "$code" --timeout 1s small "$to"
is_said_once err
says "$to: the receiver is busy, or waits for a new code" err
wait_gone "$first"
wait_gone "$receiver"
