#pragma once
#include <sockit/bytes.h>

/* sink: buffered writing to a descriptor. The first failure is kept, and everything after it is dropped: look at the
 * end. Whole lines leave together as long as a line is shorter than the buffer. */
struct skt_sink {
    int fd;         /* -1: only kept, up to 64 MiB (tests, and text that is needed in memory) */
    int err;        /* 0 or -errno */
    bool by_line;   /* flush after each line: a terminal */
    uint8_t *bytes; /* allocated at the first put */
    size_t n, size;
};

void skt_sink_init(struct skt_sink *sink, int fd); /* by_line if it is a terminal */
void skt_sink_done(struct skt_sink *sink);         /* frees; does not flush, does not close */
void skt_sink_put(struct skt_sink *sink, struct skt_span bytes);
void skt_sink_str(struct skt_sink *sink, const char *text);
void skt_sink_fmt(struct skt_sink *sink, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int skt_sink_flush(struct skt_sink *sink); /* 0 or -errno: the first failure since init */

/* To put by base's writers: at least n bytes of room, and what was put there afterwards. A sink that failed gives an
 * empty room. */
struct skt_room skt_sink_room(struct skt_sink *sink, size_t n);
void skt_sink_took(struct skt_sink *sink, struct skt_room room);
