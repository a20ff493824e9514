#!/bin/sh
# plugs.sh FOLDER: each module exports one symbol, named after itself.
set -eu
status=0
for module in "$1"/sockit-*.so; do
    name=${module##*/sockit-}
    exported=$(nm -D --defined-only "$module" | awk '$3 !~ /^__/ { printf "%s ", $3 }') # a sanitizer adds its own
    [ "$exported" = "skt_plug_${name%.so} " ] || {
        echo "$module exports: $exported"
        status=1
    }
done
exit $status
