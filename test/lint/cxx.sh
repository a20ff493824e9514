#!/bin/sh
# cxx.sh LIBRARY HEADER...: a C++ program has all public headers at once, and links every function that they declare.
set -eu
command -v "${CXX:-c++}" >/dev/null || {
    echo "skipped: no C++ compiler"
    exit 77
}
library=$1
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
{
    for header; do
        echo "#include <sockit/${header##*/}>"
    done
    echo 'static void (*const all[])() = {'
    "${0%/*}/../../tools/symbols" list "$@" | sed 's/.*/    reinterpret_cast<void (*)()>(\&&),/'
    echo '};'
    echo 'int main() { return !all[sizeof all / sizeof *all - 1] || skt_len(skt_span_str("abc")) != 3; }'
} >"$tmp/all.cc"
"${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -Wno-cast-function-type -I"${0%/*}/../../include" "$tmp/all.cc" -o "$tmp/all" \
    "$library" -Wl,-rpath,"${library%/*}"
"$tmp/all"
