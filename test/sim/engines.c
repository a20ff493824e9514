/* engines: an echo, a talker over streams, a shooter of datagrams. */
#include "engines.h"

#include "base/random.h"

#include <assert.h>
#include <stdlib.h>

/* ---- echo ---- */

enum { TODO_MAX = 4096, TODO_DATA = 256, SLOTS = 8192 };

struct todo {
    skt_link link;
    enum skt_kind kind;
    struct skt_buf *buf;
    struct skt_span bytes;
    uint32_t seg;
    struct skt_addr peer;
};

struct echo {
    struct todo todo[TODO_MAX];
    uint32_t first, n;
    bool full[SLOTS];
};

struct echo *echo_new(void) { return calloc(1, sizeof(struct echo)); }

void echo_free(struct echo *e)
{
    for (; e && e->n; e->n--, e->first++)
        skt_buf_put(e->todo[e->first % TODO_MAX].buf);
    free(e);
}

static void echo_add(struct echo *e, struct todo todo)
{
    assert(e->n < TODO_MAX);
    e->todo[(e->first + e->n++) % TODO_MAX] = todo;
}

static void echo_data(struct echo *e, struct skt_in *in)
{
    struct todo t = { .link = in->link, .kind = SKT_SHARE, .bytes = in->data, .seg = in->seg };

    if (e->full[skt_slot(in->link) % SLOTS] || e->n >= TODO_DATA) {
        in->hold = true;
        return;
    }
    if (in->peer)
        t.peer = *in->peer;
    if (in->buf) {
        t.buf = skt_buf_ref(in->buf);
    } else {
        t.buf = skt_buf_new(skt_len(in->data));
        assert(t.buf);
        if (skt_len(in->data))
            memcpy(t.buf->data, in->data.p, skt_len(in->data));
        t.bytes = skt_span_of(t.buf->data, skt_len(in->data));
    }
    in->data.p = in->data.end;
    echo_add(e, t);
}

static void echo_recv(void *self, skt_time now, struct skt_in *in)
{
    struct echo *e = self;

    switch (in->kind) {
    case SKT_DATA: echo_data(e, in); break;
    case SKT_EOF: echo_add(e, (struct todo){ .link = in->link, .kind = SKT_CLOSE }); break;
    case SKT_OPEN:
    case SKT_ROOM: e->full[skt_slot(in->link) % SLOTS] = false; break;
    case SKT_FULL: e->full[skt_slot(in->link) % SLOTS] = true; break;
    case SKT_CLOSE: e->full[skt_slot(in->link) % SLOTS] = false; break;
    case SKT_SHARE:
    case SKT_MOVE: assert(!"never asked for");
    }
}

static bool echo_send(void *self, skt_time now, struct skt_out *out)
{
    struct echo *e = self;
    struct todo *t = &e->todo[e->first % TODO_MAX];
    static struct skt_buf *last; /* the reference that the driver did not take yet */

    skt_buf_put(last);
    last = NULL;
    if (!e->n)
        return false;
    e->first++;
    e->n--;
    last = t->buf;
    out->link = t->link;
    out->kind = t->kind;
    out->buf = t->buf;
    out->share = t->bytes;
    out->seg = t->seg;
    out->peer = t->peer;
    t->buf = NULL;
    return true;
}

static skt_time echo_wake(const void *self) { return SKT_NEVER; }

struct skt_engine echo_engine(struct echo *e)
{
    static const struct skt_engine_ops ops = { echo_recv, echo_send, echo_wake };

    return (struct skt_engine){ &ops, e };
}

/* ---- talker ---- */

static uint8_t byte_at(uint64_t seed, uint64_t i) { return (uint8_t)(skt_hash64(seed, i / 8, 0, 0) >> 8 * (i % 8)); }

static uint64_t throw(struct talker * t, uint64_t n) { return skt_hash64(t->conf.seed, 1, t->dice++, 0) % n; }

