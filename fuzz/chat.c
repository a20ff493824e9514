/* engine/chat under strangers' hands. The input is steps: a byte that chooses link and deed, a wait, a length, a payload.
 * What must hold whatever they do: lines out are whole, no longer than a line may be, without what a terminal would obey, and
 * only to links that are open; the counts agree with the world; input is never left unread for ever. */
#include "wire/irc.h"

#include <sockit/chat.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LINKS = 8, UNREAD = 16 * 1024, DEEDS = 7 };

struct peer {
    skt_link link;
    bool open, doomed; /* doomed: the engine asked for the close */
    int why;
    uint8_t unread[UNREAD];
    size_t n;
};

struct world {
    struct skt_engine engine;
    struct skt_chat *chat;
    skt_time now;
    uint32_t generation;
    struct peer peer[LINKS];
};

static void check_line(struct skt_span line)
{
    const uint8_t *tags = line.p;

    assert(skt_len(line) > 2 && line.end[-1] == '\n' && line.end[-2] == '\r');
    if (*line.p == '@')
        tags = memchr(line.p, ' ', skt_len(line));
    assert(tags && line.end - tags <= SKT_IRC_LINE + 1);
    for (const uint8_t *p = line.p; p < line.end - 2; p++)
        assert(*p && *p != '\r' && *p != '\n' && *p != 0x1b && *p != 7);
}

static void take(struct world *w, const struct skt_out *out)
{
    struct peer *p = &w->peer[skt_slot(out->link)];

    assert(skt_slot(out->link) < LINKS);
    if (!p->open || p->doomed || p->link != out->link)
        return; /* sent before the engine knew: a driver refuses it */
    if (out->kind == SKT_SHARE) {
        assert(out->share.p >= out->buf->data && out->share.end <= out->buf->data + out->buf->size);
        check_line(out->share);
    } else {
        assert(out->kind == SKT_CLOSE);
        p->doomed = true;
        p->why = out->why;
    }
}

static void gone(struct world *w, struct peer *p, int why)
{
    struct skt_in in = { .link = p->link, .kind = SKT_CLOSE, .why = why };

    p->open = p->doomed = false;
    p->n = 0;
    w->engine.ops->recv(w->engine.self, w->now, &in);
}

static void offer(struct world *w, struct peer *p)
{
    struct skt_in in = { .link = p->link, .kind = SKT_DATA, .data = skt_span_of(p->unread, p->n) };

    if (!p->open || p->doomed || !p->n)
        return;
    w->engine.ops->recv(w->engine.self, w->now, &in);
    assert(in.data.p >= p->unread && in.data.end == p->unread + p->n && in.data.p <= in.data.end);
    p->n = skt_len(in.data);
    memmove(p->unread, in.data.p, p->n);
}

static void turn(struct world *w)
{
    struct skt_out out = { 0 };

    for (bool any = true; any;) {
        any = false;
        while (w->engine.ops->send(w->engine.self, w->now, &out)) {
            take(w, &out);
            out = (struct skt_out){ 0 };
        }
        for (struct peer *p = w->peer; p < w->peer + LINKS; p++)
            if (p->doomed) {
                gone(w, p, p->why);
                any = true;
            }
    }
    for (struct peer *p = w->peer; p < w->peer + LINKS; p++)
        offer(w, p);
    while (w->engine.ops->send(w->engine.self, w->now, &out)) {
        take(w, &out);
        out = (struct skt_out){ 0 };
    }
}

static void come(struct world *w, struct peer *p, uint8_t from)
{
    struct skt_addr addr = { .family = from % 3 + SKT_IP4, .ip = { from % 4 < 2 ? 127 : 10, 0, 0, from } };
    struct skt_in in = { .kind = SKT_OPEN, .peer = &addr };

    if (p->open)
        return;
    p->link = ++w->generation << SKT_LINK_BITS | (uint32_t)(p - w->peer);
    p->open = true;
    in.link = p->link;
    w->engine.ops->recv(w->engine.self, w->now, &in);
}

static void tell(struct world *w, struct peer *p, enum skt_kind kind)
{
    struct skt_in in = { .link = p->link, .kind = kind };

    if (p->open && !p->doomed)
        w->engine.ops->recv(w->engine.self, w->now, &in);
}

static void write_bytes(struct world *w, struct peer *p, struct skt_span bytes)
{
    if (!p->open || p->doomed || p->n + skt_len(bytes) > UNREAD)
        return;
    if (skt_len(bytes))
        memcpy(p->unread + p->n, bytes.p, skt_len(bytes));
    p->n += skt_len(bytes);
    offer(w, p);
}

static void deed(struct world *w, struct skt_span *in)
{
    uint8_t what = skt_get_u8(in);
    struct peer *p = &w->peer[what % LINKS];

    w->now += skt_get_u8(in) * (what & 0x80 ? SKT_SEC : SKT_MS);
    switch (what / LINKS % DEEDS) {
    case 0:
    case 1:
    case 2: {
        size_t n = skt_get_u8(in);
        come(w, p, what);
        write_bytes(w, p, skt_get_span(in, n < skt_len(*in) ? n : skt_len(*in)));
        break;
    }
    case 3: tell(w, p, SKT_FULL); break;
    case 4: tell(w, p, SKT_ROOM); break;
    case 5: tell(w, p, SKT_EOF); break;
    case 6:
        if (p->open && !p->doomed)
            gone(w, p, -ECONNRESET);
        break;
    }
    turn(w);
}

static void check_counts(const struct world *w)
{
    struct skt_chat_stats stats;
    uint32_t open = 0;

    for (uint32_t i = 0; i < LINKS; i++)
        open += w->peer[i].open;
    skt_chat_stats(w->chat, &stats);
    assert(stats.links <= open && stats.users <= stats.links); /* the refused were closed by turn() */
    assert(!stats.channels || stats.users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span in = skt_span_of(data, size);
    uint8_t kind = skt_get_u8(&in);
    struct skt_chat_conf conf = { .seed = 1,
        .name = "hub",
        .max_users = 6,
        .max_channels = 3,
        .max_joined = 2,
        .max_members = 4,
        .max_per_ip = 3,
        .max_events = 64,
        .flood_free = !(kind & 1),
        .log_text = kind & 2,
        .ascii_nicks = kind & 4,
        .show_ip = kind & 8,
        .password = kind & 16 ? "p" : NULL,
        .motd = kind & 32 ? "one\ntwo\x1b\r\n" : NULL };
    struct world *w = calloc(1, sizeof *w);
    struct skt_chat_event ev;

    if (!w || skt_chat_new(&conf, &w->chat))
        abort();
    w->engine = skt_chat_engine(w->chat);
    w->now = 1000 * SKT_SEC;
    while (skt_len(in)) {
        deed(w, &in);
        check_counts(w);
        while (!(kind & 64) && skt_chat_next(w->chat, &ev))
            assert(skt_len(ev.nick) <= SKT_IRC_NICK_MAX);
    }
    skt_chat_stop(w->chat, w->now, "end");
    turn(w);
    check_counts(w);
    skt_chat_free(w->chat);
    free(w);
    return 0;
}
