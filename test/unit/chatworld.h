#pragma once
/* A world for engine/chat that is driven by hand: clients are memory, and time passes when the test says so. */
#include "base/text.h"

#include <sockit/chat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 64, BYTES = 256 * 1024 };

/* A client of the world, which is all memory. Its number is its slot. */
struct client {
    char name[16];
    skt_link link;
    bool open, closed, full; /* closed: by the server */
    int why;
    uint8_t in[BYTES], out[BYTES]; /* to the server, not taken yet; from the server, not looked at yet */
    size_t in_n, out_n;
    bool hold;
};

struct world {
    struct skt_chat *chat;
    struct skt_engine engine;
    skt_time now;
    struct client client[CLIENTS];
    uint32_t n, generation;
};

static inline struct world *world_new(const struct skt_chat_conf *conf)
{
    struct world *w = calloc(1, sizeof *w); /* 32 MiB, of which only what is used is there */

    assert_non_null(w);
    assert_int_equal(skt_chat_new(conf, &w->chat), 0);
    w->engine = skt_chat_engine(w->chat);
    w->now = 1000 * SKT_SEC;
    return w;
}

static inline void world_free(struct world *w)
{
    skt_chat_free(w->chat);
    free(w);
}

static inline void tell(struct world *w, struct client *k, struct skt_in in)
{
    in.link = k->link;
    w->engine.ops->recv(w->engine.self, w->now, &in);
}

static inline void take(struct world *w, const struct skt_out *out)
{
    struct client *k = &w->client[skt_slot(out->link)];

    if (out->link != k->link || k->closed)
        return; /* a stale link: the driver refuses it */
    assert_true(out->kind == SKT_SHARE || out->kind == SKT_CLOSE);
    if (out->kind == SKT_CLOSE) {
        k->closed = true;
        k->why = out->why;
        return;
    }
    assert_true(k->out_n + skt_len(out->share) < BYTES);
    memcpy(k->out + k->out_n, out->share.p, skt_len(out->share));
    k->out_n += skt_len(out->share);
}

/* What the driver does after each thing that it told: send until false, closes told back, held input once more. */
static inline bool drain(struct world *w)
{
    struct skt_out out = { 0 };
    bool any = false;

    while (w->engine.ops->send(w->engine.self, w->now, &out)) {
        take(w, &out);
        memset(&out, 0, sizeof out);
        any = true;
    }
    for (uint32_t i = 0; i < w->n; i++) {
        struct client *k = &w->client[i];

        if (k->open && k->closed) {
            k->open = false;
            k->in_n = 0;
            tell(w, k, (struct skt_in){ .kind = SKT_CLOSE, .why = k->why });
            any = true;
        }
    }
    return any;
}

static inline bool offer(struct world *w, struct client *k)
{
    struct skt_in in = { .link = k->link, .kind = SKT_DATA, .data = skt_span_of(k->in, k->in_n) };
    size_t left;
    bool any;

    if (!k->open || !k->in_n)
        return false;
    w->engine.ops->recv(w->engine.self, w->now, &in);
    left = skt_len(in.data);
    memmove(k->in, in.data.p, left);
    k->hold = in.hold;
    any = left < k->in_n;
    k->in_n = left;
    return any;
}

static inline void settle(struct world *w)
{
    bool any = true;

    while (any || w->engine.ops->wake(w->engine.self) <= w->now) {
        any = drain(w);
        for (uint32_t i = 0; i < w->n; i++)
            if (w->client[i].hold)
                any = offer(w, &w->client[i]) || any;
    }
}

/* Lets time pass, stopping wherever the engine wants to wake. */
static inline void pass(struct world *w, skt_time time)
{
    skt_time end = w->now + time, wake;

    settle(w);
    while ((wake = w->engine.ops->wake(w->engine.self)) <= end) {
        w->now = wake > w->now ? wake : w->now;
        settle(w);
    }
    w->now = end;
}

static inline struct client *find(struct world *w, const char *name)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (!strcmp(w->client[i].name, name))
            return &w->client[i];
    return NULL;
}

static inline struct client *come_from(struct world *w, const char *name, const char *address)
{
    struct client *k = find(w, name);
    struct skt_addr peer;

    assert_int_equal(skt_addr_parse(address, &peer), 0);
    if (!k)
        k = &w->client[w->n++];
    assert_true(w->n <= CLIENTS);
    snprintf(k->name, sizeof k->name, "%s", name);
    k->link = ++w->generation << SKT_LINK_BITS | (uint32_t)(k - w->client);
    k->open = true;
    k->closed = k->full = k->hold = false;
    k->in_n = k->out_n = 0;
    tell(w, k, (struct skt_in){ .kind = SKT_OPEN, .peer = &peer });
    settle(w);
    return k;
}

static inline struct client *come(struct world *w, const char *name) { return come_from(w, name, "127.0.0.1:4000"); }

static inline void send_bytes(struct world *w, struct client *k, const void *bytes, size_t n)
{
    assert_true(k->in_n + n <= BYTES);
    memcpy(k->in + k->in_n, bytes, n);
    k->in_n += n;
    offer(w, k);
    settle(w);
}

static inline void say(struct world *w, struct client *k, const char *text)
{
    send_bytes(w, k, text, strlen(text));
    send_bytes(w, k, "\r\n", 2);
}

/* The next line that the client got. False: none. */
static inline bool hear(struct client *k, char *room, size_t n)
{
    struct skt_span in = skt_span_of(k->out, k->out_n), line;

    if (!k->out_n || !skt_get_line(&in, &line))
        return false;
    snprintf(room, n, "%.*s", (int)skt_len(line), (const char *)line.p);
    k->out_n = skt_len(in);
    memmove(k->out, in.p, k->out_n);
    return true;
}

static inline void forget(struct client *k) { k->out_n = 0; }

static inline struct client *guest(struct world *w, const char *name)
{
    struct client *k = come(w, name);
    char line[64];

    snprintf(line, sizeof line, "NICK %s", name);
    say(w, k, line);
    snprintf(line, sizeof line, "USER %s 0 * :%s", name, name);
    say(w, k, line);
    forget(k);
    return k;
}
