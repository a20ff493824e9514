/* drive/file/storepath.h: what is taken as a path does not lead out, as a slow reader sees it, and what its file is called until it is whole
 * is a name that no sender may give. The first byte is the depth and the longest name. */
#include "drive/file/storepath.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Part by part, byte by byte. */
static bool is_harmless(const uint8_t *p, size_t n, uint32_t depth, size_t *ret_last)
{
    static const char ending[] = ".part-sockit";
    size_t from = 0, k = sizeof ending - 1;
    uint32_t parts = 0;

    for (size_t i = 0; i <= n; i++) {
        size_t len = i - from;
        if (i < n && !p[i])
            return false;
        if (i < n && p[i] != '/')
            continue;
        if (!len || len > 255 || (len == 1 && p[from] == '.') || (len == 2 && p[from] == '.' && p[from + 1] == '.'))
            return false;
        if (len >= k && !memcmp(p + i - k, ending, k))
            return false;
        *ret_last = from;
        from = i + 1;
        parts++;
    }
    return parts <= depth && n <= 4096;
}

static void name(const uint8_t *p, size_t n, size_t max)
{
    char text[256], part[SKT_STOREPATH_NAME_MAX + 1];

    memcpy(text, p, n);
    text[n] = 0;
    skt_storepath_part(text, max, part);
    assert(strlen(part) <= max && skt_storepath_is_part(part) && !strchr(part, '/') && strcmp(part, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t last = SIZE_MAX, want = SIZE_MAX;
    uint32_t depth;
    bool good;

    if (!size--)
        return 0;
    depth = *data % 8;
    good = is_harmless(++data, size, depth, &want);
    assert(!skt_storepath_check(skt_span_of(data, size), depth, &last) == good);
    assert(last == (good ? want : SIZE_MAX));
    if (good)
        name(data + last, size - last, 48 + (size_t)data[-1] % 208);
    return 0;
}
