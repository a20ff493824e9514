#!/bin/sh
# send and recv: what arrives, who may come, what is refused, what it costs to do it twice, and what both say.
. "${0%/*}/lib.sh"
need python3

echo 'a secret that both ends know' >key

# receiver NAME DIR OPTION...: recv on a new port, with the key; $receiver is its process, $to where it is.
receiver() {
    free_port
    to=127.0.0.1:$port
    name=$1 dir=$2
    shift 2
    spawn "$name" "$SOCKIT" recv --listen "$to" --key-file key "$@" "$dir"
    receiver=$pid
    wait_for 'at the other end type: ' "$name.err"
}
# ends STATUS: the receiver does, so.
ends() {
    wait_gone "$receiver"
    is "$1" "$status"
}
# sends STATUS PATH...: to it.
sends() {
    want=$1
    shift
    exits "$want" timeout 60 "$SOCKIT" send --key-file key "$@" "$to"
}
# ask FILE EXPRESSION: of the objects of a file, in Python: by event; done is the last one of those.
ask() {
    python3 -c '
import json, sys
all = [json.loads(l) for l in open(sys.argv[1])]
def of(event): return [o for o in all if o["event"] == event]
done = ([None] + of("done") + of("broken"))[-1]
print(eval(sys.argv[2]))' "$@"
}
# equal FROM TO: two trees, down to modes, times, links, hard links; not one byte of difference.
equal() {
    if command -v rsync >/dev/null; then
        rsync -nacH --delete --out-format='%i %n%L' "$1/" "$2/" >different 2>&1 || fail "rsync: $(cat different)"
        silent different
    fi
    python3 - "$1" "$2" <<'END' || fail "$1 and $2 differ"
import os, stat, sys
def look(top):
    seen, inodes = {}, {}
    for at, dirs, files in os.walk(os.fsencode(top)):
        dirs.sort() # so that an inode's first name is the same one in both
        for name in sorted(dirs + files) + [b'.']:
            path = os.path.join(at, name)
            s = os.lstat(path)
            what = [stat.S_IFMT(s.st_mode), stat.S_IMODE(s.st_mode), s.st_mtime_ns]
            if stat.S_ISLNK(s.st_mode): what = [what[0], os.readlink(path)]
            if stat.S_ISREG(s.st_mode): what += [s.st_size, open(path, 'rb').read(), inodes.setdefault(s.st_ino, path[len(top):])]
            seen[path[len(top):]] = what
    return seen
a, b = look(sys.argv[1]), look(sys.argv[2])
for path in sorted(set(a) | set(b)):
    if a.get(path) != b.get(path):
        print(path, str(a.get(path))[:300], str(b.get(path))[:300], file=sys.stderr)
sys.exit(a != b)
END
}

# ---- a tree of everything that a tree may have ----
python3 - <<'END'
import os, random
random.seed(4)
os.makedirs('tree/deep/er/est/文件夾')
def put(path, data, mode=0o644, when=1600000000_123456789):
    with open(path, 'wb') as f: f.write(data)
    os.chmod(path, mode)
    os.utime(path, ns=(when, when))
put('tree/plain', random.randbytes(3_000_001), 0o640)
put('tree/empty', b'', 0o400)
put('tree/one', b'x', 0o755, 1)
put('tree/group', random.randbytes(1 << 20))
put('tree/before 1970', b'old', 0o644, -86400_000000001)
put(b'tree/two\nlines', b'newline')
put('tree/名字 😀', b'Chinese')
put(b'tree/\x1b[31mred\x1b]0;title\x07', b'escape')
put(b'tree/not utf-8 \xff\xfe', b'bytes')
put('tree/-rf', b'dash')
put('tree/~', b'home')
put('tree/' + 'n' * 255, b'long')
put('tree/deep/er/est/文件夾/leaf', random.randbytes(70000))
for i in range(300): put(f'tree/deep/{i}', random.randbytes(i * 7), 0o600 + i % 8)
with open('tree/sparse', 'wb') as f:
    f.write(b'begin'); f.seek(40 << 20); f.write(b'middle'); f.truncate((64 << 20) + 3)
