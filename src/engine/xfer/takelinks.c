/* takelinks: the paths that did not go over. Something else may have the name there, and a link to that would be told as one
 * to what the sender has. */
#include "base/random.h"
#include "engine/xfer/takeinside.h"

#include <errno.h>

/* Two paths of one key: a link is refused that could have been made; 64 bits of a secret key make that nobody's choice. */
static uint64_t key_of(const struct skt_take *t, struct skt_span path)
{
    return skt_siphash(t->conf.seed, t->conf.seed, path);
}

void take_links_settled(struct skt_take *t, const struct take_file *f)
{
    uint64_t key = key_of(t, f->meta.path);

    if (f->state == TAKE_DONE)
        (void)skt_map_del(&t->lost, key); /* nearly always it was not there */
    else if (skt_map_put(&t->lost, key, (uint32_t)-f->why))
        t->lost_more = true; /* from now on no link is made: it could be to this one */
}

bool take_link_leads_astray(struct skt_take *t, struct take_file *f)
{
    uint32_t why = ENOENT;

    if (f->meta.kind != SKT_XFER_HARDLINK || (!skt_map_get(&t->lost, key_of(t, f->meta.target), &why) && !t->lost_more))
        return false;
    take_fail(t, f, -(int)why, "the file that it is a link to did not go over", true);
    return true;
}
