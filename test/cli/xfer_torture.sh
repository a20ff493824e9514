#!/bin/sh
# Every system call that send and recv make at work fails in turn, at either end: both end soon and by no signal, who says 0
# is right (the trees are equal, the disk was told), who does not says why, nothing is left outside DIR, and the same
# commands, when nothing fails any more, bring the rest. strace tampers with the calls.
. "${0%/*}/lib.sh"
need strace python3
torture_begin

# ---- the tree, and what of it arrived ----
echo 'a secret that both ends know' >key
mkdir -p tree/a/b
head -c 2600000 /dev/urandom >tree/big
for i in 1 2 3 4 5; do head -c ${i}000 /dev/urandom >tree/a/f$i; done
: >tree/empty
truncate -s 3000000 tree/sparse
printf x | dd of=tree/sparse bs=1 seek=2500000 conv=notrunc 2>/dev/null
ln tree/big tree/a/hard
ln -s ../big tree/a/b/link
chmod 500 tree/a/b
touch -d '2001-02-03 04:05:06.123456789' tree/a/f1 tree/a/b tree/a tree

cat >look.py <<'END_OF_PYTHON'
import os, stat, sys
def look(top):
    seen, inodes = {}, {}
    for at, dirs, files in os.walk(top):
        dirs.sort()
        for name in sorted(dirs + files) + ["."]:
            path = os.path.join(at, name)
            s = os.lstat(path)
            what = [stat.S_IFMT(s.st_mode)]
            if stat.S_ISLNK(s.st_mode): what += [os.readlink(path)]
            else: what += [stat.S_IMODE(s.st_mode), s.st_mtime_ns]
            if stat.S_ISREG(s.st_mode): what += [open(path, "rb").read(), inodes.setdefault(s.st_ino, path[len(top):])]
            seen[path[len(top):]] = what
    return seen
a, b = look("tree"), look("at/in/tree")
for path in sorted(set(a) | set(b)):
    if a.get(path) != b.get(path): print(path, str(a.get(path))[:100], str(b.get(path))[:100])
sys.exit(a != b)
END_OF_PYTHON
equal() { python3 look.py >different 2>&1; }

# ---- one case ----
free_port
to=127.0.0.1:$port

# run NAME: the program after it, of which strace fails the call of the case if NAME is its end; $pid.
run() {
    name=$1
    shift
    if [ "$name" = "$end" ]; then
        spawn "$name" strace -D -f -qq -o trace -e "inject=$call:error=$error:when=$when" "$SOCKIT" "$@"
    else
        spawn "$name" "$SOCKIT" "$@"
    fi
}
up() { listening "udp:$port" || gone "$pid"; }

# ended NAME PID: it has to, soon, by itself; $status.
ended() {
    until_true 15 gone "$2" || {
        kill -KILL "$2"
        fail "$this: $1 hangs: $(tail -n 5 "$1.err")"
    }
    wait "$2" && status=0 || status=$?
}

# judge NAME STATUS: is it what happened?
judge() {
    [ "$2" -lt 20 ] || [ "$2" -eq 127 ] || fail "$this: $1: exit status $2: $(tail -n 20 "$1.err")"
    ! grep -Eq 'AddressSanitizer|runtime error|Assertion' "$1.err" || fail "$this: $(tail -n 30 "$1.err")"
    if [ "$2" -eq 0 ]; then
        equal || fail "$this: $1 says 0, but: $(cat different)"
    else
        [ "$2" -eq 127 ] || grep -Eq "^sockit $1: (error|warning): [^ ]+" "$1.err" || # 127: the loader's, who has his own words
            fail "$this: $1: status $2 and not a word: $(cat "$1.err")"
        [ -z "${TORTURE_WORDS:-}" ] || sed "s|^|$this: |" "$1.err" >>"$TORTURE_WORDS"
    fi
}

