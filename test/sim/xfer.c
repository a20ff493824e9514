/* engine/xfer in the simulated world: transfers over bad paths, with disks that fail and ends that are killed. Each ends with
 * the same files on both sides, or with an error that is true. SIM_SEEDS=10000 runs more of them. */
#include "world.h"

#include "../unit/toycrypt.h"
#include "../unit/xferverb.h"

enum { SEEDS = 200, SENDERS = 3, PORT = 9000, TRIES = 40 };

static uint64_t seeds(void)
{
    const char *n = getenv("SIM_SEEDS");

    return n ? strtoull(n, NULL, 10) : SEEDS;
}

/* A host: an engine that may be freed and made new while the socket stays. */
struct box {
    struct verb verb;
    struct verb_tree tree;
    struct skt_xfer_conf conf;
    skt_link link;
    int host;
    bool linked;
    uint32_t lives;
    skt_time now, next; /* next: a late answer is given */
    skt_time each;      /* so long the disk needs for one; 0: as the dice say */
    skt_time again;     /* a sender that ended begins again; SKT_NEVER: it does not */
};

static struct town {
    struct sim *sim;
    struct box box[1 + SENDERS]; /* the receiver is the first */
    int n;
    struct skt_random dice;
    bool corrupts; /* the path changes bits, that no checksum of UDP has seen */
} t;

static uint64_t below(uint64_t n) { return skt_random_below(&t.dice, n); }
static bool chance(double share) { return skt_random_unit(&t.dice) < share; }

static void box_recv(void *self, skt_time now, struct skt_in *in)
{
    struct box *b = self;
    struct skt_engine e = skt_xfer_engine(b->verb.x);

    b->now = now;
    e.ops->recv(e.self, now, in);
}

static bool box_send(void *self, skt_time now, struct skt_out *out)
{
    struct box *b = self;
    struct skt_engine e = skt_xfer_engine(b->verb.x);

    b->now = now;
    return e.ops->send(e.self, now, out);
}

static skt_time box_wake(const void *self)
{
    const struct box *b = self;
    struct skt_engine e = skt_xfer_engine(b->verb.x);
    skt_time at = e.ops->wake(e.self), next = b->verb.n_jobs ? b->next : SKT_NEVER;

    next = b->again < next ? b->again : next;
    next = next > b->now ? next : b->now + 1;
    return next < at ? next : at;
}

/* A new engine on the old socket, with another chance. */
static void box_start(struct box *b)
{
    static const struct skt_addr there = { .family = SKT_IP4, .port = PORT, .ip = { 10, 0, 0, 1 } };
    struct verb_faults faults = b->verb.faults;
    uint64_t written = b->verb.written;
    struct skt_room room = skt_room_of(b->conf.chance, sizeof b->conf.chance);

    if (b->verb.jobs)
        verb_done(&b->verb);
    skt_random_fill(&t.dice, &room);
    verb_init(&b->verb, &b->tree, b->conf.send, skt_random_u64(&t.dice));
    b->verb.faults = faults;
    b->verb.written = written;
    b->verb.store = b->conf.send ? &t.box[0].tree : NULL;
    assert_int_equal(skt_xfer_new(&b->conf, &b->verb.x), 0);
    skt_xfer_link(b->verb.x, b->link, b->conf.send ? &there : NULL);
    b->again = SKT_NEVER;
    b->lives++;
}

static void box_init(struct box *b, bool send)
{
    static const struct skt_engine_ops ops = { box_recv, box_send, box_wake };

    memset(b, 0, sizeof *b);
    verb_tree_init(&b->tree);
    b->conf = (struct skt_xfer_conf){ .send = send,
        .crypt = &toycrypt,
        .secret = skt_span_str("secret"),
        .sessions = VERB_SESSIONS,
        .silence = 10 * SKT_SEC,
        .window = 1 + below(8 * SKT_GROUP),
        .max_packet = below(2) ? 1200 : 1200 + (uint32_t)below(8000) };
    b->host = sim_host(t.sim, (struct skt_engine){ &ops, b }, send ? NULL : "recv");
    b->link = sim_listen(t.sim, b->host, send ? "udp:4000" : "udp:9000");
    box_start(b);
}

