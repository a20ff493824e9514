/* serve: echo, reply, say, discard. Start reading at serve_recv(). */
#include <sockit/serve.h>

#include "base/heap.h"
#include "base/utf8.h"
#include "engine/outbox.h"
#include "engine/parcel.h"

#include <errno.h>
#include <stdlib.h>

enum {
    DELIVERIES = 4096,
    DELIVERIES_MAX = 1 << 20,
    EVENTS_MAX = 4096,
    MESSAGE_BYTES = 64 * 1024,
    DATAGRAM_MAX = 65507, /* of IPv4 */
};
#define PAUSE (100 * SKT_MS)

/* A message that has no end yet. */
struct partial {
    uint32_t len, room;
    uint8_t bytes[];
};

/* 64 bytes a peer: ten thousand idle ones shall cost little. */
struct peer {
    skt_link link;    /* 0: nobody */
    bool full, timed; /* timed: REPLY: it has an entry in `pauses` */
    bool doomed;      /* a delivery was lost, and there was no memory for its CLOSE either */
    struct skt_addr addr;
    skt_time since, filled; /* filled: when tokens were last counted; REPLY: when the partial grew */
    uint64_t in, out;
    struct partial *partial; /* REPLY */
};

struct skt_serve {
    struct skt_serve_conf conf;
    struct skt_outbox box;
    struct peer **chunks;                      /* by slot, CHUNK each, made when needed */
    struct skt_heap pauses;                    /* REPLY: when a message without an end is one */
    skt_time wake;                             /* rate: somebody may go on then */
    bool doomed;                               /* somebody is */
    struct parcel parcel;                      /* datagrams */
    struct skt_serve_event events[EVENTS_MAX]; /* a ring */
    uint32_t first, n;
    uint64_t lost;
};
enum { CHUNK = 256 };

static struct peer *peer_of(struct skt_serve *s, skt_link link)
{
    struct peer **chunk = &s->chunks[skt_slot(link) / CHUNK];

    if (!*chunk)
        *chunk = calloc(CHUNK, sizeof **chunk);
    return *chunk ? &(*chunk)[skt_slot(link) % CHUNK] : NULL;
}

/* --- events --- */

static void say_event(struct skt_serve *s, const struct skt_serve_event *ev)
{
    if (s->conf.quiet)
        return;
    if (s->n == EVENTS_MAX) {
        s->first = (s->first + 1) % EVENTS_MAX;
        s->n--;
        s->lost++;
    }
    s->events[(s->first + s->n++) % EVENTS_MAX] = *ev;
}

bool skt_serve_next(struct skt_serve *s, struct skt_serve_event *ret_event)
{
    if (!s->n)
        return false;
    *ret_event = s->events[s->first];
    s->first = (s->first + 1) % EVENTS_MAX;
    s->n--;
    return true;
}

uint64_t skt_serve_events_lost(const struct skt_serve *s) { return s->lost; }

/* --- streams --- */

static void close_peer(struct skt_serve *s, struct peer *p, int why)
{
    if (!p->doomed && !skt_outbox_close(&s->box, p->link, why))
        s->doomed = p->doomed = true;
}

/* Those whose CLOSE found no room in the outbox. */
static bool send_doomed(struct skt_serve *s, struct skt_out *out)
{
    for (uint32_t i = 0; s->doomed && i < SKT_LINKS_MAX / CHUNK; i++) {
        for (uint32_t k = 0; s->chunks[i] && k < CHUNK; k++) {
            struct peer *p = &s->chunks[i][k];
            if (!p->link || !p->doomed)
                continue;
            p->doomed = false;
            out->link = p->link;
            out->kind = SKT_CLOSE;
            out->why = -ENOMEM;
            return true;
        }
    }
    s->doomed = false;
    return false;
}

static void give(struct skt_serve *s, struct peer *p, struct skt_slice slice)
{
    if (p->doomed)
        return;
    p->out += slice.len;
    if (!skt_outbox_to(&s->box, p->link, slice)) /* a hole in a stream is worse than its end */
        close_peer(s, p, -ENOBUFS);
}

static void give_copy(struct skt_serve *s, struct peer *p, struct skt_span bytes)
{
    while (skt_len(bytes)) {
        size_t n = skt_len(bytes) < SKT_OUTBOX_BLOCK ? skt_len(bytes) : SKT_OUTBOX_BLOCK;
        give(s, p, skt_outbox_put(&s->box, skt_span_of(bytes.p, n)));
        bytes.p += n;
    }
}

static void give_shared(struct skt_serve *s, struct peer *p, struct skt_buf *buf, struct skt_span bytes)
{
    if (buf)
        give(s, p, skt_slice_of(buf, bytes));
    else
        give_copy(s, p, bytes);
}

