#pragma once
/* An engine driven by hand: what it is told, and what it wants. */
#include "test.h"

#include <sockit/engine.h>

#include <stdio.h>
#include <string.h>

struct desk {
    struct skt_engine e;
    skt_time now;
    skt_link fresh;     /* given to OPEN; 0: none is left */
    uint8_t sent[4096]; /* DATA and SHARE since the last look, of all links */
    size_t n;
    uint32_t outs[8];      /* by kind */
    struct skt_out last;   /* of any kind */
    struct skt_out closed; /* the last CLOSE */
};

/* Whatever it wants now. */
static inline void drain(struct desk *d)
{
    static uint8_t room[SKT_ROOM_MIN];

    for (;;) {
        struct skt_out out = { .link = d->fresh, .kind = SKT_DATA, .data = skt_room_of(room, sizeof room) };
        struct skt_span bytes;
        if (!d->e.ops->send(d->e.self, d->now, &out))
            return;
        d->outs[out.kind]++;
        d->last = out;
        if (out.kind == SKT_CLOSE)
            d->closed = out;
        bytes = out.kind == SKT_SHARE ? out.share : (struct skt_span){ .p = room, .end = out.data.p };
        if (out.kind != SKT_SHARE && out.kind != SKT_DATA && out.kind != SKT_OPEN)
            continue;
        for (; skt_len(bytes) && d->n < sizeof d->sent; d->n++)
            d->sent[d->n] = *bytes.p++;
        d->n += skt_len(bytes); /* only counted */
    }
}

static inline struct skt_in hear(struct desk *d, struct skt_in in)
{
    static const struct skt_addr peer = { .family = SKT_IP4, .port = 7, .ip = { 127, 0, 0, 1 } };

    if (in.kind == SKT_OPEN && !in.peer)
        in.peer = &peer;
    d->e.ops->recv(d->e.self, d->now, &in);
    drain(d);
    return in;
}

static inline struct skt_in hear_kind(struct desk *d, skt_link link, enum skt_kind kind, int why)
{
    return hear(d, (struct skt_in){ .link = link, .kind = kind, .why = why });
}

static inline struct skt_in hear_text(struct desk *d, skt_link link, const char *text)
{
    return hear(d, (struct skt_in){ .link = link, .data = skt_span_str(text) });
}

static inline void pass(struct desk *d, skt_time span)
{
    skt_time end = d->now + span;

    for (skt_time at; (at = d->e.ops->wake(d->e.self)) <= end;) {
        d->now = at > d->now ? at : d->now;
        drain(d);
        if (d->e.ops->wake(d->e.self) <= at) /* it would not sleep */
            d->now += SKT_MS;
    }
    d->now = end;
    drain(d);
}

static inline void wants(struct desk *d, const char *text)
{
    if (d->n != strlen(text) || memcmp(d->sent, text, d->n))
        fail_msg("'%.*s' instead of '%s'", (int)(d->n < sizeof d->sent ? d->n : sizeof d->sent), d->sent, text);
    d->n = 0;
}
