#!/bin/sh
# install.sh BUILD: what `meson install` leaves is whole: another project's program compiles against it by pkg-config
# alone, links to the library by its soname, and runs; the program that was installed starts.
set -eu
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
DESTDIR=$tmp/root meson install -C "$1" --no-rebuild --quiet >"$tmp/log" 2>&1 || {
    cat "$tmp/log"
    exit 1
}
pc=$(find "$tmp/root" -name sockit.pc)
libs=$(dirname "$(dirname "$pc")")
cat >"$tmp/user.c" <<'END'
#include <sockit/bytes.h>
#include <stdio.h>

int main(void)
{
    char text[16];
    struct skt_room out = skt_room_of(text, sizeof text);

    skt_put_fmt(&out, "%d", 42);
    return out.bad || fwrite(text, 1, sizeof text - skt_left(out), stdout) != 2;
}
END
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$tmp/root"
# shellcheck disable=SC2046 # flags
${CC:-cc} -o "$tmp/user" "$tmp/user.c" $(pkg-config --cflags --libs sockit)
readelf -d "$tmp/user" | grep -q 'NEEDED.*libsockit\.so\.0' || {
    echo "not linked to libsockit.so.0"
    exit 1
}
[ "$(LD_LIBRARY_PATH=$libs "$tmp/user")" = 42 ]
"$(find "$tmp/root" -name sockit -path '*/bin/*')" --version