void talker_init(struct talker *t, const struct talker_conf *conf)
{
    *t = (struct talker){ .conf = *conf, .wants_open = true, .why = 1, .next = SKT_NEVER };
    if (!t->conf.write_max)
        t->conf.write_max = SKT_ROOM_MIN;
}

static void talker_data(struct talker *t, struct skt_in *in)
{
    uint64_t base = t->conf.seed + t->opened;
    size_t n = skt_len(in->data);

    if (t->conf.lazy && n > 1 && throw(t, 4) == 0) {
        n = throw(t, n); /* the rest comes again: with what follows, or soon */
        in->hold = throw(t, 2);
        t->poked = in->hold ? 2 : 0;
        if (in->hold)
            t->next = t->now + SKT_MS;
    }
    for (size_t i = 0; i < n; i++)
        t->wrong |= *in->data.p++ != byte_at(base, t->got++);
}

static void talker_over(struct talker *t, int why)
{
    t->why = why;
    t->closed++;
    t->refused += !t->open;
    t->total += t->got;
    t->open = t->full = t->eof_sent = t->close_wanted = false;
    t->link = 0;
    t->next = SKT_NEVER;
    if (t->conf.again) {
        t->conf.again--;
        t->sent = t->got = 0;
        t->eof_got = false;
        t->why = 1;
        t->wants_open = true;
    } else {
        t->over = true;
    }
}

static void talker_recv(void *self, skt_time now, struct skt_in *in)
{
    struct talker *t = self;

    assert(in->link == t->link && t->link);
    t->now = now;
    switch (in->kind) {
    case SKT_OPEN:
        t->open = true;
        t->opened++;
        t->next = t->conf.gap ? now + t->conf.gap : SKT_NEVER;
        break;
    case SKT_DATA: talker_data(t, in); break;
    case SKT_EOF:
        assert(!t->eof_got);
        for (; in->data.p < in->data.end;)
            t->wrong |= *in->data.p++ != byte_at(t->conf.seed + t->opened, t->got++);
        t->eof_got = t->close_wanted = true;
        break;
    case SKT_CLOSE: talker_over(t, in->why); break;
    case SKT_FULL: t->full = true; break;
    case SKT_ROOM: t->full = false; break;
    case SKT_SHARE:
    case SKT_MOVE: assert(!"never asked for");
    }
    if (t->conf.abort && t->sent >= t->conf.bytes / 2 && t->open)
        t->close_wanted = t->reset_wanted = true;
}

static bool talker_write(struct talker *t, struct skt_out *out)
{
    uint64_t n = 1 + throw(t, t->conf.write_max);

    out->link = t->link;
    if (t->sent == t->conf.bytes) {
        t->eof_sent = true;
        out->kind = SKT_EOF;
        return true;
    }
    for (; n && t->sent < t->conf.bytes && out->data.p < out->data.end; n--)
        skt_put_u8(&out->data, byte_at(t->conf.seed + t->opened, t->sent++));
    return true;
}

static bool talker_send(void *self, skt_time now, struct skt_out *out)
{
    struct talker *t = self;

    t->now = now;
    if (t->wants_open && out->link) {
        t->wants_open = false;
        t->link = out->link;
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, t->conf.to);
        return true;
    }
    if (t->close_wanted && t->open) {
        t->close_wanted = t->open = false;
        t->next = SKT_NEVER;
        out->link = t->link;
        out->kind = SKT_CLOSE;
        out->why = t->reset_wanted ? -1 : 0;
        return true;
    }
    if (now >= t->next)
        t->next = t->conf.gap && !t->eof_sent ? now + t->conf.gap : SKT_NEVER;
    else if (t->conf.gap)
        return false;
    return t->open && !t->full && !t->eof_sent && talker_write(t, out);
}

static skt_time talker_wake(const void *self) { return ((const struct talker *)self)->next; }

struct skt_engine talker_engine(struct talker *t)
{
    static const struct skt_engine_ops ops = { talker_recv, talker_send, talker_wake };

    return (struct skt_engine){ &ops, t };
}

