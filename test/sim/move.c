/* MOVE in the simulation: a relay that never sees a byte, between a talker and an echo, over bad paths. */
#include "world.h"

#include "engines.h"

#include <assert.h>

enum { SLOTS = 64, SEEDS = 200 };

/* Pairs a link that came in with one that it opens; each side's bytes are moved to the other. */
struct relay {
    struct side {
        skt_link link, other;
        bool open, wanted, move, eof, close; /* wanted: to be opened; move, eof, close: to be said to this one */
        bool ended;                          /* its source ended */
        uint64_t moved;
        uint64_t limit; /* of the next MOVE */
    } side[SLOTS];
    uint64_t pieces; /* bytes of one MOVE; 0: all in one */
    uint64_t moved;
};

static struct side *side_of(struct relay *r, skt_link link)
{
    struct side *s = &r->side[skt_slot(link)];

    return s->link == link ? s : NULL;
}

static void relay_open(struct relay *r, struct skt_in *in)
{
    struct side *s = &r->side[skt_slot(in->link)], *o;

    if (in->via) {
        *s = (struct side){ .link = in->link, .open = true, .wanted = true };
        return;
    }
    s->open = true;
    o = side_of(r, s->other);
    s->move = true;
    if (o)
        o->move = true;
}

/* The bytes for this link: all that were asked for, or the source ended. */
static void relay_moved(struct relay *r, struct side *s, struct skt_in *in)
{
    struct side *o = side_of(r, s->other);

    s->moved += in->len;
    r->moved += in->len;
    if (in->why < 0) {
        s->close = true;
        return;
    }
    if (in->why == 1) {
        s->eof = s->ended = true;
        if (o && o->ended)
            s->close = o->close = true;
    } else if (s->moved == s->limit) {
        s->moved = 0;
        s->move = true;
    }
}

static void relay_recv(void *self, skt_time now, struct skt_in *in)
{
    struct relay *r = self;
    struct side *s = &r->side[skt_slot(in->link)], *o;

    switch (in->kind) {
    case SKT_OPEN: relay_open(r, in); break;
    case SKT_MOVE: relay_moved(r, s, in); break;
    case SKT_DATA: in->hold = true; break; /* comes before its MOVE, or between two */
    case SKT_EOF:
        assert(!skt_len(in->data));
        o = side_of(r, s->other);
        if (o) {
            o->move = false;
            o->eof = o->ended = true;
            if (s->ended)
                s->close = o->close = true;
        } else {
            s->close = true;
        }
        break;
    case SKT_CLOSE:
        o = side_of(r, s->other);
        *s = (struct side){ 0 };
        if (o)
            o->close = true;
        break;
    case SKT_FULL:
    case SKT_ROOM:
    case SKT_SHARE: break;
    }
}

static bool relay_say(struct relay *r, struct side *s, struct skt_out *out)
{
    if (s->wanted && out->link) {
        s->wanted = false;
        s->other = out->link;
        r->side[skt_slot(out->link)] = (struct side){ .link = out->link, .other = s->link };
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, "echo:7");
        return true;
    }
    out->link = s->link;
    if (s->close && s->open) {
        s->close = s->open = s->move = s->eof = false;
        out->kind = SKT_CLOSE;
        return true;
    }
    if (s->eof && s->open) {
        s->eof = false;
        out->kind = SKT_EOF;
        return true;
    }
    if (!s->move || !s->open || !side_of(r, s->other))
        return false;
    s->move = false;
    s->limit = r->pieces ? r->pieces : UINT64_MAX;
    out->kind = SKT_MOVE;
    out->from = s->other;
    out->len = s->limit;
    return true;
}

static bool relay_send(void *self, skt_time now, struct skt_out *out)
{
    struct relay *r = self;

    for (int i = 1; i < SLOTS; i++)
        if (r->side[i].link && relay_say(r, &r->side[i], out))
            return true;
    return false;
}

static skt_time relay_wake(const void *self) { return SKT_NEVER; }

static void run(uint64_t seed, struct sim_conf conf, struct talker *t, struct talker_conf tc, struct skt_path_conf path)
{
    static const struct skt_engine_ops ops = { relay_recv, relay_send, relay_wake };
    struct relay relay = { .pieces = seed % 3 ? 0 : 1 + seed * 37 };
    struct echo *echo = echo_new();
    struct sim *sim;
    int here, middle, there;

    conf.seed = tc.seed = seed;
    tc.to = "relay:6";
    talker_init(t, &tc);
    sim = world_begin(&conf);
    here = sim_host(sim, talker_engine(t), NULL);
    middle = sim_host(sim, (struct skt_engine){ &ops, &relay }, "relay");
    there = sim_host(sim, echo_engine(echo), "echo");
    sim_listen(sim, middle, "tcp:6");
    sim_listen(sim, there, "tcp:7");
    sim_wire_all(sim, path);
    while (sim_step(sim)) {
    }
    assert_true(t->over && !t->wrong);
    assert_int_equal(sim_links(sim, here), 0);
    assert_int_equal(sim_links(sim, middle), 1);
    assert_int_equal(sim_links(sim, there), 1);
    if (!conf.cut)
        assert_true(relay.moved == 2 * t->total);
    world_end();
    echo_free(echo);
}

static void a_relay_of_moves_loses_no_byte(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        uint64_t bytes = 1 + seed * seed * 5 % 100000;
        run(seed, (struct sim_conf){ 0 }, &t, (struct talker_conf){ .bytes = bytes, .again = 1 },
            (struct skt_path_conf){ .delay = 5 * SKT_MS, .loss = (double)(seed % 2) * .05 });
        assert_true(t.why == 0 && t.eof_got && t.got == bytes && t.total == 2 * bytes);
    }
}

static void a_relay_of_moves_ends_when_a_side_breaks(void **state)
{
    uint32_t broken = 0;

    for (uint64_t seed = world_first(); world_more(seed, SEEDS); seed++) {
        struct talker t;
        run(seed, (struct sim_conf){ .cut = .4, .cut_within = SKT_SEC }, &t,
            (struct talker_conf){ .bytes = 20000, .gap = 20 * SKT_MS, .write_max = 1000, .again = 2 },
            (struct skt_path_conf){ .delay = 5 * SKT_MS });
        assert_true(t.closed == 3);
        broken += t.total != 60000;
    }
    assert_true(getenv("SIM_SEED") || broken > SEEDS / 4);
}

WORLD(W(a_relay_of_moves_loses_no_byte), W(a_relay_of_moves_ends_when_a_side_breaks))
