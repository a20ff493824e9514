/* storepath: which paths a sender may name, and what a file is called until it is whole. */
#include "drive/file/storepath.h"

#include "base/random.h"

#include <errno.h>
#include <stdio.h>

static const char ending[] = ".part-sockit";

static bool ends_so(struct skt_span name)
{
    size_t n = skt_len(name), k = sizeof ending - 1;

    return n >= k && !memcmp(name.end - k, ending, k);
}

bool skt_storepath_is_part(const char *name) { return ends_so(skt_span_str(name)); }

static int part_check(struct skt_span part)
{
    size_t n = skt_len(part);

    if (n > SKT_STOREPATH_NAME_MAX)
        return -ENAMETOOLONG;
    if (!n || skt_span_is(part, ".") || skt_span_is(part, "..") || memchr(part.p, 0, n) || ends_so(part))
        return -EINVAL;
    return 0;
}

int skt_storepath_check(struct skt_span path, uint32_t max_depth, size_t *ret_last)
{
    const uint8_t *begin = path.p, *slash;
    uint32_t depth = 0;

    if (skt_len(path) > SKT_STOREPATH_MAX)
        return -ENAMETOOLONG;
    for (bool more = true; more;) {
        int r;
        slash = path.p == path.end ? NULL : memchr(path.p, '/', skt_len(path));
        more = slash;
        r = part_check((struct skt_span){ .p = path.p, .end = more ? slash : path.end });
        if (!r && ++depth > max_depth)
            r = -ENAMETOOLONG;
        if (r)
            return r;
        if (more)
            path.p = slash + 1;
    }
    *ret_last = (size_t)(path.p - begin);
    return 0;
}

/* Two names of one hash would only be compared with each other's bytes, and written anew: the keys need not be secret. */
void skt_storepath_part(const char *name, size_t max, char ret_part[SKT_STOREPATH_NAME_MAX + 1])
{
    size_t n = strlen(name);
    struct skt_span bytes = skt_span_of(name, n);
    struct skt_room out = skt_room_of(ret_part, SKT_STOREPATH_NAME_MAX + 1);

    if (max > SKT_STOREPATH_NAME_MAX)
        max = SKT_STOREPATH_NAME_MAX;
    if (n + sizeof ending - 1 <= max)
        skt_put(&out, bytes);
    else
        skt_put_fmt(&out, ".%016llx%016llx", (unsigned long long)skt_siphash(1, 2, bytes),
            (unsigned long long)skt_siphash(3, 4, bytes));
    skt_put(&out, skt_span_of(ending, sizeof ending)); /* with its NUL */
}
