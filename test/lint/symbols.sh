#!/bin/sh
# symbols.sh LIBRARY HEADER...: the shared library exports what the public headers declare: all of it, nothing else.
set -eu
library=$1
shift
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
"${0%/*}/../../tools/symbols" list "$@" >"$tmp/declared"
nm -D --defined-only "$library" | awk '$2 ~ /^[TDRBVW]$/ { sub(/@.*/, "", $3); print $3 }' | sort -u >"$tmp/exported"
diff -u "$tmp/declared" "$tmp/exported"
