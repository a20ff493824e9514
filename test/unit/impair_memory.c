/* engine/impair when there is no memory: each allocation fails in turn, alone or with all that follow. Nothing may break
 * or leak, and a stream has no hole: what comes out is a beginning of what went in. The linker leads the calls here. */
#include "test.h"
#include "no_memory.h"

#include <sockit/impair.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LISTENER = 3, NEAR_LINK = 5, FAR_LINK = 6 };

struct world {
    struct skt_impair *m;
    skt_time now;
    bool near, far, asked; /* these links are there */
    uint8_t out[20000];
    size_t n;
};

static void told(struct world *w, skt_link link, enum skt_kind kind, int why, struct skt_span data);

static void pump(struct world *w)
{
    static uint8_t bytes[SKT_ROOM_MIN];
    struct skt_engine e = skt_impair_engine(w->m);
    bool near_ends = false, far_ends = false;

    for (;;) {
        struct skt_out out = { .link = w->asked ? 0 : FAR_LINK, .data = skt_room_of(bytes, sizeof bytes) };
        if (!e.ops->send(e.self, w->now, &out))
            break;
        w->asked |= out.kind == SKT_OPEN;
        near_ends |= out.kind == SKT_CLOSE && out.link == NEAR_LINK;
        far_ends |= out.kind == SKT_CLOSE && out.link == FAR_LINK;
        if (out.kind == SKT_SHARE && out.link == FAR_LINK) {
            assert_true(w->n + skt_len(out.share) <= sizeof w->out);
            memcpy(w->out + w->n, out.share.p, skt_len(out.share));
            w->n += skt_len(out.share);
        }
    }
    if (near_ends && w->near) {
        w->near = false;
        told(w, NEAR_LINK, SKT_CLOSE, 0, (struct skt_span){ 0 });
    }
    if (far_ends && w->far) {
        w->far = false;
        told(w, FAR_LINK, SKT_CLOSE, 0, (struct skt_span){ 0 });
    }
}

static void told(struct world *w, skt_link link, enum skt_kind kind, int why, struct skt_span data)
{
    static const struct skt_addr peer = { .family = SKT_IP4, .port = 9, .ip = { 127, 0, 0, 1 } };
    struct skt_in in = { .link = link, .kind = kind, .why = why, .peer = &peer, .data = data, .seg = 100 };

    skt_impair_engine(w->m).ops->recv(w->m, w->now, &in);
    pump(w);
}

static void wait_for_all(struct world *w)
{
    struct skt_engine e = skt_impair_engine(w->m);

    for (int i = 0; i < 200 && e.ops->wake(e.self) < 100 * SKT_SEC; i++) {
        w->now = e.ops->wake(e.self) > w->now ? e.ops->wake(e.self) : w->now + 1;
        pump(w);
    }
}

static void a_life(bool datagrams)
{
    static const char network[] = "delay 5ms 2ms loss 10% duplicate 20% corrupt 20%\nrate 10mbit\nat 20ms: delay 1ms";
    struct skt_impair_conf conf = { .to = datagrams ? "udp:echo:7" : "echo:7", .datagrams = datagrams, .slice = 700 };
    struct world w = { .near = true, .far = true };
    uint8_t data[9000];

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 251);
    if (skt_impair_new(&conf, &w.m))
        return;
    if (!skt_impair_network(w.m, skt_span_str(network), "net", NULL)) {
        pump(&w);
        if (!datagrams)
            told(&w, NEAR_LINK, SKT_OPEN, 0, (struct skt_span){ 0 });
        for (size_t i = 0; i < 3 && w.near; i++)
            told(&w, datagrams ? LISTENER : NEAR_LINK, SKT_DATA, 0, skt_span_of(data + i * 3000, 3000));
        if (w.asked && w.far)
            told(&w, FAR_LINK, SKT_OPEN, 0, (struct skt_span){ 0 });
        wait_for_all(&w);
        if (!datagrams && w.near)
            told(&w, NEAR_LINK, SKT_EOF, 0, (struct skt_span){ 0 });
        if (w.far && w.asked)
            told(&w, FAR_LINK, SKT_CLOSE, -ECONNRESET, (struct skt_span){ 0 });
        wait_for_all(&w);
    }
    if (!datagrams)
        assert_true(w.n <= sizeof data && !memcmp(w.out, data, w.n));
    if (!failed && !datagrams)
        assert_int_equal(w.n, sizeof data);
    left = -1;
    skt_impair_free(w.m);
}

static void every_allocation_may_fail(void **state)
{
    for (int how = 0; how < 4; how++) {
        uint32_t runs = 0;
        do {
            one = how & 1;
            failed = false;
            left = (long)runs++;
            a_life(how & 2);
            left = -1;
        } while (failed && runs < 1000);
        assert_true(runs > 8 && runs < 1000);
    }
}

RUN(T(every_allocation_may_fail))