static void town_init(struct sim *sim, uint64_t seed, int senders)
{
    memset(&t, 0, sizeof t);
    t.sim = sim;
    t.n = senders + 1;
    skt_random_init(&t.dice, seed);
    for (int i = 0; i < t.n; i++)
        box_init(&t.box[i], i > 0);
}

static void town_done(void)
{
    world_end();
    for (int i = 0; i < t.n; i++) {
        verb_done(&t.box[i].verb);
        verb_tree_done(&t.box[i].tree);
    }
}

/* A disk of a given speed does one after the other; else the dice say which. */
static uint32_t next_job(struct box *b)
{
    uint32_t first = 0;

    if (!b->each)
        return (uint32_t)skt_random_below(&b->verb.dice, b->verb.n_jobs);
    for (uint32_t i = 1; i < b->verb.n_jobs; i++)
        if (b->verb.jobs[i].ev.offset < b->verb.jobs[first].ev.offset)
            first = i;
    return first;
}

/* What the verb does after each turn of the driver. */
static void box_turn(struct box *b)
{
    bool any = verb_turn(&b->verb);

    for (; b->verb.n_jobs && sim_now(t.sim) >= b->next; any = true) {
        verb_answer_one(&b->verb, next_job(b));
        b->next = sim_now(t.sim) + (b->each ? b->each : (skt_time)skt_random_below(&b->verb.dice, 4 * SKT_MS));
        (void)verb_turn(&b->verb);
    }
    if (sim_now(t.sim) >= b->again) {
        box_start(b);
        any = true;
    }
    if (any)
        sim_kick(t.sim, b->host);
}

static void step(void)
{
    assert_true(sim_step(t.sim));
    for (int i = 0; i < t.n; i++)
        box_turn(&t.box[i]);
}

/* --- scenes --- */

static uint64_t draw_size(uint64_t left)
{
    uint64_t size = below(10);

    if (size < 2)
        return size;
    if (size < 6)
        return below(5000);
    size = below(size < 9 ? 200000 : 3 * SKT_GROUP);
    return size < left ? size : left;
}

/* A tree of some directories, files, links; `who` keeps the trees of two senders apart. */
static void draw_tree(struct verb_tree *tree, int who, uint64_t seed, uint64_t bytes)
{
    uint64_t n = 1 + below(40), left = bytes;
    char path[64], target[64] = "";

    snprintf(path, sizeof path, "d%d", who);
    verb_make(tree, SKT_XFER_DIR, path, "", 0, 1, false);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t size = draw_size(left);
        left -= size < left ? size : left;
        snprintf(path, sizeof path, "d%d/f%d", who, (int)i);
        if (below(12)) {
            verb_make(tree, SKT_XFER_FILE, path, "", size, seed + i, below(2));
            snprintf(target, sizeof target, "%s", path);
        } else {
            verb_make(tree, SKT_XFER_SYMLINK, path, "/etc/passwd", 0, 1, false);
        }
    }
    snprintf(path, sizeof path, "d%d/hard", who);
    if (*target && below(2))
        verb_make(tree, SKT_XFER_HARDLINK, path, target, 0, 1, false);
    snprintf(path, sizeof path, "d%d", who);
    verb_make(tree, SKT_XFER_DIR_AGAIN, path, "", 0, 1, false);
}

static struct skt_path_conf draw_path(bool bad)
{
    struct skt_path_conf path = { .delay = (skt_time)below(below(2) ? 100 * SKT_MS : SKT_MS) };

    if (below(2))
        path.rate_bytes = 125000 << below(8);
    path.queue_bytes = 16384 << below(5);
    if (!bad)
        return path;
    if (below(2))
        path.jitter = (skt_time)below((uint64_t)path.delay / 2 + 1);
    if (below(3))
        path.loss = (double)below(10) / 100;
    if (!below(3))
        path.dup = (double)below(5) / 100;
    if (!below(3))
        path.corrupt = (double)below(3) / 100;
    t.corrupts = path.corrupt > 0;
    if (!below(3)) {
        path.reorder = (double)below(20) / 100;
        path.delay += 5 * SKT_MS;
    }
    return path;
}

