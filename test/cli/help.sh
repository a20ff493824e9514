#!/bin/sh
# Help goes to stdout, fits 80 columns, names every verb, and a mistyped word is answered by the one meant.
. "${0%/*}/lib.sh"

narrow() {
    awk 'length > 79 { print FILENAME ": " length " columns: " $0; bad = 1 } END { exit bad }' "$1" || fail "too wide: $*"
}

exits 0 "$SOCKIT" --version
says '^sockit [0-9]+\.[0-9]+\.[0-9]+' out
silent err

exits 0 "$SOCKIT" help
silent err
narrow out
cp out help.out
for verb in serve listen connect hub doctor config completion; do
    says "^ *$verb " help.out
done
exits 0 "$SOCKIT" --help
same help.out out

for verb in $(sed -n 's/^ \{1,8\}\([a-z]\{3,\}\) \{2,\}[A-Z].*/\1/p' help.out); do
    exits 0 "$SOCKIT" "$verb" --help
    silent err
    narrow out "$verb"
    cp out verb.out
    says "sockit $verb" verb.out
    exits 0 "$SOCKIT" help "$verb"
    same verb.out out
done

exits 2 "$SOCKIT" serev
silent out
says 'serve' err
exits 2 "$SOCKIT" serve --ecko 0
silent out
says '\-\-echo' err

# A full disk is noticed.
[ ! -e /dev/full ] || {
    "$SOCKIT" help >/dev/full 2>err && fail "help said 0 although nothing could be written"
    says 'o space left' err
}
