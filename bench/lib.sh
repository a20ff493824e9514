# shellcheck shell=sh disable=SC2034,SC2154 # its variables are for the runners, and theirs for it
# lib.sh: what the runners of bench/ share; POSIX sh, sourced. A runner starts every server in turn, all in each round,
# so that a slow minute of the machine hits all of them, and prints medians. The server has CPU 0 and the client CPU 1;
# both live in a network namespace of their own with reno, because a congestion control that paces (bbr) costs the
# loopback up to half of its speed. What counts is work per CPU-second of the server: the wall rate shares the machine.

usage() {
    cat >&2 <<END
usage: bench/$name [--quick] [--rounds N] [--seconds T] [--only PEER,...] [--case CASE,...] [--raw FILE]
  --quick         2 rounds of 0.5 s: shows that it works, not how fast
  --raw FILE      also append each single measurement to FILE
  BUILD=DIR       the build directory (build), set up with -Dbench=true; SOCKIT=FILE: the program (BUILD/sockit)
END
    exit 2
}

# begin "$@": options, programs, the namespace, a directory to work in.
begin() {
    name=${0##*/} here=$(cd "$(dirname "$0")" && pwd) rounds=5 seconds=2 only= cases= raw= quick=
    BUILD=${BUILD:-$here/../build}
    BUILD=$(cd "$BUILD" 2> /dev/null && pwd || echo "$BUILD")
    load=$BUILD/bench/load
    [ -x "$load" ] || { echo "bench: no $load: meson setup $BUILD -Dbench=true && ninja -C $BUILD" >&2; exit 1; }
    [ -n "${BENCH_INSIDE:-}" ] || exec "$load" inside "$0" "$@"
    while [ $# -gt 0 ]; do
        case $1 in
        --quick) quick=1 rounds=2 seconds=0.5 ;;
        --rounds) rounds=${2:?} && shift ;;
        --seconds) seconds=${2:?} && shift ;;
        --only) only=,${2:?}, && shift ;;
        --case) cases=,${2:?}, && shift ;;
        --raw) raw=${2:?} && shift ;;
        *) usage ;;
        esac
        shift
    done
    SOCKIT=${SOCKIT:-$BUILD/sockit}
    work=$(mktemp -d "${TMPDIR:-/tmp}/bench-$name.XXXXXX") server= noted=
    : > "$work/results"
    trap 'stop; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    if [ "$(nproc)" -ge 2 ]; then server_cpu=0 client_cpu=1; else server_cpu=- client_cpu=-; fi
}

# on_client COMMAND...: on the client's core.
on_client() {
    if [ "$client_cpu" = - ]; then "$@"; else taskset -c "$client_cpu" "$@"; fi
}

note() { # once for each text
    case $noted in *"|$1|"*) return ;; esac
    noted="$noted|$1|"
    echo "bench: $1" >&2
}

# wanted PEER PROGRAM: may it run? What is not there is skipped with a word.
wanted() {
    case $only in "" | *",$1,"*) ;; *) return 1 ;; esac
    command -v "$2" > /dev/null 2>&1 && return 0
    note "$1 is not here (${2##*/}): left out"
    return 1
}

wanted_case() { case $cases in "" | *",$1,"*) return 0 ;; *) return 1 ;; esac; }

# start PROTO COMMAND...: a server on $port, as leader of a session, so that its children are counted and ended with it.
start() {
    proto=$1 && shift
    "$load" run "$server_cpu" "$@" < /dev/null > /dev/null 2> "$work/err" &
    server=$!
    "$load" wait "$proto" "$port" "$server" && return 0
    note "$peer does not listen: $(head -n 1 "$work/err")"
    stop
    return 1
}

stop() {
    [ -n "$server" ] || return 0
    kill -- "-$server" 2> /dev/null || kill "$server" 2> /dev/null || :
    wait "$server" 2> /dev/null || :
    server=
}

# measure CASE PEER LOAD-ARGUMENTS...: one line into the results.
measure() {
    what=$1 who=$2 && shift 2
    if line=$(on_client "$load" "$@" -p "$port" -P "$server" 2> "$work/err"); then
        result "$what" "$who" "$line"
    else
        note "$who, $what: $(tail -n 1 "$work/err")"
    fi
}

result() {
    echo "$1|$2|$3" >> "$work/results"
    [ -z "$raw" ] || echo "$name|$1|$2|$3" >> "$raw"
    printf . >&2
}

new_port() { port=$("$load" port); }

# table BASES KEY BETTER COLUMNS: medians by case and peer. BASES: peers; the ratio is to the best of them in KEY.
# BETTER: more or less. COLUMNS: key:title:digits:divisor, ...
table() {
    echo >&2
    awk -F'|' -v bases="$1" -v key="$2" -v better="$3" -v columns="$4" '
    function median(list,   v, n, i, j, t) {
        n = split(list, v, " ")
        for (i = 2; i <= n; i++)
            for (j = i; j > 1 && v[j] + 0 < v[j - 1] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
        low = v[1]; high = v[n]; seen = n
        return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
    }
    {
        if (!(($1) in has_case)) { has_case[$1] = 1; kase[++cases] = $1 }
        if (!(($2) in has_peer)) { has_peer[$2] = 1; peer[++peers] = $2; if (length($2) > wide) wide = length($2) }
        n = split($3, pair, " ")
        for (i = 1; i <= n; i++) { split(pair[i], kv, "="); all[$1, $2, kv[1]] = all[$1, $2, kv[1]] " " kv[2] }
    }
    END {
        n = split(columns, column, ",")
        nb = split(bases, b, ",")
        for (c = 1; c <= cases; c++) {
            base = 0; base_name = "-"
            for (i = 1; i <= nb; i++)
                if ((kase[c], b[i], key) in all) {
                    m = median(all[kase[c], b[i], key])
                    if (base_name == "-" || (better == "more" ? m > base : m < base)) { base = m; base_name = b[i] }
                }
            printf "\n%s (ratio to %s)\n%-" wide "s %7s %7s", kase[c], base_name, "peer", "ratio", "spread"
            for (k = 1; k <= n; k++) { split(column[k], f, ":"); printf " %12s", f[2] }
            print ""
            for (p = 1; p <= peers; p++) {
                if (!((kase[c], peer[p], key) in all)) continue
                m = median(all[kase[c], peer[p], key])
                spread = m ? (high - low) / m * 100 : 0
                printf "%-" wide "s %7s %6.0f%%", peer[p], base ? sprintf("%.2f", m / base) : "-", spread
                for (k = 1; k <= n; k++) {
                    split(column[k], f, ":")
                    printf " %12." f[3] "f", median(all[kase[c], peer[p], f[1]]) / (f[4] ? f[4] : 1)
                }
                print ""
            }
        }
    }' "$work/results"
}

title() {
    echo "bench/$name: $1"
    echo "$(date '+%F %H:%M') · $rounds rounds of $seconds s, medians · server on CPU $server_cpu, client on CPU $client_cpu · load $(cut -d' ' -f1 /proc/loadavg)" \
        "· $(cat /proc/sys/net/ipv4/tcp_congestion_control) · $(uname -r)"
    [ -z "$quick" ] || echo "(--quick: no figure for a README)"
}
