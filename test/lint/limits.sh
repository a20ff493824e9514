#!/bin/sh
# The table of limits in SECURITY.md is true: a row that names a constant has its value.
set -eu
cd "${0%/*}/../.."
status=0 rows=0

# value EXPRESSION: bytes, ns or a number, from what C or the table says.
value() {
    echo $((${1:-0})) 2>/dev/null
}

while IFS='|' read -r _ what limit _ _ where _; do
    # shellcheck disable=SC2016 # the backquotes are those of the table
    name=$(expr "$where" : ' *`\([A-Z0-9_]*\)`' || :)
    file=$(expr "$where" : '.*` \([^ ]*\)' || :)
    [ -n "$name" ] || continue
    rows=$((rows + 1))
    number=$(echo "$limit" | grep -oE '[0-9]+ (KiB|MiB|s\b)|[0-9]+' | tail -n 1 |
        sed 's/ KiB/ * 1024/; s/ MiB/ * 1024 * 1024/; s/ s/ * 1000000000/')
    source=$(sed -nE "s/.*\b$name *=? +([0-9(][^,;}\/]*).*/\1/p" "$file" | head -n 1 | sed 's/SKT_SEC/1000000000/')
    [ "$(value "$number")" = "$(value "$source")" ] || {
        echo "SECURITY.md:$what: says$limit, but $name in $file is '$source'"
        status=1
    }
done <SECURITY.md
[ $rows -gt 10 ] || {
    echo "only $rows rows were compared"
    status=1
}
exit $status