/* How much of n bytes the rate allows now; what is left waits until a fiftieth of a second's worth has come together. */
static size_t allowed(struct skt_serve *s, struct peer *p, skt_time now, size_t n)
{
    uint64_t burst = s->conf.rate / 50 + 1, tokens;
    skt_time span = SKT_SEC / 50;
    bool late = false;

    if (!s->conf.rate)
        return n;
    if (s->conf.rate < 50) /* a byte's worth, at least */
        span = (skt_time)(SKT_SEC / s->conf.rate) + 1;
    if (now - p->filled > span)
        p->filled = now - span;
    tokens = (uint64_t)(now - p->filled) * s->conf.rate / SKT_SEC;
    tokens = tokens < burst ? tokens : burst;
    if (n > tokens) {
        n = (size_t)tokens;
        late = true;
    }
    p->filled += (skt_time)(n * SKT_SEC / s->conf.rate);
    if (late && (s->wake == SKT_NEVER || now + span < s->wake))
        s->wake = now + span;
    return n;
}

static void reply(struct skt_serve *s, struct peer *p, struct skt_span message)
{
    give_copy(s, p, s->conf.text);
    give_copy(s, p, message);
}

/* Ends a message that waits. Never inside a character, unless the peer left it there. */
static void reply_partial(struct skt_serve *s, struct peer *p, bool whole)
{
    struct partial *part = p->partial;
    struct skt_span all, text;

    if (!part || !part->len)
        return;
    all = text = skt_span_of(part->bytes, part->len);
    if (!whole && skt_utf8_whole(all))
        text.end = text.p + skt_utf8_whole(all);
    reply(s, p, text);
    part->len = (uint32_t)(all.end - text.end);
    memmove(part->bytes, text.end, part->len);
}

/* One entry a peer, which may be early: a byte more than before costs nothing. */
static bool pause_in(struct skt_serve *s, struct peer *p, skt_time at)
{
    if (!p->timed)
        p->timed = !skt_heap_push(&s->pauses, at, p->link);
    return p->timed;
}

static bool partial_add(struct skt_serve *s, struct peer *p, skt_time now, struct skt_span bytes)
{
    struct partial *part = p->partial;
    size_t len = part ? part->len : 0, n = skt_len(bytes);

    if (!part || part->room - len < n) {
        part = realloc(part, sizeof *part + len + n);
        if (!part)
            return false;
        p->partial = part;
        part->room = (uint32_t)(len + n);
    }
    memcpy(part->bytes + len, bytes.p, n);
    part->len = (uint32_t)(len + n);
    p->filled = now;
    return pause_in(s, p, now + s->conf.pause);
}

static void partial_drop(struct peer *p)
{
    free(p->partial);
    p->partial = NULL;
}

/* Lines are answered; what has no end waits for it, or for a pause. */
static void take_messages(struct skt_serve *s, struct peer *p, skt_time now, struct skt_span bytes)
{
    while (skt_len(bytes)) {
        const uint8_t *lf = memchr(bytes.p, '\n', skt_len(bytes));
        struct skt_span line = { .p = bytes.p, .end = lf ? lf + 1 : bytes.end };
        bool bad = false;

        bytes.p = line.end;
        if (lf && !p->partial) {
            reply(s, p, line);
            continue;
        }
        bad = !partial_add(s, p, now, line);
        if (lf)
            reply_partial(s, p, true);
        else if (!bad && p->partial->len >= s->conf.message_bytes)
            reply_partial(s, p, false);
        if (lf)
            partial_drop(p);
        if (bad)
            close_peer(s, p, -ENOMEM);
    }
}

static void on_pause(struct skt_serve *s, struct peer *p, skt_time now)
{
    skt_time due = p->filled + s->conf.pause;

    if (!p->partial || !p->partial->len)
        return;
    if (now < due) { /* it grew meanwhile */
        (void)pause_in(s, p, due);
        return;
    }
    reply_partial(s, p, skt_utf8_whole(skt_span_of(p->partial->bytes, p->partial->len)) == 0);
    if (p->partial->len) { /* half a character: one more pause for the other half */
        p->filled = now;
        (void)pause_in(s, p, now + s->conf.pause);
    } else {
        partial_drop(p);
    }
}

static void on_data(struct skt_serve *s, struct peer *p, skt_time now, struct skt_in *in)
{
    struct skt_span bytes = in->data;

    if (p->full || skt_outbox_full(&s->box)) { /* its socket takes nothing: nor do we */
        in->hold = true;
        return;
    }
    bytes.end = bytes.p + allowed(s, p, now, skt_len(bytes));
    in->data.p = bytes.end;
    in->hold = skt_len(in->data) != 0;
    p->in += skt_len(bytes);
    switch (s->conf.mode) {
    case SKT_SERVE_ECHO: give_shared(s, p, in->buf, bytes); break;
    case SKT_SERVE_REPLY: take_messages(s, p, now, bytes); break;
    case SKT_SERVE_SAY:
    case SKT_SERVE_DISCARD: break;
    }
}

static void on_open(struct skt_serve *s, struct peer *p, skt_time now, struct skt_in *in)
{
    *p = (struct peer){ .link = in->link, .addr = *in->peer, .since = now, .filled = now };
    say_event(s, &(struct skt_serve_event){ .what = SKT_SERVE_CAME, .link = in->link, .peer = p->addr });
    if (s->conf.mode == SKT_SERVE_SAY) {
        give_copy(s, p, s->conf.text);
        close_peer(s, p, 0);
    }
}

