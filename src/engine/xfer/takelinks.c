/* takelinks: what became of the paths of this conversation. A hard link is one to a file that went over in it: what else has that
 * name there is another file, and not the sender's to give a second name. */
#include "base/random.h"
#include "engine/xfer/takeinside.h"

#include <errno.h>

/* Two paths of one key: a link is made or refused that should not be; 64 bits of a secret key make that nobody's choice. */
static uint64_t key_of(const struct skt_take *t, struct skt_span path)
{
    return skt_siphash(t->conf.seed, t->conf.seed, path);
}

static bool may_be_linked(const struct take_file *f)
{
    return f->meta.kind == SKT_XFER_FILE || f->meta.kind == SKT_XFER_HARDLINK;
}

/* 0, or it cannot: as many as may be are remembered, by this session or by all. */
static int remember(struct skt_take *t, uint64_t key, uint32_t why)
{
    uint32_t before = t->paths.n;
    int r;

    if (before >= TAKE_PATHS_EACH && t->desk->pool->paths >= TAKE_PATHS)
        return -ENOSPC;
    r = skt_map_put(&t->paths, key, why);
    t->desk->pool->paths += t->paths.n - before;
    return r;
}

void take_links_settled(struct skt_take *t, const struct take_file *f)
{
    uint64_t key = key_of(t, f->meta.path);

    if (f->state == TAKE_DONE && !may_be_linked(f))
        t->desk->pool->paths -= skt_map_del(&t->paths, key); /* nearly always it was not there */
    else if (remember(t, key, f->state == TAKE_DONE ? 0 : (uint32_t)-f->why))
        t->paths_more = true; /* from now on no link is made: it could be to one that failed meanwhile */
}

bool take_link_leads_astray(struct skt_take *t, struct take_file *f)
{
    uint32_t why = ENOENT;
    bool known;

    if (f->meta.kind != SKT_XFER_HARDLINK)
        return false;
    known = skt_map_get(&t->paths, key_of(t, f->meta.target), &why);
    if (known && !why && !t->paths_more)
        return false;
    if (t->paths_more)
        take_fail(t, f, -ENOMEM, NULL, true);
    else if (known)
        take_fail(t, f, -(int)why, "the file that it is a link to did not go over", true);
    else
        take_fail(t, f, -ENOENT, "the file that it is a link to was not sent before", true);
    return true;
}
