/* path: one direction of a bad network. Start reading at skt_path_pass(). */
#include "engine/impair/path.h"

#include "base/random.h"

enum purpose { LOSS, DUP, REORDER, CORRUPT, FLIP, JITTER = 16 /* and up: one for each copy */ };
#define QUEUE_BYTES (256 * 1024)

/* 0 <= x < 1, always the same for the same packet and purpose. */
static double dice(const struct skt_path *path, uint32_t purpose, uint64_t index)
{
    uint64_t h = skt_hash64(path->seed, path->direction, purpose, index);

    return (double)(h >> 11) * 0x1p-53;
}

static bool chance(const struct skt_path *path, double share, uint32_t purpose, uint64_t index)
{
    return share > 0 && dice(path, purpose, index) < share;
}

void skt_path_init(struct skt_path *path, const struct skt_path_conf *conf, uint64_t seed, uint32_t direction)
{
    *path = (struct skt_path){ .conf = *conf, .seed = seed, .direction = direction };
}

/* When the rate has sent this packet; false: the queue before it is full. */
static bool queued(struct skt_path *path, skt_time now, size_t len, skt_time *ret_sent)
{
    const struct skt_path_conf *c = &path->conf;
    skt_time start = path->free_at > now ? path->free_at : now;
    double ahead = (double)(start - now) * (double)c->rate_bytes / (double)SKT_SEC;

    if (!c->rate_bytes) {
        *ret_sent = now;
        return true;
    }
    if (ahead + (double)len > (double)(c->queue_bytes ? c->queue_bytes : QUEUE_BYTES))
        return false;
    path->free_at = start + (skt_time)((double)len * (double)SKT_SEC / (double)c->rate_bytes);
    *ret_sent = path->free_at;
    return true;
}

struct skt_path_fate skt_path_pass(struct skt_path *path, skt_time now, size_t len, uint64_t index)
{
    const struct skt_path_conf *c = &path->conf;
    struct skt_path_fate fate = { 0 };
    bool early;
    skt_time sent;

    if (chance(path, c->loss, LOSS, index)) {
        path->lost++;
        return fate;
    }
    if (!queued(path, now, len, &sent)) {
        path->dropped++;
        return fate;
    }
    fate.copies = chance(path, c->dup, DUP, index) ? SKT_PATH_COPIES : 1;
    path->copied += fate.copies - 1;
    early = chance(path, c->reorder, REORDER, index);
    for (uint32_t i = 0; i < fate.copies; i++) {
        skt_time jitter = c->jitter ? (skt_time)(dice(path, JITTER + i, index) * (double)c->jitter) : 0;
        fate.at[i] = sent + (early && !i ? 0 : c->delay + jitter);
        if (len && !i && chance(path, c->corrupt, CORRUPT, index))
            fate.flip[i] = 1 + (uint32_t)(dice(path, FLIP, index) * (double)(8 * len));
    }
    return fate;
}
