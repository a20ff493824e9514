/* world: see world.h. Start reading at world_run(). */
#include "world.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PEOPLE = 12,             /* links that come and go */
    FIRST = WORLD_LOCAL + 1, /* slot of the first of them */
    SLOTS = FIRST + PEOPLE,
    KEEP_MAX = 4096,      /* bytes unread on a link: then its peer is not read */
    QUEUE_MAX = 64 << 10, /* bytes for a full link: then it is closed, -ENOBUFS */
    OUT_MAX = 20000,      /* outputs in one turn: an engine that says more will not stop */
    HELD = 4              /* counted buffers that are still in a queue */
};

enum state { FREE, ASKED, OPEN };

struct side {
    skt_link link; /* 0 when FREE */
    enum state state;
    bool in_eof, out_eof, closing, full, hold;
    bool moves, moved_from; /* target of a MOVE; source of one */
    uint64_t queued;        /* bytes since FULL */
    skt_link move_from;
    uint64_t move_len;
    size_t n; /* of unread */
    uint8_t unread[KEEP_MAX];
};

struct world {
    const struct world_conf *conf;
    struct skt_span steps;
    skt_time now;
    uint32_t generation;
    struct side side[SLOTS];
    struct skt_buf *held[HELD];
    uint32_t turn;
};

/* WORLD_TRACE=1 in the environment tells what happens: how a finding is read. */
static void trace(const struct world *w, const char *way, skt_link link, enum skt_kind kind, long n)
{
    static const char *const names[] = { "DATA", "SHARE", "MOVE", "OPEN", "EOF", "CLOSE", "FULL", "ROOM" };
    static int on = -1;

    if (on < 0)
        on = getenv("WORLD_TRACE") != NULL;
    if (on)
        fprintf(stderr, "%12.6f %s %u.%u %s %ld\n", (double)w->now / 1e9, way, skt_slot(link), link >> SKT_LINK_BITS,
            names[kind], n);
}

static struct side *side_of(struct world *w, skt_link link)
{
    struct side *s = &w->side[skt_slot(link) % SLOTS];

    return link && s->link == link ? s : NULL;
}

static void be_open(struct world *w, uint32_t slot, enum state state)
{
    struct side *s = &w->side[slot];

    memset(s, 0, offsetof(struct side, unread));
    s->link = slot;
    s->state = state;
    if (slot >= FIRST)
        s->link |= ++w->generation % 4096 << SKT_LINK_BITS;
}

static struct skt_addr peer_of(uint32_t slot)
{
    struct skt_addr peer = {
        .family = (uint8_t)(SKT_IP4 + slot % 3), .port = (uint16_t)(1000 + slot), .ip = { 10, 0, 0, 1 }
    };

    peer.ip[15] = (uint8_t)(slot / 6);
    return peer;
}

static void tell(struct world *w, struct skt_in *in)
{
    size_t n = skt_len(in->data);

    trace(w, "in ", in->link, in->kind, in->kind == SKT_DATA ? (long)n : in->why);
    w->conf->engine.ops->recv(w->conf->engine.self, w->now, in);
    if (in->kind == SKT_DATA)
        trace(w, in->hold ? "held" : "took", in->link, in->kind, (long)(n - skt_len(in->data)));
}

/* A MOVE ends: by its length, by its source's end (1) or by a failure. One that closes is not told. */
static void end_move(struct world *w, struct side *to, uint64_t len, int why)
{
    struct skt_in in = { .link = to->link, .kind = SKT_MOVE, .len = len, .why = why };
    struct side *from = side_of(w, to->move_from);

    to->moves = false;
    if (from) {
        from->moved_from = false;
        from->in_eof = from->in_eof || why == 1;
    }
    if (!to->closing)
        tell(w, &in);
}

/* The moves of a link end before it does. */
static void gone(struct world *w, struct side *s, int why)
{
    struct skt_in in = { .link = s->link, .kind = SKT_CLOSE, .why = why };

    for (uint32_t slot = 1; slot < SLOTS; slot++)
        if (w->side[slot].moves && (slot == skt_slot(s->link) || w->side[slot].move_from == s->link))
            end_move(w, &w->side[slot], 0, why ? why : -EPIPE);
    s->state = FREE;
    s->link = 0;
    tell(w, &in);
}

/* What the engine wants, checked against the rules. */
static void check_bytes(struct side *s, size_t n)
{
    assert(!s->out_eof && !s->moves);
    s->queued += s->full ? n : 0;
}

static void do_share(struct world *w, struct side *s, const struct skt_out *out)
{
    struct skt_buf **slot = &w->held[w->turn++ % HELD];

    assert(out->buf && out->buf->data <= out->share.p && out->share.end <= out->buf->data + out->buf->size);
    check_bytes(s, skt_len(out->share));
    skt_buf_put(*slot);
    *slot = skt_buf_ref(out->buf);
}

