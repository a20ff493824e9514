#!/bin/sh
# Each event that --json prints is in the manual (src/verb/objects.c), and each one in the manual is printed.
set -eu
cd "${0%/*}/../../src/verb"
told=$(tr '\n\134' '  ' <objects.c | grep -o '{ *"[a-z_]*"' | tr -dc 'a-z_\n' | sort -u)
said=$(for file in *.c; do
    [ "$file" = objects.c ] || cat "$file"
done)
events=$(echo "$said" | sed -n 's/.*"event", \(.* ? \)\{0,1\}\("[a-z_]*"\)\( : \("[a-z_]*"\)\)\{0,1\}.*/\2 \4/p' | tr ' ' '\n' | tr -dc 'a-z_\n' |
    grep . | sort -u)
bad=0
for event in $events; do
    echo "$told" | grep -qx "$event" || { echo "\"event\":\"$event\" is not described in objects.c" && bad=1; }
done
for event in $told; do
    echo "$said" | grep -q "\"$event\"" || { echo "objects.c describes \"$event\", which nobody prints" && bad=1; }
done
if [ "$(echo "$events" | wc -l)" -lt 10 ] || [ "$(echo "$told" | wc -l)" -lt 15 ]; then
    echo "this test finds too little: $events; $told" && bad=1
fi >&2
exit $bad