# transfer: recv and send; $received and $sent are their exit statuses. A receiver to whom nobody came is stopped: 130.
transfer() {
    run recv recv --listen "$to" --key-file key --timeout 2s at/in
    recv=$pid
    until_true 15 up || fail "$this: recv neither listens nor ends: $(cat recv.err)"
    run send send --key-file key --timeout 2s tree "$to"
    ended send "$pid"
    sent=$status
    judge send "$sent"
    [ "$sent" -eq 0 ] || [ -d at/in/tree ] || until_true 1 gone "$recv" || kill -INT "$recv"
    until_true 5 gone "$recv" || kill -INT "$recv"
    ended recv "$recv"
    received=$status
    [ "$sent" -ne 0 ] || [ "$received" -ne 130 ] || fail "$this: send is content, recv waits"
    [ "$received" -eq 130 ] || judge recv "$received"
    pids= # their numbers may be others' soon
}

# torture END CALL ERROR N
torture() {
    end=$1 call=$2 error=$3 when=$4 this="$1, $2 $3 $4"
    chmod -R u+w at 2>/dev/null
    rm -rf at
    mkdir at
    transfer
    case "$call $error" in # who was only interrupted does it again, and nobody hears of it
    openat2\ EINTR | openat2\ EAGAIN | ftruncate\ EINTR | *write64\ EINTR | *msg\ EINTR | *msg\ EAGAIN | fstatfs\ EINTR | flock\ EINTR)
        is '0 0' "$sent $received"
        ;;
    esac
    [ "$(ls -A at)" = in ] || [ -z "$(ls -A at)" ] || fail "$this: left behind: $(ls -A at)"
    end=none this="$this, and again"
    transfer
    is '0 0' "$sent $received"
    equal || fail "$this: $(cat different)"
    is '' "$(find at -name '*part-sockit*')"
    cases=$((cases + 1))
}

# A receiver whose socket is lost before anybody came has not ended well.
exits 6 timeout 20 strace -f -qq -o trace -e inject=epoll_ctl:error=ENOMEM:when=2 "$SOCKIT" recv --listen "$to" --key-file key lost
says 'the system has closed the socket' err

# The calls of each, seen by strace, and errors that their manuals know. (EPERM of fchmod is what a file system without modes
# says, and no failure.)
both='openat EIO EMFILE ENOMEM EINTR
close EIO
newfstatat EIO
sendmsg ENOBUFS EINTR EAGAIN EPERM ENOMEM
recvmsg EINTR EAGAIN ENOMEM
epoll_pwait2 EINTR ENOSYS
epoll_ctl ENOMEM
epoll_create1 EMFILE
eventfd2 EMFILE
timerfd_create EMFILE
timerfd_settime EINVAL
socket EMFILE ENOMEM
setsockopt ENOMEM
getsockname ENOBUFS
getrandom ENOSYS EINTR
mmap ENOMEM
pread64 EIO EINTR
lseek EINVAL
fcntl EINVAL
openat2 EIO EMFILE ENOMEM ENOSYS EAGAIN EINTR'
recv="$both
bind EACCES EADDRINUSE
mkdir EACCES EIO
mkdirat EIO ENOSPC
pwrite64 EIO ENOSPC EINTR
ftruncate EIO ENOSPC EINTR
fallocate EOPNOTSUPP ENOSPC
flock EAGAIN ENOLCK EINTR
fstatfs EIO EINTR
fchmod EIO EROFS
utimensat EPERM EIO
renameat2 EIO ENOSPC EINVAL ENOSYS
linkat EIO EPERM EMLINK
symlinkat EIO ENOSPC
syncfs EIO ENOSPC"
send="$both
connect EINTR ENETUNREACH
getdents64 EIO
readlinkat EIO"

# each END LIST: every line of the list with each of its errors, at some calls.
each() {
    echo "$2" | while read -r call errors; do
        for error in $errors; do
            for when in 1 2 3 5 8 13 40; do echo "torture $1 $call $error $when"; done
        done
    done
}
{
    each recv "$recv"
    each send "$send"
} >all

# xfer_torture.sh 'torture recv syncfs EIO 1' runs that one, else as many as the time allows.
torture_all "$@"