/* Senders that were left alone begin again, as their users would; kills come on top. */
static void run(uint32_t kills, skt_time until)
{
    skt_time kill_at = kills ? sim_now(t.sim) + (skt_time)below(3 * SKT_SEC) : SKT_NEVER;

    for (bool over = false; !over && sim_now(t.sim) < until;) {
        step();
        over = true;
        for (int i = 1; i < t.n; i++) {
            struct box *b = &t.box[i];
            /* The receiver was killed, or is full; or a bit of the handshake has changed, which looks like a wrong secret. */
            bool gone =
                b->verb.why == -ETIMEDOUT || b->verb.why == -EBUSY || (b->verb.why == -EKEYREJECTED && t.corrupts);
            if (b->verb.closed && gone && b->lives < TRIES && b->again == SKT_NEVER) {
                b->again = sim_now(t.sim) + (skt_time)below(2 * SKT_SEC) + 1;
                sim_kick(t.sim, b->host);
            }
            over &= b->verb.closed && b->again == SKT_NEVER;
        }
        if (sim_now(t.sim) >= kill_at) {
            struct box *b = &t.box[below((uint64_t)t.n)];
            box_start(b);
            sim_kick(t.sim, b->host);
            kill_at = --kills ? sim_now(t.sim) + (skt_time)below(5 * SKT_SEC) : SKT_NEVER;
            over = false;
        }
    }
}

/* Until the receiver has heard the end of all sessions. */
static void settle(void)
{
    skt_time until = sim_now(t.sim) + 60 * SKT_SEC;

    while (t.box[0].verb.opened > t.box[0].verb.closed && sim_now(t.sim) < until)
        step();
    assert_int_equal(t.box[0].verb.opened, t.box[0].verb.closed);
}

static void assert_true_ends(void)
{
    for (int i = 0; i < t.n; i++)
        assert_false(t.box[i].verb.wrong);
    for (int i = 1; i < t.n; i++) {
        struct verb *v = &t.box[i].verb;
        assert_true(v->closed);
        if (!v->why) {
            assert_true(verb_all_same(v->tree, &t.box[0].tree));
            assert_int_equal(v->done, v->tree->n);
        }
    }
}

/* --- tests --- */

static void trees_arrive_over_any_path(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds()); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed, .busy = seed % 5 ? 0 : .02 });
        town_init(sim, seed, 1);
        sim_wire_all(sim, draw_path(true));
        draw_tree(&t.box[1].tree, 1, seed, 2 * SKT_GROUP + 200000);
        t.box[0].verb.faults.late = below(2);
        t.box[1].verb.faults.late = below(2);
        run(0, sim_now(sim) + 2000 * SKT_SEC);
        settle();
        assert_true_ends();
        assert_int_equal(t.box[1].verb.why, 0);
        assert_true(t.box[1].lives == 1 || t.corrupts);
        assert_int_equal(t.box[0].verb.why, 0);
        town_done();
    }
}

static void killed_ends_resume(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds()); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        town_init(sim, seed, 1);
        sim_wire_all(sim, draw_path(below(2)));
        draw_tree(&t.box[1].tree, 1, seed, 2 * SKT_GROUP + 200000);
        t.box[0].verb.faults.late = below(2);
        run(1 + (uint32_t)below(5), sim_now(sim) + 3000 * SKT_SEC);
        settle();
        assert_true_ends();
        assert_int_equal(t.box[1].verb.why, 0);
        town_done();
    }
}

static void faults_are_told_as_they_are(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds()); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        struct verb *recv = &t.box[0].verb, *send = &t.box[1].verb;
        town_init(sim, seed, 1);
        sim_wire_all(sim, draw_path(below(2)));
        draw_tree(&t.box[1].tree, 1, seed, 2 * SKT_GROUP + 200000);
        recv->faults = (struct verb_faults){ .late = below(2),
            .refuse = chance(.3) ? .1 : 0,
            .bad_finish = chance(.3) ? .1 : 0,
            .bad_read = chance(.3) ? .3 : 0,
            .rot = chance(.3) ? .3 : 0,
            .disk = chance(.3) ? below(3 * SKT_GROUP) : 0,
            .no_sync = chance(.1) };
        send->faults =
            (struct verb_faults){ .late = below(2), .bad_read = chance(.3) ? .1 : 0, .changed = chance(.3) ? .1 : 0 };
        run((uint32_t)below(3), sim_now(sim) + 3000 * SKT_SEC);
        settle();
        assert_true_ends();
        if (send->why && recv->faults.no_sync) {
            assert_int_equal(send->why, -EIO);
            if (recv->opened) /* else it was killed after it had said so, and began anew */
                assert_int_equal(recv->why, -EIO);
        } else if (send->why && recv->opened) { /* what did not go over is the same on both sides */
            assert_int_equal(send->failed, recv->failed);
            assert_true(send->why < 0 && recv->why < 0); /* one may skip what the other refuses at the same time */
            assert_int_equal(send->failed + send->done, send->tree->n);
            assert_true(send->failed);
        }
        town_done();
    }
}