static void do_move(struct world *w, struct side *s, const struct skt_out *out)
{
    struct side *from = side_of(w, out->from);

    assert(from && from != s && !s->moves && !from->moved_from && !s->out_eof && out->len > 0);
    s->moves = from->moved_from = true;
    from->n = 0; /* what was unread goes first */
    from->hold = false;
    s->move_from = out->from;
    s->move_len = out->len;
}

static void one_output(struct world *w, struct skt_out *out, skt_link fresh, const uint8_t *room)
{
    struct side *s;

    trace(w, "out", out->link, out->kind, out->kind == SKT_DATA ? (long)(out->data.p - room) : out->why);
    assert(!out->data.bad || out->kind != SKT_DATA);
    if (out->kind == SKT_OPEN) {
        assert(fresh && out->link == fresh && out->data.p > room);
        w->side[skt_slot(fresh)].state = ASKED;
        return;
    }
    s = side_of(w, out->link);
    assert(s && s->link != WORLD_LISTENER); /* nothing to a link that is gone */
    assert(!s->closing || (out->kind == SKT_CLOSE && out->why < 0));
    switch (out->kind) {
    case SKT_DATA: check_bytes(s, (size_t)(out->data.p - room)); break;
    case SKT_SHARE: do_share(w, s, out); break;
    case SKT_MOVE: do_move(w, s, out); break;
    case SKT_EOF:
        assert(!s->out_eof && !s->moves);
        s->out_eof = true;
        break;
    case SKT_CLOSE:
        assert(out->why <= 0);
        s->closing = true;
        break;
    case SKT_OPEN:
    case SKT_FULL:
    case SKT_ROOM: abort();
    }
}

/* Gives a fresh link for an OPEN, and takes it back when it was not used. */
static bool one_send(struct world *w)
{
    uint8_t *room = malloc(SKT_ROOM_MIN); /* exactly: a sanitizer sees the byte after it */
    struct skt_out out = { .data = skt_room_of(room, room ? SKT_ROOM_MIN : 0) };
    skt_link fresh = 0;
    bool more;

    for (uint32_t slot = FIRST; slot < SLOTS && !fresh; slot++)
        if (w->side[slot].state == FREE) {
            be_open(w, slot, FREE);
            fresh = w->side[slot].link;
        }
    out.link = fresh;
    more = w->conf->engine.ops->send(w->conf->engine.self, w->now, &out);
    if (more)
        one_output(w, &out, fresh, room);
    if (fresh && w->side[skt_slot(fresh)].state == FREE)
        w->side[skt_slot(fresh)].link = 0;
    free(room);
    return more;
}

/* Sends until there is nothing more, with the closes that follow from it. */
static void pump(struct world *w)
{
    bool again = true;

    for (int n = 0; again; n++) {
        assert(n < OUT_MAX);
        again = one_send(w);
        if (again)
            continue;
        for (uint32_t slot = 1; slot < SLOTS; slot++) {
            struct side *s = &w->side[slot];

            if (s->state == FREE || (!s->closing && s->queued <= QUEUE_MAX))
                continue;
            gone(w, s, s->closing ? 0 : -ENOBUFS);
            again = true;
        }
    }
}

/* The unread bytes of a link, in memory of exactly that size which is gone afterwards; or counted, if the engine may keep
 * them. */
static void deliver(struct world *w, struct side *s, bool counted)
{
    struct skt_buf *buf = skt_buf_new(s->n);
    uint8_t *plain = malloc(s->n ? s->n : 1);
    struct skt_addr peer = peer_of(skt_slot(s->link));
    struct skt_in in = { .link = s->link, .kind = SKT_DATA, .buf = counted ? buf : NULL };

    assert(buf && plain);
    if (s->link == WORLD_DATAGRAMS) {
        in.peer = &peer;
        in.seg = s->n > 8 ? (uint32_t)(s->n / 2 + 1) : 0;
        peer = peer_of(s->n % PEOPLE);
    }
    memcpy(buf->data, s->unread, s->n);
    memcpy(plain, s->unread, s->n);
    in.data = skt_span_of(counted ? buf->data : plain, s->n);
    tell(w, &in);
    assert(skt_len(in.data) <= s->n);
    memmove(s->unread, s->unread + s->n - skt_len(in.data), skt_len(in.data));
    s->n = s->link == WORLD_DATAGRAMS && !in.hold ? 0 : skt_len(in.data);
    s->hold = in.hold;
    free(plain);
    skt_buf_put(buf);
    pump(w);
}

static void on_data(struct world *w, struct side *s, struct skt_span bytes, bool counted)
{
    if (s->in_eof || s->hold || s->moved_from || s->n + skt_len(bytes) > KEEP_MAX || bytes.p == bytes.end)
        return;
    memcpy(s->unread + s->n, bytes.p, skt_len(bytes));
    s->n += skt_len(bytes);
    deliver(w, s, counted);
}

