# lib.sh: what every test of the command line begins with: . "${0%/*}/lib.sh"
# A test is a POSIX sh script: exit 0 passed, 77 skipped, else failed. It runs in a directory of its own, uses free
# ports only, and whatever it spawned is killed at its end, by its number.
set -u
export LC_ALL=C.UTF-8 TERM=dumb
unset NO_COLOR SOCKIT_CONFIG

here=$(cd "${0%/*}" && pwd)
top=${here%/test/*}
SOCKIT=${SOCKIT:-$top/build/sockit} # the program under test
tmp=$(mktemp -d "${TMPDIR:-/tmp}/sockit-test.XXXXXX") || exit 99
pids= ports=
export HOME="$tmp" XDG_CONFIG_HOME="$tmp/config" # the user's own settings do not reach a test

cleanup() {
    status=$?
    trap - EXIT
    # A wrapper such as strace or timeout may not pass the signal on: its children get it too.
    children=
    for pid in $pids; do
        children="$children $(cat "/proc/$pid/task/$pid/children" 2>/dev/null)"
    done
    for pid in $pids $children; do # CONT goes first: behind TERM it would disturb a leak checker at work
        kill -CONT "$pid" 2>/dev/null && kill "$pid" 2>/dev/null
    done
    for pid in $pids; do
        until_true 5 gone "$pid" || {
            echo "process $pid does not end on TERM: $(tr '\0' ' ' <"/proc/$pid/cmdline")" >&2
            [ $status -ne 0 ] || status=1
            kill -KILL "$pid"
        }
        wait "$pid" 2>/dev/null
    done
    for port in $ports; do
        rmdir "$ports_dir/$port" 2>/dev/null
    done
    if [ $status -ne 0 ] && [ $status -ne 77 ]; then
        for log in "$tmp"/*.err; do
            [ -s "$log" ] && sed "s|^|${log##*/}: |" "$log" | tail -n 20 >&2
        done
    fi
    cd / && rm -rf "$tmp"
    exit $status
}
trap cleanup EXIT
trap 'exit 99' HUP INT TERM
cd "$tmp" || exit 99

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

skip() {
    echo "skipped: $*"
    exit 77
}

# need COMMAND...: skips the test where one is not installed.
need() {
    for c; do
        command -v "$c" >/dev/null || skip "$c is not installed"
    done
}

# listening [udp:]PORT: does anyone listen there (or have it bound, for UDP)?
listening() {
    case $1 in
    udp:*) hex=$(printf '%04X' "${1#udp:}") state=07 files='/proc/net/udp /proc/net/udp6' ;;
    *) hex=$(printf '%04X' "$1") state=0A files='/proc/net/tcp /proc/net/tcp6' ;;
    esac
    # shellcheck disable=SC2086 # two names; an IPv6-less kernel has one
    cat $files 2>/dev/null | grep -Eq "^ *[0-9]+: [0-9A-F]+:$hex [0-9A-F]+:[0-9A-F]+ $state "
}

# free_port: sets $port to one that nobody uses, neither TCP nor UDP, and that no other test will get meanwhile.
# Below the kernel's own range (32768...), so that no connection takes it by chance.
ports_dir=${TMPDIR:-/tmp}/sockit-ports.$(id -u)
free_port() {
    mkdir -p "$ports_dir"
    find "$ports_dir" -mindepth 1 -mmin +30 -exec rmdir {} + 2>/dev/null # left by a test that was killed
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        port=$((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
        listening "$port" || listening "udp:$port" || ! mkdir "$ports_dir/$port" 2>/dev/null || {
            ports="$ports $port"
            return 0
        }
    done
    fail "no free port in 20 tries"
}

# until_true SECONDS COMMAND...: tries it every 20 ms.
until_true() {
    tries=$(($1 * 50))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.02
    done
}

# wait_port [udp:]PORT: until somebody listens there.
wait_port() {
    until_true 20 listening "$1" || fail "nobody listens on $1 after 20 s"
}

# wait_for PATTERN FILE: until a line of FILE matches.
wait_for() {
    until_true 20 grep -Eqs -e "$1" "$2" || fail "no '$1' in $2 after 20 s: $(head -c 2000 "$2")"
}

# wait_gone PID: until that process, which we spawned, has ended. Its exit status is left in $status.
gone() { ! kill -0 "$1" 2>/dev/null || grep -qs '^State:.Z' "/proc/$1/status"; }
wait_gone() {
    until_true 20 gone "$1" || fail "process $1 is still there after 20 s"
    wait "$1" && status=0 || status=$?
}

# spawn NAME COMMAND...: in the background, into NAME.out and NAME.err; $pid is its number. Reads nothing, unless
# NAME.in is there (a file or a FIFO).
spawn() {
    name=$1
    shift
    : >"$name.err" # now, not when it runs: wait_for would read what one of the same name said before
    [ -p "$name.out" ] || : >"$name.out"
    if [ -e "$name.in" ]; then
        "$@" <"$name.in" >"$name.out" 2>"$name.err" &
    else
        "$@" </dev/null >"$name.out" 2>"$name.err" &
    fi
    pid=$!
    pids="$pids $pid"
}

# exits STATUS COMMAND...: runs it into the files out and err, and wants that exit status.
exits() {
    want=$1
    shift
    "$@" >out 2>err && status=0 || status=$?
    [ "$status" -eq "$want" ] || fail "exit status $status instead of $want: $*"
}

# same WANTED GOT: two files, byte for byte.
same() {
    cmp -s "$1" "$2" || {
        diff -a -u "$1" "$2" | head -n 40 >&2
        fail "$2 is not what $1 says"
    }
}

# is WANTED GOT: two texts.
is() {
    [ "$1" = "$2" ] || fail "wanted '$1', got '$2'"
}

# says PATTERN FILE, silent FILE
says() {
    grep -Eq -e "$1" "$2" || fail "no '$1' in $2: $(head -c 2000 "$2")"
}
silent() {
    [ ! -s "$1" ] || fail "$1 ought to be empty: $(head -c 2000 "$1")"
}

# ---- failing system calls: a case is a line of the file all, words to be run; each that was run counts itself in cases ----
torture_begin() {
    export SOCKIT_SANDBOX=off # it would forbid what it does not know, and is a test of its own
    strace -o trace -e inject=getppid:error=EIO true 2>/dev/null || skip "strace may not trace here"
    printf '%s' "${ASAN_OPTIONS:-}" | grep -q . || export ASAN_OPTIONS=detect_leaks=0 # not under ptrace
    deadline=$(($(date +%s) + ${TORTURE_SECONDS:-20}))
    cases=0
}
time_is_up() { [ "$(date +%s)" -ge "$deadline" ]; }

# torture_all [CASE]: that one, else as many as the time allows.
torture_all() {
    if [ $# -gt 0 ]; then
        echo "$1" >todo
    else
        shuf --random-source="${TORTURE_RANDOM:-all}" all >todo # the same order each time, unless /dev/urandom is asked for
    fi
    while read -r one <&3; do
        time_is_up && break
        # shellcheck disable=SC2086 # words
        $one
    done 3<todo
    echo "$cases of $(wc -l <all) cases"
    [ $# -gt 0 ] || [ "$cases" -gt 3 ] || fail "too slow"
}
