/* streamline: what is on its way in one direction of a connection: segments in order, each with the time at which it
 * arrives, or is sent again. Start reading at streamline_take() and streamline_tick(). */
#include "engine/impair/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

enum { RING_FIRST = 16 };
#define RESET_GRACE SKT_MS /* a reset comes so much behind the bytes before it, which the driver writes first */

void streamline_init(struct line *l) { *l = (struct line){ .armed = SKT_NEVER, .resend = SKT_NEVER }; }

static struct piece *piece_at(const struct line *l, uint32_t i) { return &l->ring[(l->first + i) & (l->size - 1)]; }

static int grow(struct line *l)
{
    uint32_t size = l->size ? 2 * l->size : RING_FIRST;
    struct piece *ring = malloc(size * sizeof *ring);

    if (!ring)
        return -ENOMEM;
    for (uint32_t i = 0; i < l->n; i++)
        ring[i] = *piece_at(l, i);
    free(l->ring);
    l->ring = ring;
    l->first = 0;
    l->size = size;
    return 0;
}

static struct piece *push(struct line *l, enum piece_kind kind)
{
    struct piece *s;

    if (l->n == l->size && grow(l))
        return NULL;
    s = piece_at(l, l->n++);
    *s = (struct piece){ .kind = (uint8_t)kind };
    return s;
}

static void account(struct skt_impair *m, struct line *l, bool from, int64_t bytes, int64_t packets)
{
    l->bytes += (uint64_t)bytes; /* wraps back where it is negative */
    m->way[from].bytes += (uint64_t)bytes;
    m->way[from].packets += (uint64_t)packets;
}

static void pop(struct skt_impair *m, struct line *l, bool from)
{
    struct piece *s = piece_at(l, 0);

    if (s->kind == BYTES)
        account(m, l, from, -(int64_t)s->len, -1);
    l->lost -= s->lost;
    skt_buf_put(s->buf);
    l->first = (l->first + 1) & (l->size - 1);
    l->n--;
}

void streamline_clear(struct skt_impair *m, struct pair *p, bool from)
{
    struct line *l = &p->line[from];

    while (l->n)
        pop(m, l, from);
    free(l->ring);
    l->ring = NULL;
    l->size = 0;
    l->resend = SKT_NEVER;
}

static bool full(const struct skt_impair *m, const struct line *l)
{
    return l->n >= PIECES_MAX || l->bytes >= m->conf.line_bytes ||
           m->way[NEAR].bytes + m->way[FAR].bytes >= m->conf.total_bytes;
}

/* --- what becomes of a segment --- */

static skt_time rtt(const struct skt_impair *m) { return m->way[NEAR].path.conf.delay + m->way[FAR].path.conf.delay; }

/* RFC 6298 2.4, 5.5: it is doubled each time, up to a limit. */
static skt_time rto(const struct skt_impair *m, uint32_t tries)
{
    skt_time t = rtt(m) + RTO_LEAST;

    while (tries-- && t < RTO_MOST)
        t *= 2;
    return t < RTO_MOST ? t : RTO_MOST;
}

/* When the first copy arrives that a checksum lets pass. */
static skt_time arrival(const struct skt_path_fate *fate)
{
    skt_time at = SKT_NEVER;

    for (uint32_t i = 0; i < fate->copies; i++)
        if (!fate->flip[i] && fate->at[i] < at)
            at = fate->at[i];
    return at;
}

static void transmit(struct skt_impair *m, struct line *l, bool from, struct piece *s, skt_time now)
{
    struct way *w = &m->way[from];
    struct skt_path_fate fate = skt_path_pass(&w->path, now, s->len, w->next++);

    s->at = arrival(&fate);
    s->timed = s->at > now;
    l->lost -= s->lost;
    s->lost = s->at == SKT_NEVER;
    l->lost += s->lost;
    if (!s->lost)
        return;
    s->at = now + rto(m, s->tries);
    s->behind = 0;
    s->tries += s->tries < UINT8_MAX;
    if (s->at < l->resend)
        l->resend = s->at;
}

/* RFC 5681 3.2: the third that arrives behind a lost one tells of the loss; an RTT later it is sent again. */
static void tell_of_loss(struct skt_impair *m, struct line *l, skt_time now)
{
    for (uint32_t i = l->n - 1; l->lost && i-- && i + FAST_RESEND + 1 >= l->n;) {
        struct piece *s = piece_at(l, i);
        if (!s->lost || s->tries > 1 || ++s->behind != FAST_RESEND || now + rtt(m) >= s->at)
            continue;
        s->at = now + rtt(m);
        if (s->at < l->resend)
            l->resend = s->at;
    }
}

static void resend(struct skt_impair *m, struct line *l, bool from, skt_time now)
{
    l->resend = SKT_NEVER;
    for (uint32_t i = 0; l->lost && i < l->n; i++) {
        struct piece *s = piece_at(l, i);
        if (s->lost && s->at <= now) {
            m->way[from].resent++;
            transmit(m, l, from, s, now);
        } else if (s->lost && s->at < l->resend) {
            l->resend = s->at;
        }
    }
}