static void on_close(struct skt_serve *s, struct peer *p, skt_time now, int why)
{
    partial_drop(p);
    say_event(s, &(struct skt_serve_event){ .what = SKT_SERVE_LEFT,
                     .link = p->link,
                     .peer = p->addr,
                     .in = p->in,
                     .out = p->out,
                     .stayed = now - p->since,
                     .why = why });
    p->link = 0;
}

/* --- datagrams: one train waits here while the driver fetches it, one datagram of it at a time if we change it --- */

static void on_datagram(struct skt_serve *s, struct skt_in *in)
{
    if (s->conf.mode == SKT_SERVE_DISCARD)
        in->data.p = in->data.end;
    else
        (void)parcel_take(&s->parcel, in, in->link, in->peer);
}

static bool send_datagram(struct skt_serve *s, struct skt_out *out)
{
    struct skt_addr to = s->parcel.to;
    struct skt_span one;

    if (s->conf.mode == SKT_SERVE_ECHO) /* the whole train, uncopied */
        return parcel_send(&s->parcel, out);
    if (!parcel_next(&s->parcel, &one))
        return false;
    out->link = s->parcel.link;
    out->peer = to;
    if (skt_left(out->data) > DATAGRAM_MAX)
        out->data.end = out->data.p + DATAGRAM_MAX;
    skt_put(&out->data, s->conf.text);
    if (s->conf.mode == SKT_SERVE_REPLY)
        skt_put(&out->data, one); /* what does not fit is left out: the answer says only the text */
    return true;
}

/* --- the contract --- */

static void serve_recv(void *self, skt_time now, struct skt_in *in)
{
    struct skt_serve *s = self;
    struct peer *p;

    if (in->kind == SKT_DATA && in->peer) {
        on_datagram(s, in);
        return;
    }
    p = peer_of(s, in->link);
    if (!p || (in->kind != SKT_OPEN && p->link != in->link)) {
        if (!p)
            (void)skt_outbox_close(&s->box, in->link, -ENOMEM);
        in->data.p = in->data.end;
        return; /* a listener's CLOSE, or no memory for who came */
    }
    switch (in->kind) {
    case SKT_OPEN: on_open(s, p, now, in); break;
    case SKT_DATA: on_data(s, p, now, in); break;
    case SKT_EOF:
        reply_partial(s, p, true);
        close_peer(s, p, 0);
        break;
    case SKT_CLOSE: on_close(s, p, now, in->why); break;
    case SKT_FULL: p->full = true; break;
    case SKT_ROOM: p->full = false; break;
    case SKT_SHARE:
    case SKT_MOVE: break; /* never asked for */
    }
}

static bool serve_send(void *self, skt_time now, struct skt_out *out)
{
    struct skt_serve *s = self;
    skt_time at;
    uint32_t link;

    if (s->wake <= now)
        s->wake = SKT_NEVER; /* the driver offers again what we left */
    while (skt_heap_top(&s->pauses, &at, &link) && at <= now) {
        struct peer *p = peer_of(s, link);
        skt_heap_pop(&s->pauses);
        if (p && p->link == link) {
            p->timed = false;
            on_pause(s, p, now);
        }
    }
    return send_datagram(s, out) || skt_outbox_send(&s->box, out) || send_doomed(s, out);
}

static skt_time serve_wake(const void *self)
{
    const struct skt_serve *s = self;
    skt_time at = SKT_NEVER;
    uint32_t link;

    (void)skt_heap_top(&s->pauses, &at, &link);
    return s->wake < at ? s->wake : at;
}

struct skt_serve *skt_serve_new(const struct skt_serve_conf *conf)
{
    struct skt_serve *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->conf = *conf;
    s->conf.pause = conf->pause ? conf->pause : PAUSE;
    s->conf.message_bytes = conf->message_bytes ? conf->message_bytes : MESSAGE_BYTES;
    s->wake = SKT_NEVER;
    skt_outbox_init(&s->box, DELIVERIES, DELIVERIES_MAX);
    s->chunks = calloc(SKT_LINKS_MAX / CHUNK, sizeof *s->chunks);
    if (!s->chunks || skt_heap_init(&s->pauses, SKT_LINKS_MAX) || skt_outbox_reserve(&s->box)) {
        skt_serve_free(s);
        return NULL;
    }
    return s;
}

void skt_serve_free(struct skt_serve *s)
{
    if (!s)
        return;
    for (uint32_t i = 0; s->chunks && i < SKT_LINKS_MAX / CHUNK; i++) {
        for (uint32_t k = 0; s->chunks[i] && k < CHUNK; k++)
            free(s->chunks[i][k].partial);
        free(s->chunks[i]);
    }
    free(s->chunks);
    parcel_done(&s->parcel);
    skt_heap_done(&s->pauses);
    skt_outbox_done(&s->box);
    free(s);
}

static const struct skt_engine_ops serve_ops = { serve_recv, serve_send, serve_wake };

struct skt_engine skt_serve_engine(struct skt_serve *s) { return (struct skt_engine){ &serve_ops, s }; }
