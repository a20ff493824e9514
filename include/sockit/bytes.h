#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What stands between these two is C to a C++ compiler, too. */
#ifdef __cplusplus
#define SKT_BEGIN extern "C" {
#define SKT_END   }
#else
#define SKT_BEGIN
#define SKT_END
#endif

SKT_BEGIN
/* Bytes: a span is read, a room is written, a buf is counted and shared.
 * Pointers are non-NULL unless a comment says so. */

/* ns. Of the driver's clock: CLOCK_MONOTONIC, or the simulation's. Also used for lengths of time. */
typedef int64_t skt_time;
#define SKT_US    ((skt_time)1000)
#define SKT_MS    (1000 * SKT_US)
#define SKT_SEC   (1000 * SKT_MS)
#define SKT_NEVER INT64_MAX

/* Frees with `name`_free() at the end of the scope; free takes NULL. */
#define skt_auto(name) __attribute__((cleanup(name##_cleanup)))
#define SKT_CLEANUP(name)                                                                                              \
    static inline void name##_cleanup(struct name **p) { name##_free(*p); }

/* Bytes to read: get moves p forwards. One sticky failure: a get beyond the end gives zeros and sets bad. */
struct skt_span {
    const uint8_t *p, *end; /* both NULL: nothing */
    bool bad;
};

/* Room to write: put moves p forwards. A put beyond the end writes nothing and sets bad. */
struct skt_room {
    uint8_t *p, *end;
    bool bad;
};

static inline struct skt_span skt_span_of(const void *p, size_t n)
{
    const uint8_t *begin = (const uint8_t *)p;
    struct skt_span s = { begin, begin, false };

    if (n)
        s.end += n; /* of nothing at no address it would be undefined */
    return s;
}
static inline struct skt_span skt_span_str(const char *text) { return skt_span_of(text, strlen(text)); }
static inline struct skt_room skt_room_of(void *p, size_t n)
{
    uint8_t *begin = (uint8_t *)p;
    struct skt_room r = { begin, begin, false };

    if (n)
        r.end += n;
    return r;
}
static inline size_t skt_len(struct skt_span s) { return (size_t)(s.end - s.p); }
static inline size_t skt_left(struct skt_room r) { return (size_t)(r.end - r.p); }

/* Big-endian numbers, as the wire has them. */
uint8_t skt_get_u8(struct skt_span *in);
uint16_t skt_get_u16(struct skt_span *in);
uint32_t skt_get_u32(struct skt_span *in);
uint64_t skt_get_u64(struct skt_span *in);
struct skt_span skt_get_span(struct skt_span *in, size_t n); /* borrows from in */
/* A line without its LF or CRLF. False, and in untouched, when there is no LF yet. */
bool skt_get_line(struct skt_span *in, struct skt_span *ret_line);
bool skt_span_eq(struct skt_span a, struct skt_span b);
bool skt_span_is(struct skt_span a, const char *text);

void skt_put_u8(struct skt_room *out, uint8_t v);
void skt_put_u16(struct skt_room *out, uint16_t v);
void skt_put_u32(struct skt_room *out, uint32_t v);
void skt_put_u64(struct skt_room *out, uint64_t v);
void skt_put(struct skt_room *out, struct skt_span bytes); /* all or, with bad set, nothing */
void skt_put_str(struct skt_room *out, const char *text);
void skt_put_fmt(struct skt_room *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Counted bytes. Shared by many links without a copy; frozen as soon as there is more than one reference.
 * Not atomic: a buf lives in the thread (the runtime) that made it. */
struct skt_buf {
    uint32_t refs;
    uint32_t size; /* of data */
    uint8_t data[];
};
struct skt_buf *skt_buf_new(size_t size); /* one reference; NULL: out of memory, or size >= 2^32 */
static inline struct skt_buf *skt_buf_ref(struct skt_buf *buf)
{
    buf->refs++;
    return buf;
}
void skt_buf_free(struct skt_buf *buf);             /* of the last reference; use skt_buf_put */
static inline void skt_buf_put(struct skt_buf *buf) /* takes NULL */
{
    if (buf && !--buf->refs)
        skt_buf_free(buf);
}
SKT_END