/* ---- shooter: number, length, then bytes that follow from the number ---- */

enum { SHOT_HEAD = 8 };
#define SHOT_GAP  SKT_MS
#define SHOT_WAIT (5 * SKT_SEC)

void shooter_init(struct shooter *s, const struct shooter_conf *conf)
{
    *s = (struct shooter){ .conf = *conf, .wants_open = true, .end = SKT_NEVER, .next = SKT_NEVER };
    s->seen = calloc(conf->count, 1);
}

void shooter_done(struct shooter *s) { free(s->seen); }

static uint32_t shot_len(const struct shooter *s, uint32_t number)
{
    return SHOT_HEAD + (uint32_t)(skt_hash64(s->conf.seed, 2, number, 0) % (s->conf.most - SHOT_HEAD + 1));
}

static void shot_check(struct shooter *s, struct skt_span shot)
{
    uint32_t len = (uint32_t)skt_len(shot), number = skt_get_u32(&shot), told = skt_get_u32(&shot);
    bool right = !shot.bad && number < s->sent && told == len;

    for (uint32_t i = 0; right && skt_len(shot); i++)
        right = skt_get_u8(&shot) == byte_at(number, i);
    if (!right) {
        s->wrong++;
        return;
    }
    s->back++;
    s->twice += s->seen[number];
    s->seen[number] = 1;
    s->late += number < s->newest;
    s->newest = number > s->newest ? number : s->newest;
}

static void shooter_recv(void *self, skt_time now, struct skt_in *in)
{
    struct shooter *s = self;

    assert(in->link == s->link);
    s->now = now;
    s->full += in->kind == SKT_FULL;
    if (in->kind == SKT_OPEN) {
        s->open = true;
        s->next = now + SHOT_GAP;
        s->end = now + SHOT_WAIT + s->conf.count * SHOT_GAP;
    } else if (in->kind == SKT_CLOSE) {
        s->open = false;
        s->closed = true;
        s->why = in->why;
        s->next = s->end = SKT_NEVER;
    } else if (in->kind == SKT_DATA) {
        do
            shot_check(
                s, skt_get_span(&in->data, in->seg && in->seg < skt_len(in->data) ? in->seg : skt_len(in->data)));
        while (skt_len(in->data));
    }
}

static void shot_put(struct shooter *s, struct skt_room *out, uint32_t len)
{
    skt_put_u32(out, s->sent);
    skt_put_u32(out, len);
    for (uint32_t i = 0; i < len - SHOT_HEAD; i++)
        skt_put_u8(out, byte_at(s->sent, i));
    s->sent++;
}

static bool shooter_send(void *self, skt_time now, struct skt_out *out)
{
    struct shooter *s = self;
    uint32_t len, n;

    s->now = now;
    if (s->wants_open) {
        s->wants_open = false;
        s->link = out->link;
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, s->conf.to);
        return true;
    }
    if (!s->open)
        return false;
    out->link = s->link;
    if (now >= s->end) {
        s->open = false;
        s->end = s->next = SKT_NEVER;
        out->kind = SKT_CLOSE;
        return true;
    }
    if (now < s->next || s->sent == s->conf.count)
        return false;
    s->next = now + SHOT_GAP;
    len = shot_len(s, s->sent);
    n = s->conf.trains ? 1 + (uint32_t)(skt_hash64(s->conf.seed, 3, s->sent, 0) % 5) : 1;
    out->seg = n > 1 ? len : 0;
    do
        shot_put(s, &out->data, len);
    while (--n && s->sent < s->conf.count && skt_left(out->data) >= len);
    if (s->sent == s->conf.count)
        s->next = SKT_NEVER;
    return true;
}

static skt_time shooter_wake(const void *self)
{
    const struct shooter *s = self;

    return s->next < s->end ? s->next : s->end;
}

struct skt_engine shooter_engine(struct shooter *s)
{
    static const struct skt_engine_ops ops = { shooter_recv, shooter_send, shooter_wake };

    return (struct skt_engine){ &ops, s };
}
