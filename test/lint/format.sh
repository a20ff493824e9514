#!/bin/sh
# The sources are as clang-format 14 (Debian 12) leaves them. Another version would see things otherwise: skipped.
set -eu
cd "${0%/*}/../.."
clang-format --version 2>/dev/null | grep -q 'version 14\.' || {
    echo "skipped: no clang-format 14"
    exit 77
}
find bench examples fuzz include src test -name '*.[ch]' -exec clang-format --dry-run -Werror {} +
