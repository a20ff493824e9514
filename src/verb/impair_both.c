/* impair_both: profiles read, counters written. */
#include "verb/impair_both.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- profiles ---- */

static int read_file(const char *path, char **ret_text, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
    char *text = fd < 0 ? NULL : malloc(SKT_PROFILE_BYTES + 1);
    size_t n = 0;
    ssize_t got = 1;

    if (fd < 0)
        return -errno;
    while (text && got > 0 && n <= SKT_PROFILE_BYTES) {
        got = read(fd, text + n, SKT_PROFILE_BYTES + 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    r = !text ? -ENOMEM : got < 0 ? -errno : 0;
    close(fd);
    if (r) {
        free(text);
        return r;
    }
    *ret_text = text;
    *ret_n = n;
    return 0;
}

int impair_profile(
    const char *path, const struct skt_netem *base, struct skt_profile **ret_profile, struct skt_room *why)
{
    char *text = NULL;
    size_t n = 0;
    int r = path ? read_file(path, &text, &n) : 0;

    if (r)
        skt_put_fmt(why, "%s: %s", path, strerror(-r));
    else
        r = skt_profile_new(skt_span_of(text, n), path ? path : "", base, ret_profile, why);
    free(text);
    return r;
}

/* ---- counters ---- */

void impair_way_json(struct skt_json *j, const struct skt_impair_way *way)
{
    skt_json_u64(j, "in", way->in);
    skt_json_u64(j, "bytes_in", way->in_bytes);
    skt_json_u64(j, "out", way->out);
    skt_json_u64(j, "bytes_out", way->out_bytes);
    skt_json_u64(j, "lost", way->lost);
    skt_json_u64(j, "resent", way->resent);
    skt_json_u64(j, "dropped", way->dropped);
    skt_json_u64(j, "duplicated", way->duplicated);
    skt_json_u64(j, "corrupted", way->corrupted);
    skt_json_u64(j, "reordered", way->reordered);
    skt_json_u64(j, "queue_bytes", way->queue_bytes);
    skt_json_u64(j, "queue_packets", way->queue_packets);
    skt_json_u64(j, "queue_peak", way->queue_peak);
    skt_json_u64(j, "line_bytes", way->line_bytes);
    skt_json_u64(j, "line_packets", way->line_packets);
    skt_json_object(j, "late");
    skt_json_u64(j, "count", way->error.n);
    skt_json_double(j, "mean", (double)way->error.mean / SKT_SEC);
    skt_json_double(j, "p50", (double)way->error.p50 / SKT_SEC);
    skt_json_double(j, "p99", (double)way->error.p99 / SKT_SEC);
    skt_json_double(j, "max", (double)way->error.max / SKT_SEC);
    skt_json_close(j);
}

void impair_say_toxics(struct skt_cli *cli, const struct skt_impair_conf *c)
{
    char text[96];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    if (c->blackhole)
        skt_put_str(&room, " blackhole");
    if (c->reset_after || c->reset_bytes)
        skt_put_str(&room, " reset-after");
    if (c->slow_close)
        skt_put_str(&room, " slow-close");
    if (c->slice)
        skt_put_str(&room, " slice");
    if (c->limit_bytes)
        skt_put_str(&room, " limit-data");
    *room.p = 0;
    if (*text)
        skt_cli_say(cli, "connections:%s", text);
}