static void on_moved(struct world *w, struct side *s, uint8_t how)
{
    struct skt_in in = { .link = s->link, .kind = SKT_MOVE, .len = how < s->move_len ? how : s->move_len };
    int why = how % 3 ? 0 : how % 2 ? 1 : -EIO;

    if (s->move_len != UINT64_MAX)
        s->move_len -= in.len;
    if (why || !s->move_len)
        end_move(w, s, in.len, why);
    else
        tell(w, &in);
}

static void on_open(struct world *w, struct side *s, uint32_t slot)
{
    struct skt_addr peer = peer_of(slot);
    struct skt_in in = { .kind = SKT_OPEN, .peer = &peer };

    if (s->state == FREE) {
        be_open(w, slot, OPEN);
        in.via = WORLD_LISTENER;
    }
    s->state = OPEN;
    in.link = s->link;
    tell(w, &in);
}

static void simple(struct world *w, struct side *s, enum skt_kind kind)
{
    struct skt_in in = { .link = s->link, .kind = kind };

    tell(w, &in);
}

/* A step: the low half of the byte says what, the high half who. */
static void step(struct world *w, uint8_t byte)
{
    uint32_t slot = FIRST + (byte >> 4) % PEOPLE;
    struct side *s = &w->side[slot];
    enum { COME, SAY, SAY_COUNTED, END, LEAVE, BREAK, FILL, DRAIN, MOVED, WAIT, LOCAL, GRAM } what = byte % 16 % 12;
    uint8_t how = what == COME || (SAY <= what && what <= DRAIN && s->state != OPEN) ? 0 : skt_get_u8(&w->steps);

    if (what == WAIT)
        w->now += (skt_time)1 << how % 38; /* at most 137 s */
    else if (what == COME && s->state != OPEN && (!w->conf->local || w->side[WORLD_LOCAL].state == OPEN))
        on_open(w, s, slot); /* who has lost its terminal listens no more */
    else if (what == LOCAL && w->conf->local && w->side[WORLD_LOCAL].state == OPEN)
        on_data(w, &w->side[WORLD_LOCAL], skt_get_span(&w->steps, how % 64), how & 64);
    else if (what == GRAM && w->conf->datagrams && w->side[WORLD_DATAGRAMS].state == OPEN)
        on_data(w, &w->side[WORLD_DATAGRAMS], skt_get_span(&w->steps, how % 64), how & 64);
    else if (s->state == ASKED && what == BREAK)
        gone(w, s, -ECONNREFUSED);
    else if (s->state != OPEN)
        return;
    else if (what == SAY || what == SAY_COUNTED)
        on_data(w, s, skt_get_span(&w->steps, how), what == SAY_COUNTED);
    else if (what == END && !s->in_eof && !s->moved_from && !s->hold) {
        s->in_eof = true;
        simple(w, s, SKT_EOF);
    } else if (what == LEAVE || what == BREAK)
        gone(w, s, what == BREAK ? -ECONNRESET : 0);
    else if (what == FILL && !s->full) {
        s->full = true;
        simple(w, s, SKT_FULL);
    } else if (what == DRAIN && s->full) {
        s->full = false;
        s->queued = 0;
        simple(w, s, SKT_ROOM);
    } else if (what == MOVED && s->moves)
        on_moved(w, s, how);
}

/* What was held comes again after a turn. */
static void again(struct world *w)
{
    for (uint32_t slot = 1; slot < SLOTS; slot++)
        if (w->side[slot].state == OPEN && w->side[slot].hold && !w->side[slot].moved_from)
            deliver(w, &w->side[slot], false);
    assert(w->conf->engine.ops->wake(w->conf->engine.self) > w->now); /* else a driver would spin */
}

void world_read(struct skt_span bytes)
{
    static volatile uint8_t sink;

    for (; bytes.p < bytes.end; bytes.p++)
        sink = *bytes.p;
    (void)sink;
}

void world_run(const struct world_conf *conf, const uint8_t *data, size_t size)
{
    struct world *w = calloc(1, sizeof *w);

    assert(w);
    w->conf = conf;
    w->now = SKT_SEC;
    w->steps = skt_span_of(data, size);
    be_open(w, WORLD_LISTENER, OPEN);
    if (conf->datagrams)
        be_open(w, WORLD_DATAGRAMS, OPEN);
    if (conf->local)
        be_open(w, WORLD_LOCAL, OPEN);
    pump(w);
    while (w->steps.p < w->steps.end && !w->steps.bad) {
        step(w, skt_get_u8(&w->steps));
        pump(w);
        again(w);
        if (conf->after)
            conf->after(conf->self);
    }
    for (uint32_t slot = SLOTS; slot-- > FIRST;) {
        if (w->side[slot].state != FREE)
            gone(w, &w->side[slot], -ECONNRESET);
        pump(w);
    }
    for (uint32_t i = 0; i < HELD; i++)
        skt_buf_put(w->held[i]);
    free(w);
}
