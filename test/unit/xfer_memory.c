/* engine/xfer when there is no memory: each allocation fails in turn, alone or with all that follow. Nothing may break or
 * leak, and what is told to be stored is stored. The linker leads the calls of the engine here. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>

#define VERB_FILES 64
#include "toycrypt.h"
#include "xferverb.h"
#include "no_memory.h"

enum { LINK = 7, WIRE = 1024 };

static struct world {
    struct verb verb[2]; /* 0 receives, 1 sends */
    struct verb_tree tree[2];
    skt_time now;
    struct gram {
        bool to_sender;
        uint32_t seg;
        size_t len;
        uint8_t *bytes;
    } wire[WIRE];
    uint32_t first, n;
} w;

static const struct skt_addr address[2] = { { .family = SKT_IP4, .port = 9000, .ip = { 127, 0, 0, 1 } },
    { .family = SKT_IP4, .port = 40000, .ip = { 127, 0, 0, 1 } } };

static bool begin(void)
{
    for (int i = 0; i < 2; i++) {
        struct skt_xfer_conf conf = { .send = i,
            .crypt = &toycrypt,
            .secret = skt_span_str("secret"),
            .silence = 5 * SKT_SEC,
            .deadline = 5 * SKT_SEC,
            .sessions = 4,
            .max_packet = 1200 };
        memset(conf.chance, 1 + i, sizeof conf.chance);
        if (skt_xfer_new(&conf, &w.verb[i].x))
            return false;
        skt_xfer_link(w.verb[i].x, LINK, i ? &address[0] : NULL);
    }
    return true;
}

/* What the verb does with its files is no part of this. */
static bool turn(int i)
{
    struct skt_xfer_event ev;
    bool any = false;
    struct verb *v = &w.verb[i];

    for (; skt_xfer_next(v->x, &ev); any = true) {
        int64_t result = 0;
        struct verb_job job = { .ev = ev };
        bool walk = ev.kind == SKT_XFER_WALK;

        spare = !walk;
        if (!ev.job)
            verb_told(v, &ev);
        else
            result = verb_do(v, &job);
        spare = false;
        if (ev.job)
            skt_xfer_answer(v->x, ev.job, result);
    }
    return any;
}

static bool pump_out(int i)
{
    static uint8_t room[SKT_ROOM_MIN];
    struct skt_engine e = skt_xfer_engine(w.verb[i].x);
    bool any = false;

    for (;; any = true) {
        struct skt_out out = { .data = skt_room_of(room, sizeof room) };
        struct gram *g = &w.wire[(w.first + w.n) % WIRE];
        if (!e.ops->send(e.self, w.now, &out))
            return any;
        if (w.n == WIRE)
            continue; /* lost */
        w.n++;
        *g = (struct gram){ .to_sender = !i, .len = (size_t)(out.data.p - room), .seg = out.seg };
        g->bytes = __real_malloc(g->len);
        memcpy(g->bytes, room, g->len);
    }
}

static void deliver(void)
{
    struct gram g = w.wire[w.first];
    struct skt_engine e = skt_xfer_engine(w.verb[g.to_sender].x);
    struct skt_addr from = address[!g.to_sender];
    struct skt_in in = {
        .link = LINK, .kind = SKT_DATA, .data = skt_span_of(g.bytes, g.len), .seg = g.seg, .peer = &from
    };

    w.first = (w.first + 1) % WIRE;
    w.n--;
    e.ops->recv(e.self, w.now, &in);
    free(g.bytes);
}

static void run(void)
{
    skt_time until = w.now + 60 * SKT_SEC;

    while (w.now < until && (!w.verb[1].closed || w.verb[0].opened > w.verb[0].closed)) {
        skt_time at = SKT_NEVER;
        bool any = true;
        while (any) {
            any = w.n;
            if (w.n)
                deliver();
            for (int i = 0; i < 2; i++)
                any |= (int)pump_out(i) | (int)turn(i); /* both, whatever the first says */
            w.now += 10 * SKT_US;
        }
        for (int i = 0; i < 2; i++) {
            struct skt_engine e = skt_xfer_engine(w.verb[i].x);
            skt_time wake = e.ops->wake(e.self);
            at = wake < at ? wake : at;
        }
        w.now = at == SKT_NEVER ? until : at > w.now ? at : w.now + SKT_MS;
    }
}

static void trees(void)
{
    struct verb_file *f;
    char path[32];

    for (int i = 0; i < 2; i++) {
        verb_tree_init(&w.tree[i]);
        verb_init(&w.verb[i], &w.tree[i], i, 1);
    }
    verb_make(&w.tree[1], SKT_XFER_DIR, "d", "", 0, 1, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/large", "", SKT_GROUP + 5, 2, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/there", "", 5000, 3, false);
    for (int i = 0; i < 20; i++) {
        snprintf(path, sizeof path, "d/f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", (uint64_t)i, 2, false);
    }
    f = verb_make(&w.tree[1], SKT_XFER_FILE, "d/zeros", "", 5000, 3, false);
    memset(f->bytes, 0, f->size);
    verb_make(&w.tree[1], SKT_XFER_SYMLINK, "d/link", "elsewhere", 0, 1, false);
    f = verb_make(&w.tree[0], SKT_XFER_FILE, "d/there", "", 5000, 3, false);
    f->bytes[7] ^= 1;
}

static void a_life(void)
{
    bool began;

    memset(&w, 0, sizeof w);
    w.now = 1000 * SKT_SEC;
    spare = true;
    trees();
    spare = false;
    began = begin();
    if (began) {
        run();
        assert_true(w.verb[1].closed);
        assert_int_equal(w.verb[0].opened, w.verb[0].closed);
        assert_false(w.verb[0].wrong || w.verb[1].wrong);
        if (!w.verb[1].why)
            assert_true(verb_all_same(&w.tree[1], &w.tree[0]));
        if (!failed)
            assert_true(!w.verb[1].why && !w.verb[0].why);
    }
    left = -1;
    for (; w.n; w.n--, w.first = (w.first + 1) % WIRE)
        free(w.wire[w.first].bytes);
    for (int i = 0; i < 2; i++) {
        verb_done(&w.verb[i]);
        verb_tree_done(&w.tree[i]);
    }
}

static void every_allocation_may_fail(void **state)
{
    for (int how = 0; how < 2; how++) {
        uint32_t runs = 0;
        do {
            one = how;
            failed = false;
            left = (long)runs++;
            a_life();
            left = -1;
        } while (failed && runs < 2000);
        assert_true(runs > 50 && runs < 2000);
    }
}

RUN(T(every_allocation_may_fail))