static void several_senders_share_a_receiver(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds() / 4); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        town_init(sim, seed, SENDERS);
        sim_wire_all(sim, draw_path(true));
        for (int i = 1; i < t.n; i++)
            draw_tree(&t.box[i].tree, i, seed * 8 + (uint64_t)i, SKT_GROUP);
        t.box[0].verb.faults.late = below(2);
        run((uint32_t)below(3), sim_now(sim) + 3000 * SKT_SEC);
        settle();
        assert_true_ends();
        for (int i = 1; i < t.n; i++)
            assert_int_equal(t.box[i].verb.why, 0);
        town_done();
    }
}

/* When nothing else is left to be sent, what was lost goes again as soon as that is known, not when one end asks
 * the other whether it is still there. */
static void what_is_lost_last_is_sent_again_at_once(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds() / 4); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        skt_time began = sim_now(sim);
        town_init(sim, seed, 1);
        sim_wire_all(sim, (struct skt_path_conf){ .delay = 20 * SKT_MS, .loss = .02, .rate_bytes = 12500000 });
        verb_make(&t.box[1].tree, SKT_XFER_FILE, "file", "", 1000000, seed, false);
        for (int i = 0; i < t.n; i++) {
            t.box[i].conf.silence = 60 * SKT_SEC;
            box_start(&t.box[i]);
        }
        run(0, began + 2000 * SKT_SEC);
        assert_true(sim_now(sim) - began < 8 * SKT_SEC);
        assert_true_ends();
        town_done();
    }
}

/* 40 MB over a quick line: how many bytes were sent at most, and not stored yet. */
static uint64_t most_ahead(uint64_t seed, skt_time delay, skt_time each)
{
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
    struct verb *recv = &t.box[0].verb, *send = &t.box[1].verb;
    struct skt_xfer_stats sent, stored;
    uint64_t most = 0;

    town_init(sim, seed, 1);
    sim_wire_all(sim, (struct skt_path_conf){ .delay = delay, .rate_bytes = 125000000, .queue_bytes = 64 << 20 });
    verb_make(&t.box[1].tree, SKT_XFER_FILE, "file", "", 40 * SKT_GROUP, seed, false);
    for (int i = 0; i < t.n; i++) {
        t.box[i].conf.window = 64 * SKT_GROUP;
        box_start(&t.box[i]);
    }
    recv->faults.late = true;
    t.box[0].each = each;
    while (!send->closed) {
        step();
        if (skt_xfer_stats(send->x, 0, &sent) && skt_xfer_stats(recv->x, 0, &stored) &&
            sent.bytes_sent > stored.bytes_done + most)
            most = sent.bytes_sent - stored.bytes_done;
    }
    assert_int_equal(send->why, 0);
    assert_int_equal(sent.packets_lost, 0);
    assert_true_ends();
    town_done();
    return most;
}

/* With 10 MB/s at the disk; with one that is quick, the line is filled. */
static void as_much_is_asked_for_as_the_disk_can_take(void **state)
{
    assert_true(most_ahead(1, SKT_MS, 100 * SKT_MS) < 16 * SKT_GROUP);
    assert_true(most_ahead(1, 100 * SKT_MS, SKT_MS) > 18 * SKT_GROUP);
}

