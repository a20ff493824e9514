#!/bin/sh
# A test, a target or a header that no meson.build names would never run: each file of these folders is named.
set -eu
cd "${0%/*}/../.."
status=0
for file in test/unit/*.c test/sim/*.c test/cli/*.sh test/lint/*.sh include/sockit/*.h src/*/*.c src/*/*/*.c fuzz/*.c; do
    name=${file##*/}
    case $file in */'*'.* | */lib.sh | fuzz/replay.c) continue ;; esac
    dir=${file%/*}
    while ! grep -qsE "'([^']*/)?(${name}|${name%.*})'" "$dir/meson.build"; do
        case $dir in
        */*) dir=${dir%/*} ;;
        [!.]*) dir=. ;;
        *)
            echo "$file is in no meson.build"
            status=1
            break
            ;;
        esac
    done
done
exit $status