/* --- in --- */

/* The queue before the rate takes it; else the sender waits until some of it is gone. */
static bool queue_takes(struct skt_impair *m, struct way *w, skt_time now, size_t n)
{
    const struct skt_path_conf *c = &w->path.conf;
    uint64_t bytes, limit = c->queue_bytes ? c->queue_bytes : c->queue_packets ? UINT64_MAX : 256 * 1024;
    uint32_t packets;
    skt_time wait;

    skt_path_occupancy(&w->path, now, &bytes, &packets);
    if (!bytes || (n <= limit && bytes <= limit - n && (!c->queue_packets || packets < c->queue_packets)))
        return true;
    wait = c->rate_bytes ? (skt_time)(bytes / 4 * (uint64_t)SKT_SEC / c->rate_bytes) : SKT_MS;
    wait = wait < 50 * SKT_US ? 50 * SKT_US : wait > 10 * SKT_MS ? 10 * SKT_MS : wait;
    if (now + wait < m->room_at)
        m->room_at = now + wait;
    return false;
}

/* As much as may enter: to the limits of a connection. 0: nothing any more. */
static size_t allowed(const struct skt_impair *m, const struct pair *p, bool from, size_t n)
{
    uint64_t left = UINT64_MAX, both = p->line[NEAR].taken + p->line[FAR].taken;

    if (!p->hit)
        return n;
    if (m->conf.limit_bytes)
        left = m->conf.limit_bytes - p->line[from].taken;
    if (m->conf.reset_bytes && m->conf.reset_bytes - both < left)
        left = m->conf.reset_bytes - both;
    return n < left ? n : (size_t)left;
}

/* The last byte that may enter did: what follows from it comes behind it. */
static int limited(struct skt_impair *m, struct pair *p, bool from, skt_time now)
{
    const struct line *l = &p->line[from];

    if (!p->hit)
        return 0;
    if (m->conf.reset_bytes && p->line[NEAR].taken + p->line[FAR].taken == m->conf.reset_bytes)
        return streamline_end(m, p, from, now, RESET_BOTH);
    if (m->conf.limit_bytes && l->taken == m->conf.limit_bytes)
        return streamline_end(m, p, from, now, CLOSE_BOTH);
    return 0;
}

static int take_one(
    struct skt_impair *m, struct pair *p, bool from, skt_time now, struct skt_buf *buf, struct skt_span b)
{
    struct line *l = &p->line[from];
    struct way *w = &m->way[from];
    size_t n = skt_len(b);
    struct piece *s = push(l, BYTES);

    if (!s)
        return -ENOMEM;
    s->buf = buf ? skt_buf_ref(buf) : skt_buf_new(n);
    if (!s->buf) {
        l->n--;
        return -ENOMEM;
    }
    if (!buf)
        memcpy(s->buf->data, b.p, n);
    s->off = buf ? (uint32_t)(b.p - buf->data) : 0;
    s->len = (uint32_t)n;
    l->taken += n;
    w->in++;
    w->in_bytes += n;
    account(m, l, from, (int64_t)n, 1);
    if (!p->hit || w->clean) {
        s->at = now;
        w->next++;
    } else {
        tell_of_loss(m, l, now);
        transmit(m, l, from, s, now);
    }
    return limited(m, p, from, now);
}

int streamline_take(struct skt_impair *m, struct pair *p, bool from, skt_time came, skt_time now, struct skt_buf *buf,
    struct skt_span *bytes, bool all)
{
    struct line *l = &p->line[from];
    struct way *w = &m->way[from];
    int r = 0;

    while (skt_len(*bytes) && !r && !l->shut) {
        bool bad = p->hit && !w->clean;
        size_t n = skt_len(*bytes);
        skt_time room, at;

        n = allowed(m, p, from, bad && n > MSS ? MSS : n);
        room = bad ? skt_path_room(&w->path, n) : came;
        if (!all && (full(m, l) || (bad && !queue_takes(m, w, now, n)))) {
            l->waits = !full(m, l);
            l->held = now;
            return 0;
        }
        at = impair_entry(w, now, came < room ? room : came);
        r = take_one(m, p, from, at, buf, skt_span_of(bytes->p, n));
        bytes->p += n;
    }
    l->waits = false;
    if (l->shut) /* beyond its limit, or after its end */
        bytes->p = bytes->end;
    return r;
}

