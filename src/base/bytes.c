/* bytes: spans, rooms and counted buffers; the one way in which bytes move through the house. */
#include <sockit/bytes.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The next n bytes, or NULL with bad set: one test for every get. */
static const uint8_t *take(struct skt_span *in, size_t n)
{
    const uint8_t *p = in->p;

    if (in->bad || n > skt_len(*in)) {
        in->bad = true;
        return NULL;
    }
    if (n) /* NULL + 0 is undefined in C */
        in->p += n;
    return p;
}

static uint64_t get_be(struct skt_span *in, size_t n)
{
    const uint8_t *p = take(in, n);
    uint64_t v = 0;

    for (size_t i = 0; p && i < n; i++)
        v = v << 8 | p[i];
    return v;
}

uint8_t skt_get_u8(struct skt_span *in) { return (uint8_t)get_be(in, 1); }
uint16_t skt_get_u16(struct skt_span *in) { return (uint16_t)get_be(in, 2); }
uint32_t skt_get_u32(struct skt_span *in) { return (uint32_t)get_be(in, 4); }
uint64_t skt_get_u64(struct skt_span *in) { return get_be(in, 8); }

struct skt_span skt_get_span(struct skt_span *in, size_t n)
{
    const uint8_t *p = take(in, n);

    return skt_span_of(p, p ? n : 0);
}

bool skt_get_line(struct skt_span *in, struct skt_span *ret_line)
{
    const uint8_t *lf = in->p == in->end ? NULL : memchr(in->p, '\n', skt_len(*in));

    if (!lf)
        return false;
    *ret_line = (struct skt_span){ .p = in->p, .end = lf > in->p && lf[-1] == '\r' ? lf - 1 : lf };
    in->p = lf + 1;
    return true;
}

bool skt_span_eq(struct skt_span a, struct skt_span b)
{
    return skt_len(a) == skt_len(b) && (a.p == a.end || !memcmp(a.p, b.p, skt_len(a)));
}

bool skt_span_is(struct skt_span a, const char *text) { return skt_span_eq(a, skt_span_str(text)); }

void skt_put(struct skt_room *out, struct skt_span bytes)
{
    size_t n = skt_len(bytes);

    if (out->bad || n > skt_left(*out)) {
        out->bad = true;
        return;
    }
    if (n)
        memcpy(out->p, bytes.p, n);
    out->p += n;
}

static void put_be(struct skt_room *out, uint64_t v, size_t n)
{
    uint8_t bytes[8];

    for (size_t i = n; i-- > 0; v >>= 8)
        bytes[i] = (uint8_t)v;
    skt_put(out, skt_span_of(bytes, n));
}

void skt_put_u8(struct skt_room *out, uint8_t v) { put_be(out, v, 1); }
void skt_put_u16(struct skt_room *out, uint16_t v) { put_be(out, v, 2); }
void skt_put_u32(struct skt_room *out, uint32_t v) { put_be(out, v, 4); }
void skt_put_u64(struct skt_room *out, uint64_t v) { put_be(out, v, 8); }
void skt_put_str(struct skt_room *out, const char *text) { skt_put(out, skt_span_str(text)); }

void skt_put_fmt(struct skt_room *out, const char *fmt, ...)
{
    size_t left = skt_left(*out);
    va_list ap;
    int n;

    if (out->bad)
        return;
    va_start(ap, fmt);
    n = vsnprintf((char *)out->p, left, fmt, ap); /* its NUL falls on room that is still free, or it did not fit */
    va_end(ap);
    if (n < 0 || (size_t)n >= left)
        out->bad = true;
    else
        out->p += n;
}

struct skt_buf *skt_buf_new(size_t size)
{
    struct skt_buf *buf = size < UINT32_MAX ? malloc(sizeof *buf + size) : NULL;

    if (buf)
        *buf = (struct skt_buf){ .refs = 1, .size = (uint32_t)size };
    return buf;
}

void skt_buf_free(struct skt_buf *buf) { free(buf); }
