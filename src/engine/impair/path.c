/* path: one direction of a bad network. Start reading at skt_path_pass_ecn(). */
#include "engine/impair/path.h"

#include "engine/impair/inside.h"

#include "base/banned.h"

void skt_path_init(struct skt_path *path, const struct skt_path_conf *conf, uint64_t seed, uint32_t direction)
{
    *path = (struct skt_path){ .conf = *conf, .seed = seed, .direction = direction, .slot_at = INT64_MIN };
}

/* When a copy that was sent then arrives. */
static skt_time arrival(struct skt_path *path, skt_time sent, uint64_t index, uint32_t copy)
{
    skt_time at = sent + path_delay(path, index, copy);

    if (path->conf.in_order && at < path->last_at)
        at = path->last_at;
    if (path->last_at < at)
        path->last_at = at;
    return at;
}

/* False: the queue is full. */
static bool send_copy(struct skt_path *path, skt_time now, size_t len, uint64_t index, struct skt_path_fate *fate)
{
    uint32_t i = fate->copies;
    skt_time sent;

    if (!path_queue(path, now, len, index, &sent)) {
        path->dropped++;
        fate->dropped = true;
        return false;
    }
    if (!i && path_goes_early(path, index)) {
        fate->early = true;
        fate->at[i] = sent;
        path->reordered++;
    } else {
        fate->at[i] = arrival(path, sent, index, i);
    }
    if (!i && len && path_corrupts(path, index)) {
        fate->flip[i] = 1 + (uint32_t)(path_dice(path, FLIP, index) * (double)(8 * len));
        path->corrupted++;
    }
    fate->copies++;
    return true;
}

struct skt_path_fate skt_path_pass_ecn(struct skt_path *path, skt_time now, size_t len, uint64_t index, bool capable)
{
    struct skt_path_fate fate = { 0 };

    path->passed++;
    path->bytes += len;
    if (path_loses(path, index)) {
        if (!path->conf.ecn || !capable) {
            path->lost++;
            return fate;
        }
        fate.mark = true;
        path->marked++;
    }
    if (send_copy(path, now, len, index, &fate) && path_doubles(path, index))
        path->copied += send_copy(path, now, len, index, &fate);
    return fate;
}

struct skt_path_fate skt_path_pass(struct skt_path *path, skt_time now, size_t len, uint64_t index)
{
    return skt_path_pass_ecn(path, now, len, index, false);
}