int streamline_end(struct skt_impair *m, struct pair *p, bool from, skt_time now, enum piece_kind kind)
{
    struct line *l = &p->line[from];
    struct way *w = &m->way[from];
    struct piece *s = push(l, kind);

    if (!s)
        return -ENOMEM;
    s->at = now;
    l->shut = kind != END;
    if (kind == RESET_BOTH)
        p->line[!from].shut = true;
    if (!p->hit)
        return 0;
    if (kind == END && !w->clean) {
        tell_of_loss(m, l, now);
        transmit(m, l, from, s, now);
    } else if (kind == CLOSED || kind == RESET) {
        s->at += w->path.conf.delay;
    }
    if (kind == END || kind == CLOSED || kind == RESET)
        s->at += m->conf.slow_close;
    if (kind == RESET || kind == RESET_BOTH) {
        skt_time before = l->n > 1 ? piece_at(l, l->n - 2)->at : now;
        s->at = (s->at > before ? s->at : before) + RESET_GRACE;
    }
    return 0;
}

/* --- out --- */

/* What leaves together and touches goes out as one. */
static bool give(struct skt_impair *m, struct pair *p, bool from, struct skt_slice *run)
{
    bool ok = !run->len || skt_outbox_to(&m->box, p->side[!from].link, *run);

    m->batch += run->len;
    m->way[from].out_bytes += run->len;
    p->bytes[from] += run->len;
    skt_buf_put(run->buf);
    *run = (struct skt_slice){ 0 };
    return ok;
}

/* The first piece leaves, or a slice of it. */
static bool leave(struct skt_impair *m, struct pair *p, bool from, skt_time now, struct skt_slice *run)
{
    struct line *l = &p->line[from];
    struct piece *s = piece_at(l, 0);
    uint32_t n = s->len;
    bool ok = true;

    if (m->conf.slice && p->hit && n > m->conf.slice)
        n = m->conf.slice;
    if (!run->buf || run->buf != s->buf || run->at + run->len != s->off) {
        ok = give(m, p, from, run);
        *run = (struct skt_slice){ skt_buf_ref(s->buf), s->off, 0 };
    }
    run->len += n;
    if (m->conf.slice && p->hit)
        l->ready = now + m->conf.slice_delay;
    if (n < s->len) {
        account(m, l, from, -(int64_t)n, 0);
        s->off += n;
        s->len -= n;
    } else {
        m->way[from].out++;
        pop(m, l, from);
    }
    return ok;
}

static skt_time due_of(const struct line *l, const struct piece *s) { return s->at > l->ready ? s->at : l->ready; }

static bool is_reset(const struct piece *s) { return s->kind == RESET || s->kind == RESET_BOTH; }

/* An end waits in the driver behind what its socket does not take; a reset does not wait at all. */
static bool blocked(const struct pair *p, bool from, const struct piece *s)
{
    const struct side *to = &p->side[!from];

    if (is_reset(s))
        return false;
    return !to->open || to->closing || (s->kind == BYTES && to->full);
}

/* A reset does not wait for who does not read. */
static void reset_blocked(struct skt_impair *m, struct pair *p, bool from, skt_time now)
{
    struct line *l = &p->line[from];

    if (l->n < 2 || !is_reset(piece_at(l, l->n - 1)) || piece_at(l, l->n - 1)->at > now ||
        !blocked(p, from, piece_at(l, 0)))
        return;
    while (l->n > 1)
        pop(m, l, from);
}

void streamline_tick(struct skt_impair *m, struct pair *p, bool from, skt_time now)
{
    struct line *l = &p->line[from];
    struct skt_slice run = { 0 };
    bool ok = true;

    if (l->resend <= now)
        resend(m, l, from, now);
    reset_blocked(m, p, from, now);
    while (ok && l->n && m->batch + run.len < BATCH) {
        struct piece *s = piece_at(l, 0);
        skt_time due = due_of(l, s);
        enum piece_kind kind = (enum piece_kind)s->kind;

        if (s->lost || due > now || blocked(p, from, s))
            break;
        if (s->timed)
            skt_lag_add(&m->way[from].lag, now - due);
        s->timed = false;
        l->ready = due;
        if (kind == BYTES) {
            ok = leave(m, p, from, now, &run);
            continue;
        }
        ok = give(m, p, from, &run);
        pop(m, l, from);
        if (ok)
            impair_stream_arrived(m, p, from, kind);
    }
    if (give(m, p, from, &run) && ok)
        return;
    impair_close(m, p, NEAR, -ENOBUFS); /* a stream with a hole is worse than none */
    impair_close(m, p, FAR, -ENOBUFS);
}

skt_time streamline_next(const struct pair *p, bool from)
{
    const struct line *l = &p->line[from];
    skt_time at = l->lost ? l->resend : SKT_NEVER, due;
    const struct piece *last = l->n ? piece_at(l, l->n - 1) : NULL;

    if (!last)
        return at;
    due = due_of(l, piece_at(l, 0));
    if (blocked(p, from, piece_at(l, 0)))
        due = is_reset(last) ? last->at : SKT_NEVER;
    else if (piece_at(l, 0)->lost)
        due = SKT_NEVER;
    return due < at ? due : at;
}
