#!/bin/sh
# The checkers of the tree are checked: each accepts a small good tree and refuses it with one violation planted.
set -u
top=$(cd "${0%/*}/../.." && pwd)
tools=$top/tools
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
cd "$tmp" || exit 99

fail() {
    echo "FAILED: $*"
    exit 1
}

# good: a tree of two layers that nobody objects to.
good() {
    rm -rf tree
    mkdir -p tree/src/base tree/src/engine tree/src/drive/rt tree/src/verb tree/include/sockit tree/examples
    printf '#pragma once\nstruct thing;\n' | tee tree/include/sockit/bytes.h tree/include/sockit/rt.h tree/src/drive/rt/queue.h >tree/src/base/heap.h
    printf '#include "base/heap.h"\n#include <string.h>\n' >tree/src/base/heap.c
    printf '#include <sockit/bytes.h>\n#include "base/heap.h"\n' >tree/src/engine/echo.c
    printf '#include "drive/rt/queue.h"\n#include <sockit/rt.h>\n' >tree/src/drive/rt/queue.c
    printf '#include "drive/rt/queue.h"\n' >tree/src/verb/serve.c
    printf '#include <sockit/rt.h>\n' >tree/examples/client.c
}

# refused WORD COMMAND...: it fails, and its message has the word.
refused() {
    word=$1
    shift
    if "$@" >out 2>&1; then
        fail "not refused: $word"
    fi
    grep -q -e "$word" out || fail "refused without the word '$word': $(cat out)"
}

# planted WORD FILE TEXT: layers refuses the tree with TEXT at the end of FILE.
planted() {
    good
    "$tools/layers" tree || fail "the good tree was refused"
    printf '%s\n' "$3" >>"tree/$2"
    refused "$1" "$tools/layers" tree
}
planted 'base may not include engine' src/base/heap.c '#include "engine/echo.h"'
planted 'base may not include drive' src/base/heap.h '#  include "drive/rt/queue.h"'
planted 'engine may not include drive' src/engine/echo.c '#include "drive/rt/queue.h"'
planted 'engine may not include drive' src/engine/echo.c '#include <sockit/rt.h>'
planted 'drive may not include engine' src/drive/rt/queue.c '#include "engine/echo.h"'
planted 'drive may not include verb' src/drive/rt/queue.h '#include "verb/serve.h"'
planted 'base may not include engine' src/base/heap.c '#include <sockit/chat.h>'
planted 'from src/' src/engine/echo.c '#include "echo.h"'
planted 'public API' examples/client.c '#include "base/heap.h"'
good
printf '#include <errno.h>\n#include "base/heap.h"\n' >tree/src/base/heap.c
refused 'own header comes first' "$tools/layers" tree

# pure: each of these would make an engine depend on the world.
archive() { # BODY
    rm -f lib.a
    echo "$1" | ${CC:-cc} -O1 -w -x c -c -o part.o - || fail "could not build: $1"
    ar rc lib.a part.o
}
archive 'void *malloc(unsigned long); void *f(void) { return malloc(3); }'
"$tools/pure" lib.a || fail "malloc was refused"
for call in time clock_gettime getrandom rand socket read printf puts getenv pthread_create skt_rt_step; do
    archive "int $call(void); int f(void) { return $call() + 1; }"
    refused "$call" "$tools/pure" lib.a
done
archive 'int skt_low(void) { return 1; }' && mv lib.a low.a
archive 'int skt_low(void); int f(void) { return skt_low() + 1; }'
"$tools/pure" low.a lib.a || fail "a call downwards was refused"
refused skt_low "$tools/pure" lib.a low.a

# headers: one that does not stand alone.
good
"$tools/headers" tree || fail "the good headers were refused"
echo 'uint8_t x_get(void);' >>tree/include/sockit/bytes.h
refused 'bytes.h does not stand alone' "$tools/headers" tree
good
echo 'size_t x_len(void);' >>tree/src/base/heap.h
refused 'heap.h does not stand alone' "$tools/headers" tree
good
echo 'static inline struct skt_y { int x; } skt_z(void) { return (struct skt_y){ .x = 1 }; }' >>tree/include/sockit/bytes.h
! command -v c++ >/dev/null || refused 'bytes.h does not stand alone (c++)' "$tools/headers" tree

# symbols: a library that exports more, or less, than is declared.
good
echo 'int skt_declared(int x);' >>tree/include/sockit/bytes.h
library() { # BODY
    echo "$1" | ${CC:-cc} -w -shared -fPIC -x c -o lib.so - || fail "could not link: $1"
}
library 'int skt_declared(int x) { return x; }'
"$top/test/lint/symbols.sh" lib.so tree/include/sockit/*.h || fail "the good library was refused"
library 'int skt_declared(int x) { return x; } int helper(void) { return 1; }'
refused '+helper' "$top/test/lint/symbols.sh" lib.so tree/include/sockit/*.h
library 'int other; '
refused '-skt_declared' "$top/test/lint/symbols.sh" lib.so tree/include/sockit/*.h

# size: a function, and a file, of one line too many.
body() { # LINES: a function of so many
    printf 'static int f(int x)\n{\n' && yes '    x++;' | head -n $(($1 - 4)) && printf '    return x;\n}\n'
}
good
body 80 >>tree/src/base/heap.c
yes '/**/' | head -n 600 >tree/src/base/long.c
"$top/test/lint/size.sh" tree || fail "80 and 600 lines were refused"
echo '/* */' >>tree/src/base/long.c
refused 'long.c: more than 600' "$top/test/lint/size.sh" tree
good
body 81 >>tree/src/base/heap.c
refused 'heap.c:3: 81 lines' "$top/test/lint/size.sh" tree
good
refused 'nothing was read' "$top/test/lint/size.sh" tree
