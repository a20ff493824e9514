#!/bin/sh
# size.sh [TREE]: no C file has more than 600 lines, no function more than 80 from its name to its last brace. It leans on
# the formatter: a function's name stands in a line that begins in column 1, and so do its braces.
set -eu
cd "${1:-${0%/*}/../..}"
# shellcheck disable=SC2046 # names without blanks: meson would stumble over them as well
awk '
    FNR == 1 { files++; at = body = 0 }
    /^[a-zA-Z_].*\(/ && !body { at = FNR; name = $0 }
    /^{/ { body = 1 }
    /^}/ && body {
        functions++
        if (FNR - at >= 80) { print FILENAME ":" at ": " FNR - at + 1 " lines, more than 80: " name; bad = 1 }
    }
    /^}/ { body = 0 }
    FNR == 601 { print FILENAME ": more than 600 lines"; bad = 1 }
    END {
        if (!files || !functions) { print "nothing was read"; bad = 1 }
        exit bad
    }' $(find src include test fuzz bench examples -name '*.[ch]' 2>/dev/null)