os.link('tree/plain', 'tree/deep/hard')
os.link('tree/empty', 'tree/hard empty')
os.symlink('plain', 'tree/link'); os.symlink('/etc/passwd', 'tree/deep/absolute'); os.symlink('nowhere/\x1b[0m', 'tree/dangling')
os.makedirs('tree/bare/empty'); os.chmod('tree/bare', 0o500); os.chmod('tree/deep/er', 0o711)
for d in 'tree/deep/er', 'tree/bare', 'tree/deep', 'tree': os.utime(d, ns=(1500000000_000000001, 1500000000_000000001))
END
receiver all inbox --json
sends 0 --json -v tree
ends 0
equal tree inbox/tree
# Not more of the disk than the source has: its holes are holes again.
[ "$(du -k inbox/tree/sparse | cut -f 1)" -lt 4096 ] || fail "sparse: $(du -k inbox/tree/sparse)"
is '' "$(find inbox -name '*part-sockit*')"

# what both told: the documented fields, one sum, and of each file its BLAKE3
for end in out all.out; do
    is True "$(ask $end '{"session", "event", "files_done", "files", "bytes_done", "bytes", "bytes_same", "bytes_sent",
        "bytes_resent", "packets", "packets_lost", "rtt_ms", "rate", "packet_size", "files_failed", "seconds", "aead",
        "sum"} == set(done)')"
    is 'done 0 0 64' "$(ask $end 'done["event"], done["bytes_same"], done["files_failed"], len(done["sum"])' | tr -d "(',)")"
    is True "$(ask $end 'done["bytes_done"] == done["bytes"] == sum(o["bytes"] for o in of("file"))')"
    is True "$(ask $end 'done["files_done"] == done["files"] == len([o for o in of("file") if o["kind"] == "file"])')"
    is True "$(ask $end 'all[-1] == done and len(of("session")) == 1 and len(of("failed")) == 0')"
    is directory,file,hardlink,symlink "$(ask $end '",".join(sorted(set(o["kind"] for o in of("file"))))')"
done
is "$(ask out 'done["sum"]')" "$(ask all.out 'done["sum"]')"
# the last line for people counts the same things, by their kinds
kinds=$(ask out '"%d files, %d directories, %d links, " % tuple(sum(o["kind"] in k for o in of("file"))
    for k in [("file",), ("directory",), ("symlink", "hardlink")])')
says "^${kinds}[0-9.]+.iB, stored and verified in [0-9.]+ m?s" err
says "^${kinds}[0-9.]+.iB from 127\\.0\\.0\\.1:[0-9]+, stored and verified" all.err
is "['127.0.0.1:$port']" "$(ask all.out 'of("listening")[0]["addresses"]')"
is "127.0.0.1:$port" "$(ask out 'of("session")[0]["peer"]')"
says '^127\.0\.0\.1:[0-9]+$' /dev/stdin <<END
$(ask all.out 'of("session")[0]["peer"]')
END
if command -v b3sum >/dev/null; then
    for file in before\ 1970 group sparse 'deep/er/est/文件夾/leaf'; do
        is "$(b3sum --no-names "tree/$file")" "$(ask out "[o['blake3'] for o in of('file') if o['path'] == 'tree/$file'][0]")"
    done
fi
# a terminal gets no control character, whatever the names say
python3 -c '
said = open("err", "rb").read()
assert b"red" in said and not [c for c in said if c < 32 and c != 10 or c == 127], said' || fail "what -v says of names"

# ---- again: nothing is sent; one byte is changed: its group is ----
receiver again inbox --json
sends 0 --json tree
ends 0
is "True True 0" "$(ask again.out 'done["bytes_same"] == done["bytes"], done["bytes_sent"] < 500000, done["bytes_resent"]' | tr -d '(,)')"
is True "$(ask out 'done["bytes_sent"] < 500000')"
says 'were there already' again.err
equal tree inbox/tree

cp -a tree changed
printf y | dd of=changed/plain bs=1 seek=2000000 conv=notrunc 2>/dev/null
before=$(b3sum --no-names inbox/tree/plain 2>/dev/null || cksum <inbox/tree/plain)
mv inbox/tree inbox/changed
receiver differs inbox
sends 8 changed
ends 8
says 'changed/deep/hard: exists there and differs' err
says 'changed/deep/hard: exists there and differs' differs.err
says 'changed/plain: the file that it is a link to did not go over' differs.err
is "$before" "$(b3sum --no-names inbox/changed/plain 2>/dev/null || cksum <inbox/changed/plain)"
is '' "$(find inbox -name '*part-sockit*')"
receiver overwrite inbox --overwrite --json
sends 0 --json changed
ends 0
equal changed inbox/changed
# two of 66: the group that was changed, and what lies between handshake and end
is True "$(ask out '1 << 20 <= done["bytes_sent"] < 2 << 20')"
chmod -R u+w inbox changed tree
rm -rf inbox changed

# ---- files by themselves, and where things go: by their last part ----
mkdir -p some/where
echo 1 >some/where/a
echo 2 >some/b
receiver parts new/ --json # made, because it is missing
sends 0 some/where some/b "$tmp/some/where/a"
ends 0
is 'a b where where/a' "$(cd new && find . -mindepth 1 | sed 's|^\./||' | sort | tr '\n' ' ' | sed 's/ $//')"
rm -rf new

# ---- a pair code: right, wrong, spent, locked ----
free_port
to=127.0.0.1:$port
spawn pair "$SOCKIT" recv --json --listen "$to" in
receiver=$pid
wait_for '"code"' pair.out
code=$(ask pair.out 'of("listening")[0]["code"]')
says "sockit send --pair $code PATH\.\.\. $to" pair.err
exits 0 timeout 20 "$SOCKIT" send --pair "$(echo "$code" | tr a-z- 'A-Z ')" some "$to" # as people type it
ends 0
equal some in/some

free_port
to=127.0.0.1:$port
spawn wrong "$SOCKIT" recv -k --json --listen "$to" in
receiver=$pid
wait_for '"code"' wrong.out
code=$(ask wrong.out 'of("listening")[0]["code"]')
other=$(echo "$code" | tr '0-9a-f' '1-9a-f0')
exits 7 timeout 20 "$SOCKIT" send --pair "$other" some "$to"
says 'the secret is wrong' err
wait_for '"wrong_code","left":2' wrong.out
exits 7 timeout 20 "$SOCKIT" send --pair "$code" some "$to" # it was right until then
wait_for '"left":1' wrong.out
code=$(ask wrong.out 'of("listening")[-1]["code"]')
exits 0 timeout 20 "$SOCKIT" send --pair "$code" some "$to"
exits 7 timeout 20 "$SOCKIT" send --pair "$code" some "$to" # good for one transfer
wait_for '"left":0' wrong.out
ends 7
says 'three wrong codes' wrong.err
for bad in abc aaaa-aaau 'aaaa-aaaa-a' "''"; do
    exits 2 "$SOCKIT" send --pair "$bad" some 127.0.0.1:9
    says 'is not a code' err
done

# ---- the wrong key, the wrong kind of secret, none; nobody there; no such name ----
echo other >other
receiver strict in -k
exits 7 timeout 20 "$SOCKIT" send --key-file other --json some "$to"
says 'the secret is wrong' err
is True "$(ask out '0 < done["seconds"] < 20')" # also of a transfer that never began
exits 1 "$SOCKIT" recv --listen "$to" --key-file key in
says 'another program listens there .ss -lunp' err
exits 7 timeout 20 "$SOCKIT" send --pair aaaa-aaaa some "$to"
says 'other kind of secret' err
sends 0 some # it is still there for who knows it
kill "$receiver"
ends 0
exits 2 "$SOCKIT" send some 127.0.0.1:9
says '(--pair CODE|--key-file)' err
exits 2 "$SOCKIT" send --pair aaaa-aaaa --key-file key some 127.0.0.1:9
exits 8 "$SOCKIT" send --key-file nosuch some 127.0.0.1:9
exits 2 "$SOCKIT" send --key-file key some key
says "'key' is a file: the last argument" err
: >nothing
exits 2 "$SOCKIT" send --key-file nothing some 127.0.0.1:9
says 'is empty' err
exits 8 "$SOCKIT" send --key-file key nosuch 127.0.0.1:9
says 'nosuch' err
exits 2 "$SOCKIT" send --key-file key some localhost 7411
says 'write localhost:7411' err
exits 2 "$SOCKIT" send --key-file key - localhost
says 'sockit connect HOST:PORT' err
printf '\r\n' >newline
exits 2 "$SOCKIT" send --key-file newline some 127.0.0.1:9
says 'is empty' err
# one newline at the end of a key, of either kind, is none; a second one counts
printf 'the same text' >bare
printf 'the same text\r\n' >dos
printf 'the same text\n' >unix
printf 'the same text\n\n' >longer
free_port
spawn bare "$SOCKIT" recv -k --listen "127.0.0.1:$port" --key-file bare in
bare=$pid
wait_for 'at the other end type: ' bare.err
for k in dos unix; do exits 0 timeout 20 "$SOCKIT" send --key-file $k some "127.0.0.1:$port"; done
exits 7 timeout 20 "$SOCKIT" send --key-file longer some "127.0.0.1:$port"
kill "$bare"
wait_gone "$bare"
# on a terminal: a path that is not there is told before a code is asked for, and what is no code is asked for three times
if command -v script >/dev/null; then
    echo | script -qec "$SOCKIT send nosuch 127.0.0.1:9" /dev/null >screen
    ! grep -q 'pair code that' screen || fail "a code is asked for, for nothing"
    says 'nosuch' screen
    printf 'k7\nuuuu-uuuu\nk7qm-2xpd-9\nk7qm-2xpd\n' | script -qec "$SOCKIT send some 127.0.0.1:9" /dev/null >screen
    is 3 "$(grep -o 'pair code that' screen | wc -l)"
    says "'k7qm-2xpd-9' is not a code" screen
fi
exits 8 "$SOCKIT" recv --key-file key some/b
exits 2 "$SOCKIT" send --key-file key some 127.0.0.1:
says "port '' is neither" err
exits 2 "$SOCKIT" send --key-file key some ::1
says 'write an IPv6 address as' err
# who comes over IPv4 to all addresses is shown as that
free_port
spawn all "$SOCKIT" recv --listen "*:$port" --key-file key --json in_all
wait_for '"listening"' all.out
exits 0 timeout 20 "$SOCKIT" send --key-file key some "127.0.0.1:$port"
wait_gone "$pid"
is True "$(ask all.out 'of("session")[0]["peer"].startswith("127.0.0.1:")')"
# a directory that takes no file: told before anybody comes
mkdir sealed
chmod 555 sealed
nobody=
[ "$(id -u)" != 0 ] || nobody='setpriv --reuid 65534 --regid 65534 --clear-groups'
chmod a+rx .
if $nobody test -x "$SOCKIT"; then
    # shellcheck disable=SC2086 # words
    exits 9 timeout 10 $nobody "$SOCKIT" recv sealed
    says 'sealed: Permission denied' err
fi
exits 8 "$SOCKIT" recv --key-file key nosuch/dir
says 'nosuch/dir cannot be made: the directory above it is missing' err
free_port
exits 4 timeout 20 "$SOCKIT" send --key-file key some "127.0.0.1:$port"
says "127.0.0.1:$port" err
exits 3 timeout 60 "$SOCKIT" send --key-file key some nosuch.invalid:9
says 'nosuch.invalid' err
# a port that swallows everything: a time-out, and before that a word
python3 -c '
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", int(sys.argv[1])))
time.sleep(60)' "$port" &
pids="$pids $!"
wait_port "udp:$port"
exits 5 timeout 30 "$SOCKIT" send --key-file key --timeout 4s some "127.0.0.1:$port"
says 'no answer from 127.0.0.1:[0-9]+ yet' err

# ---- -k: several senders at once, each its own files ----
receiver many in -k --json
for i in 1 2 3 4 5; do
    mkdir -p "s$i"
    head -c $((i * 700000)) /dev/urandom >"s$i/file"
    spawn "send$i" "$SOCKIT" send --key-file key "s$i" "$to"
    eval "sender$i=\$pid"
done
for i in 1 2 3 4 5; do
    eval "wait_gone \$sender$i"
    is 0 "$status"
    equal "s$i" "in/s$i"
done
five() { [ "$(grep -c '"event":"done"' many.out)" -eq 5 ]; }
until_true 20 five || fail "not five ends: $(cat many.out)"
# two with the same file: one of them waits, or finds it there
head -c 5000000 /dev/urandom >same
spawn one "$SOCKIT" send --key-file key same "$to"
one=$pid
sends 0 same
wait_gone "$one"
is 0 "$status"
cmp same in/same || fail "same"
kill -INT "$receiver"
ends 0

# ---- limits of the receiver ----
receiver bytes in --max-bytes 1MiB
sends 10 same
says '1048576 bytes' err
ends 10
receiver files in --max-files 2
sends 10 some
ends 10

# ---- what changes while it is sent is noticed; what cannot be read is told ----
head -c 30000000 /dev/urandom >moving
receiver moving in
spawn slow "$SOCKIT" send --key-file key --limit-rate 8MB/s moving "$to"
slow=$pid
until_true 20 sh -c 'ls in/moving.part-sockit >/dev/null 2>&1' || fail "nothing arrives"
sleep 0.3
echo more >>moving
wait_gone "$slow"
is 8 "$status"
says 'moving: .*changed' slow.err
ends 8
[ ! -e in/moving ] || fail "a file that changed has its name"
mkfifo some/fifo
receiver fifo in
sends 8 --json some
says 'some/fifo: is a pipe$' err
says '1 did not go over: see above' err
is 'some/fifo is a pipe 1' "$(ask out 'of("failed")[0]["path"], of("failed")[0]["why"], done["files_failed"]' | tr -d "(',)")"
ends 0
rm some/fifo
# of many the first ones by name on the terminal, all of them as objects; and what may not be read, at which end
if [ "$(id -u)" != 0 ] || $nobody test -x "$SOCKIT"; then # who may read everything reads it
    mkdir -p pipes/closed pipes/open
    for i in 1 2 3 4 5; do for j in 1 2 3 4 5; do mkfifo "pipes/$i$j"; done; done
    echo 1 >pipes/open/not_readable
    chmod 000 pipes/closed pipes/open/not_readable
    chmod a+r key
    receiver pipes in_pipes
    # shellcheck disable=SC2086 # words
    exits 8 timeout 60 $nobody "$SOCKIT" send --key-file key --json pipes "$to"
    is 27 "$(ask out 'len(of("failed"))')"
    says 'and 7 more failed' err
    is 'cannot be read here: Permission denied 13' "$(ask out '[(o["why"], o["errno"]) for o in of("failed") if "closed" in o["path"]][0]' | tr -d "(',)")"
    is 'cannot be read here: Permission denied' "$(ask out '[o["why"] for o in of("failed") if "not_readable" in o["path"]][0]')"
    ends 8
    says '1 did not go over: see above' pipes.err
    chmod 700 pipes/closed
fi
# what the receiver may not store is told at both ends, and at which one it was
if [ -n "$nobody" ] && $nobody test -x "$SOCKIT"; then
    mkdir -p in_sealed/some # not his
    chown 65534 in_sealed
    free_port
    to=127.0.0.1:$port
    chmod a+r key
    # shellcheck disable=SC2086 # words
    spawn sealed $nobody "$SOCKIT" recv --listen "$to" --key-file key in_sealed
    receiver=$pid
    wait_for 'at the other end type: ' sealed.err
    sends 8 some
    says 'some/b: the other end cannot store it: Permission denied' err
    ends 8
    says 'some/b: cannot be stored here: Permission denied' sealed.err
fi

# ---- Ctrl-C, at either end: the other one is told at once, and the next time only the rest goes ----
rm -rf in
head -c 30000000 /dev/urandom >big
for end in send recv; do
    receiver "stop_$end" in --json
    spawn slow "$SOCKIT" send --key-file key --limit-rate 8MB/s --json big "$to"
    slow=$pid
    until_true 20 sh -c 'ls in/big.part-sockit >/dev/null 2>&1' || fail "nothing arrives"
    sleep 1
    if [ $end = send ]; then kill -INT "$slow"; else kill -INT "$receiver"; fi
    wait_gone "$slow"
    is 130 "$status"
    ends 130
    says 'is kept' slow.err
    [ -f in/big.part-sockit ] || fail "nothing is kept"
done
receiver rest in --json
sends 0 --json big
ends 0
cmp big in/big || fail "big"
is True "$(ask out '3000000 < done["bytes_same"] and done["bytes_sent"] < 28000000')"

# ---- the receiver dies in the middle: what to do is told ----
receiver dies in_dies
spawn slow timeout 60 "$SOCKIT" send --key-file key --timeout 2s --limit-rate 2MB/s big "$to"
sender=$pid
until_true 10 test -s in_dies/big.part-sockit || fail 'nothing arrives'
kill -KILL "$receiver"
wait_gone "$sender"
is 5 "$status"
says 'does not answer; what has arrived is kept' slow.err

# ---- a full disk: told, survived, and resumed when there is room ----
if unshare -Urm true 2>/dev/null; then how=-Urm; else how=-m; fi
if unshare "$how" sh -c 'mkdir -p d && mount -t tmpfs none d' 2>/dev/null; then
    free_port
    to=127.0.0.1:$port
    mkdir -p disk
    spawn full unshare "$how" sh -c "mount -t tmpfs -o size=24m none disk && exec '$SOCKIT' recv --listen $to --key-file key \
        --keep-free 4KiB -k --json disk"
    receiver=$pid
    wait_for '"listening"' full.out
    sends 8 --json big some
    says 'big: No space left where recv stores it' err
    ask out '[o["path"] for o in of("file")]' | grep -q some/b || fail "what had room did not go"
    sends 0 some # it lives
    # Longer than the disk, but for holes, of which its sender's disk has nothing
    truncate -s 1G holes
    printf 'not a hole' | dd of=holes bs=1 seek=900000000 conv=notrunc 2>/dev/null
    if [ "$(du -k holes | cut -f 1)" -lt 1024 ]; then
        sends 0 --json holes
        is 1073741824 "$(ask out 'done["bytes_done"]')"
        is True "$(ask out 'done["bytes_sent"] < 3000000')"
    fi
    head -c 12000000 big >little
    sends 0 little
    kill "$receiver"
    ends 0
else
    echo "note: no file system of our own here: a full disk was not tried"
fi

# ---- --limit-rate is kept ----
head -c 2000000 big >little
receiver rate in
before=$(date +%s%N)
sends 0 --limit-rate 1MB/s little
took=$((($(date +%s%N) - before) / 1000000))
ends 0
[ $took -ge 1700 ] || fail "2 MB at 1 MB/s in $took ms"

# ---- the line of progress, on a terminal; the escape sequence of a name is not among its own ----
if command -v script >/dev/null; then
    printf 'x' >"$(printf 'e\033[31mvil')"
    receiver line lines
    TERM=xterm script -qec "$SOCKIT send --key-file key --limit-rate 8MB/s -v e*vil big $to" /dev/null <key >screen
    ends 0
    says 'files  rtt [0-9.]+ms  loss [0-9.]+%  [0-9.]+.iB of [0-9.]+.iB  [0-9]+%  [0-9.]+.iB/s  [0-9ms]+ left' screen
    ! grep -q "$(printf '\033\\[31mvil')" screen || fail "a name painted the terminal"
fi

# ---- on a narrow terminal no line ends inside of the code, also not of the second one ----
if command -v script >/dev/null; then
    free_port
    spawn narrow script -qec "stty cols 44; $SOCKIT recv -k --listen 127.0.0.1:$port in_narrow" /dev/null
    wait_for 'sockit send --pair' narrow.out
    code=$(sed -n 's/^sockit send --pair \([^ ]*\) PATH.*/\1/p' narrow.out)
    exits 0 timeout 20 "$SOCKIT" send --pair "$code" some "127.0.0.1:$port"
    two() { [ "$(grep -c '^sockit send --pair [0-9a-z]\{4\}-[0-9a-z]\{4\} PATH' narrow.out)" -eq 2 ]; }
    until_true 10 two || fail "not two codes: $(cat narrow.out)"
fi

# ---- a QR code has the same text ----
if command -v zbarimg >/dev/null && command -v qrencode >/dev/null; then
    free_port
    spawn qr "$SOCKIT" recv --qr --listen "127.0.0.1:$port" in
    wait_for '█' qr.err
fi