/* One guess a code, three in all; the right code, if it comes in time, is taken. */
static void a_pair_code_is_one_guess(void **state)
{
    for (uint64_t seed = world_first(); world_more(seed, seeds() / 4); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        struct verb *recv = &t.box[0].verb, *send = &t.box[1].verb;
        struct skt_path_conf path;
        int wrong = (int)below(4);
        town_init(sim, seed, 1);
        path = draw_path(true);
        path.corrupt = 0; /* a bit of the handshake that has changed is a wrong guess */
        sim_wire_all(sim, path);
        draw_tree(&t.box[1].tree, 1, seed, 100000);
        t.box[0].conf.pair = t.box[1].conf.pair = true;
        box_start(&t.box[0]);
        for (int i = 0; i <= wrong; i++) {
            skt_time until = sim_now(sim) + 200 * SKT_SEC;
            uint32_t spent = recv->spent;
            t.box[1].conf.secret = skt_span_str(i < wrong ? "guess" : "secret");
            box_start(&t.box[1]);
            sim_kick(sim, t.box[1].host);
            while (!send->closed && sim_now(sim) < until)
                step();
            assert_true(send->closed);
            if (i == 3)
                assert_int_equal(send->why, -EKEYREVOKED);
            else if (i < wrong)
                assert_true(send->why == -EKEYREJECTED && recv->spent == spent + 1);
            else
                assert_int_equal(send->why, 0);
            if (i < wrong)
                assert_int_equal(skt_xfer_secret(recv->x, skt_span_str("secret")), i == 2 ? -EKEYREVOKED : 0);
            /* REJECT is said for a while to who has not heard it */
            sim_run_until(sim, sim_now(sim) + 20 * SKT_SEC);
            for (int k = 0; k < t.n; k++)
                box_turn(&t.box[k]);
        }
        assert_int_equal(recv->opened, wrong < 3);
        assert_true_ends();
        town_done();
    }
}

static uint32_t senders_that_ended_so(int why)
{
    uint32_t n = 0;

    for (int i = 1; i < t.n; i++)
        n += t.box[i].verb.closed && t.box[i].verb.why == why;
    return n;
}

/* Under a code there is one handshake at a time: the other sender waits, and then hears what is true: that the next code is
 * another, or the same, or that none came until its deadline. */
static void who_comes_in_the_middle_of_a_handshake_waits_for_its_end(void **state)
{
    static const char *const next[] = { "secret", "another", "" };
    static const int ends[] = { 0, -EKEYREJECTED, -EBUSY };

    for (uint64_t seed = world_first(); world_more(seed, seeds() / 4); seed++) {
        struct sim *sim = world_begin(&(struct sim_conf){ .seed = seed });
        struct verb *recv = &t.box[0].verb;
        skt_time began;
        uint64_t then = seed % 3;
        town_init(sim, seed, 2);
        sim_wire_all(sim, draw_path(false));
        for (int i = 0; i < t.n; i++) {
            t.box[i].conf.pair = true;
            t.box[i].conf.deadline = 12 * SKT_SEC;
            draw_tree(&t.box[i].tree, i, seed, i ? 1000 : 0);
            box_start(&t.box[i]);
            sim_kick(sim, t.box[i].host);
        }
        began = sim_now(sim);
        for (bool given = false; t.box[1].verb.closed + t.box[2].verb.closed < 2; step()) {
            assert_true(sim_now(sim) - began < 60 * SKT_SEC);
            if (recv->opened && !given) {
                given = true;
                assert_int_equal(skt_xfer_secret(recv->x, skt_span_str(next[then])), 0);
            }
        }
        assert_int_equal(senders_that_ended_so(0), then ? 1 : 2);
        assert_int_equal(senders_that_ended_so(ends[then]), then ? 1 : 2);
        assert_int_equal(t.box[1].verb.put_off + t.box[2].verb.put_off, 1);
        assert_int_equal(recv->spent, then == 1);
        assert_int_equal(sim_now(sim) - began >= 12 * SKT_SEC, then == 2);
        settle();
        town_done();
    }
}

WORLD(W(trees_arrive_over_any_path), W(killed_ends_resume), W(faults_are_told_as_they_are),
    W(several_senders_share_a_receiver), W(what_is_lost_last_is_sent_again_at_once),
    W(as_much_is_asked_for_as_the_disk_can_take), W(a_pair_code_is_one_guess),
    W(who_comes_in_the_middle_of_a_handshake_waits_for_its_end))
