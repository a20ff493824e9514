/* sink: buffered writing whose failures are kept until somebody asks. */
#include "cli/sink.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    SINK_FIRST = 64 * 1024,
    SINK_MAX = 1024 * 1024,       /* of one that writes */
    SINK_KEEP = 64 * 1024 * 1024, /* of one that only keeps */
    FMT_FIRST = 256,              /* what a format is given at first */
};

void skt_sink_init(struct skt_sink *sink, int fd)
{
    *sink = (struct skt_sink){ .fd = fd, .by_line = fd >= 0 && isatty(fd) };
}

void skt_sink_done(struct skt_sink *sink)
{
    free(sink->bytes);
    *sink = (struct skt_sink){ .fd = -1, .err = -EBADF };
}

static void write_all(struct skt_sink *sink, const uint8_t *p, size_t n)
{
    while (n && !sink->err) {
        ssize_t did = write(sink->fd, p, n);

        if (did > 0) {
            p += did;
            n -= (size_t)did;
        } else if (did == 0) {
            sink->err = -EIO;
        } else if (errno == EAGAIN) { /* whoever shares the descriptor made it non-blocking: wait as if it were not */
            (void)poll(&(struct pollfd){ .fd = sink->fd, .events = POLLOUT }, 1, -1);
        } else if (errno != EINTR) {
            sink->err = -errno;
        }
    }
}

/* Writes the first n bytes that wait. */
static void let_go(struct skt_sink *sink, size_t n)
{
    if (sink->fd < 0)
        return;
    write_all(sink, sink->bytes, n);
    sink->n -= n;
    if (sink->n)
        memmove(sink->bytes, sink->bytes + n, sink->n);
}

/* The length of the whole lines among what waits. */
static size_t whole_lines(const struct skt_sink *sink)
{
    const uint8_t *lf = sink->n ? memrchr(sink->bytes, '\n', sink->n) : NULL;

    return lf ? (size_t)(lf - sink->bytes) + 1 : 0;
}

static int grow(struct skt_sink *sink, size_t n)
{
    size_t size = sink->size ? sink->size : SINK_FIRST, max = sink->fd < 0 ? SINK_KEEP : SINK_MAX;
    uint8_t *bytes;

    if (n > max - sink->n)
        return -EMSGSIZE;
    while (size - sink->n < n)
        size *= 2;
    bytes = realloc(sink->bytes, size);
    if (!bytes)
        return -ENOMEM;
    sink->bytes = bytes;
    sink->size = size;
    return 0;
}

struct skt_room skt_sink_room(struct skt_sink *sink, size_t n)
{
    if (!sink->err && n > sink->size - sink->n)
        let_go(sink, whole_lines(sink));
    if (!sink->err && n > sink->size - sink->n && n <= sink->size)
        let_go(sink, sink->n);
    if (!sink->err && n > sink->size - sink->n)
        sink->err = grow(sink, n);
    return sink->err ? skt_room_of(NULL, 0) : skt_room_of(sink->bytes + sink->n, sink->size - sink->n);
}

void skt_sink_took(struct skt_sink *sink, struct skt_room room)
{
    if (sink->err || room.p == sink->bytes + sink->n)
        return;
    sink->n = (size_t)(room.p - sink->bytes);
    if (sink->by_line)
        let_go(sink, whole_lines(sink));
}

void skt_sink_put(struct skt_sink *sink, struct skt_span bytes)
{
    if (sink->fd >= 0 && skt_len(bytes) > SINK_FIRST / 2) { /* big: no copy */
        (void)skt_sink_flush(sink);
        write_all(sink, bytes.p, skt_len(bytes));
    } else if (skt_len(bytes)) {
        struct skt_room room = skt_sink_room(sink, skt_len(bytes));

        skt_put(&room, bytes);
        skt_sink_took(sink, room);
    }
}

void skt_sink_str(struct skt_sink *sink, const char *text) { skt_sink_put(sink, skt_span_str(text)); }

void skt_sink_fmt(struct skt_sink *sink, const char *fmt, ...)
{
    struct skt_room room = skt_sink_room(sink, FMT_FIRST);
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf((char *)room.p, skt_left(room), fmt, ap);
    if (n > 0 && (size_t)n >= skt_left(room)) {
        room = skt_sink_room(sink, (size_t)n + 1);
        n = vsnprintf((char *)room.p, skt_left(room), fmt, again);
    }
    if (n > 0 && (size_t)n < skt_left(room)) {
        room.p += n;
        skt_sink_took(sink, room);
    }
    va_end(again);
    va_end(ap);
}

int skt_sink_flush(struct skt_sink *sink)
{
    if (!sink->err)
        let_go(sink, sink->n);
    return sink->err;
}
