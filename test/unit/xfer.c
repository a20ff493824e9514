/* engine/xfer: two engines joined by a wire of a millisecond, files in memory. The wire may be told to lose, double and change
 * datagrams; test/sim/xfer.c has the bad networks. */
#include "test.h"

#include "toycrypt.h"
#include "xferverb.h"

#include <string.h>

enum { WIRE = 4096, LINK = 7 };

struct gram {
    skt_time at;
    bool to_sender;
    size_t len;
    uint32_t seg;
    struct skt_addr from;
    uint8_t *bytes;
};

static struct world {
    struct verb verb[2]; /* 0 receives, 1 sends */
    struct verb_tree tree[2];
    skt_time now;
    struct gram wire[WIRE];
    uint32_t n;
    bool cut; /* nothing passes any more */
    uint64_t bytes[2];
} w;

static const struct skt_addr address[2] = { { .family = SKT_IP4, .port = 9000, .ip = { 127, 0, 0, 1 } },
    { .family = SKT_IP4, .port = 40000, .ip = { 127, 0, 0, 1 } } };

static struct skt_xfer *engine_of(bool send, struct skt_xfer_conf conf, uint8_t chance)
{
    struct skt_xfer *x = NULL;

    conf.send = send;
    conf.crypt = &toycrypt;
    memset(conf.chance, chance + send, sizeof conf.chance);
    if (!conf.secret.p)
        conf.secret = skt_span_str("a secret");
    assert_int_equal(skt_xfer_new(&conf, &x), 0);
    skt_xfer_link(x, LINK, send ? &address[0] : NULL);
    return x;
}

static void begin(struct skt_xfer_conf receive, struct skt_xfer_conf send)
{
    memset(&w, 0, sizeof w);
    w.now = 1000 * SKT_SEC;
    for (int i = 0; i < 2; i++) {
        verb_tree_init(&w.tree[i]);
        verb_init(&w.verb[i], &w.tree[i], i, 1);
        w.verb[i].x = engine_of(i, i ? send : receive, 1);
    }
}

static void end(void)
{
    for (int i = 0; i < 2; i++) {
        verb_done(&w.verb[i]);
        verb_tree_done(&w.tree[i]);
    }
    while (w.n)
        free(w.wire[--w.n].bytes);
}

static bool pump_out(bool send)
{
    static uint8_t room[65536];
    struct skt_engine e = skt_xfer_engine(w.verb[send].x);
    bool any = false;

    for (;; any = true) {
        struct skt_out out = { .data = skt_room_of(room, sizeof room) };
        struct gram *g;
        if (!e.ops->send(e.self, w.now, &out))
            return any;
        assert_true(out.kind == SKT_DATA && out.link == LINK && out.data.p > room && !out.data.bad);
        w.bytes[send] += (uint64_t)(out.data.p - room);
        if (w.cut)
            continue;
        assert_true(w.n < WIRE);
        g = &w.wire[w.n++];
        *g = (struct gram){ .at = w.now + SKT_MS,
            .to_sender = !send,
            .len = (size_t)(out.data.p - room),
            .seg = out.seg,
            .from = address[send] };
        g->bytes = malloc(g->len);
        memcpy(g->bytes, room, g->len);
    }
}

static void deliver(void)
{
    while (w.n && w.wire[0].at <= w.now) {
        struct gram g = w.wire[0];
        struct skt_in in = {
            .link = LINK, .kind = SKT_DATA, .data = skt_span_of(g.bytes, g.len), .seg = g.seg, .peer = &g.from
        };
        struct skt_engine e = skt_xfer_engine(w.verb[g.to_sender].x);

        memmove(w.wire, w.wire + 1, --w.n * sizeof g);
        e.ops->recv(e.self, w.now, &in);
        assert_int_equal(skt_len(in.data), 0);
        free(g.bytes);
        (void)verb_turn(&w.verb[g.to_sender]);
        (void)pump_out(g.to_sender);
    }
}

static void step(void)
{
    skt_time at = w.n ? w.wire[0].at : SKT_NEVER;
    bool any = true;

    while (any) {
        any = false;
        for (int i = 0; i < 2; i++)
            any |= (int)verb_turn(&w.verb[i]) | (int)pump_out(i); /* both, whatever the first says */
    }
    for (int i = 0; i < 2; i++) {
        struct skt_engine e = skt_xfer_engine(w.verb[i].x);
        skt_time wake = e.ops->wake(e.self);
        at = wake < at ? wake : at;
    }
    at = w.n && w.wire[0].at < at ? w.wire[0].at : at;
    assert_true(at != SKT_NEVER);
    w.now = at > w.now ? at : w.now;
    deliver();
}

/* Until the sender's session has ended, and all of the receiver's. */
static void run(void)
{
    skt_time until = w.now + 300 * SKT_SEC;

    while ((!w.verb[1].closed || w.verb[0].opened > w.verb[0].closed) && w.now < until)
        step();
    assert_true(w.verb[1].closed);
}

static void assert_well(void)
{
    struct skt_xfer_stats stats;
    uint64_t bytes = 0, files = 0;

    for (uint32_t i = 0; i < w.tree[1].n; i++) {
        bytes += w.tree[1].files[i].size;
        files += w.tree[1].files[i].meta.kind == SKT_XFER_FILE;
    }
    assert_true(skt_xfer_stats(w.verb[1].x, 0, &stats));
    assert_true(stats.bytes_done == bytes && stats.files_done == files);
    assert_string_equal(w.verb[1].text, "");
    assert_int_equal(w.verb[1].why, 0);
    assert_string_equal(w.verb[0].text, "");
    assert_int_equal(w.verb[0].why, 0);
    assert_memory_equal(w.verb[0].hash, w.verb[1].hash, 32);
    assert_true(verb_all_same(&w.tree[1], &w.tree[0]));
    assert_false(w.verb[0].wrong || w.verb[1].wrong);
    assert_int_equal(w.verb[0].done, w.tree[1].n);
    assert_int_equal(w.verb[1].done, w.tree[1].n);
}

static const struct skt_xfer_conf plain;

/* --- */

static void a_tree_goes_over(void **state)
{
    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_DIR, "d", "", 0, 1, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/a", "", 3 * SKT_GROUP + 5, 2, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/empty", "", 0, 3, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/one", "", 1, 4, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "d/group", "", SKT_GROUP, 5, false);
    verb_make(&w.tree[1], SKT_XFER_SYMLINK, "d/link", "../a", 0, 6, false);
    verb_make(&w.tree[1], SKT_XFER_HARDLINK, "d/again", "d/a", 0, 7, false);
    verb_make(&w.tree[1], SKT_XFER_DIR_AGAIN, "d", "", 0, 8, false);
    run();
    assert_well();
    assert_int_equal(w.verb[1].forgotten, 4);
    end();
}

static void nothing_at_all_goes_over(void **state)
{
    begin(plain, plain);
    run();
    assert_well();
    end();
}

static void holes_are_not_sent(void **state)
{
    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "sparse", "", 10 * SKT_GROUP + 77, 1, true);
    run();
    assert_well();
    assert_in_range(w.bytes[1], 7 * SKT_GROUP, 8 * SKT_GROUP);
    end();
}

static void many_small_files_need_no_round_trip_each(void **state)
{
    skt_time began;
    char path[32];

    begin(plain, plain);
    for (int i = 0; i < 6000; i++) {
        snprintf(path, sizeof path, "f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", (uint64_t)(i % 90), (uint64_t)i, false);
    }
    began = w.now;
    run();
    assert_well();
    assert_true(w.now - began < 2 * SKT_SEC); /* 6000 round trips of 2 ms are 12 s */
    end();
}

static void what_is_there_already_is_not_sent_again(void **state)
{
    struct verb_file *f;

    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "same", "", 5 * SKT_GROUP + 5, 2, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "differs", "", 5 * SKT_GROUP + 5, 3, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "shorter", "", 5 * SKT_GROUP + 5, 4, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "longer", "", 2 * SKT_GROUP, 5, false);
    verb_make(&w.tree[0], SKT_XFER_FILE, "same", "", 5 * SKT_GROUP + 5, 2, false);
    f = verb_make(&w.tree[0], SKT_XFER_FILE, "differs", "", 5 * SKT_GROUP + 5, 3, false);
    f->bytes[3 * SKT_GROUP + 7] ^= 1;
    f = verb_make(&w.tree[0], SKT_XFER_FILE, "shorter", "", 5 * SKT_GROUP + 5, 4, false);
    f->size = 2 * SKT_GROUP + 100;
    verb_make(&w.tree[0], SKT_XFER_FILE, "longer", "", 5 * SKT_GROUP + 5, 5, false);
    run();
    assert_well();
    /* one group of the second, three and a bit of the third */
    assert_in_range(w.bytes[1], 4 * SKT_GROUP, 5 * SKT_GROUP);
    end();
}

static void a_wrong_secret_is_told_to_both(void **state)
{
    begin((struct skt_xfer_conf){ .pair = true, .secret = skt_span_str("right") },
        (struct skt_xfer_conf){ .pair = true, .secret = skt_span_str("wrong") });
    run();
    assert_int_equal(w.verb[1].why, -EKEYREJECTED);
    assert_int_equal(w.verb[0].spent, 1);
    assert_int_equal(w.verb[0].opened, 0);
    end();
}

static void what_fails_is_left_out_and_told(void **state)
{
    struct skt_xfer_stats stats;
    uint64_t bytes = 0;
    char path[32];

    begin(plain, plain);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", (uint64_t)i * 10000, (uint64_t)i, false);
    }
    w.verb[0].faults = (struct verb_faults){ .refuse = .1, .bad_finish = .05 };
    w.verb[1].faults = (struct verb_faults){ .bad_read = .05, .changed = .05 };
    run();
    assert_true(w.verb[1].why < 0 && w.verb[0].why < 0);
    assert_true(w.verb[0].failed == w.verb[1].failed && w.verb[0].failed > 10 && w.verb[0].failed < 100);
    assert_true(w.verb[0].done == w.verb[1].done && w.verb[0].done + w.verb[0].failed == 200);
    for (uint32_t i = 0; i < w.tree[0].n; i++)
        bytes += w.tree[0].files[i].whole ? w.tree[0].files[i].size : 0;
    assert_true(skt_xfer_stats(w.verb[1].x, 0, &stats));
    assert_true(stats.bytes_done == bytes && stats.files_done == w.verb[1].done);
    assert_false(w.verb[0].wrong || w.verb[1].wrong);
    end();
}

/* What has the name there is something else: no link to that is told as one to the sender's file. */
static void a_link_to_what_did_not_go_over_is_no_link_to_something_else(void **state)
{
    skt_time began;
    char path[32];

    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "a", "", 3 * SKT_GROUP, 2, false);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "l%d", i);
        verb_make(&w.tree[1], SKT_XFER_HARDLINK, path, "a", 0, 3, false);
    }
    verb_make(&w.tree[0], SKT_XFER_FILE, "a", "", 1000, 9, false);
    w.verb[1].faults.bad_read = 1;
    began = w.now;
    run();
    assert_true(w.verb[0].why == -EIO && w.verb[1].why == -EIO);
    assert_true(w.verb[0].failed == 301 && w.verb[0].done == 0);
    assert_true(w.verb[1].failed == 301 && w.verb[1].done == 0);
    assert_true(w.now - began < SKT_SEC); /* none waits for a clock */
    end();
}

static void who_cannot_walk_ends(void **state)
{
    char path[32];

    begin(plain, plain);
    for (int i = 0; i < 1100; i++) { /* more than go before anything was said */
        snprintf(path, sizeof path, "f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", 10, (uint64_t)i, false);
    }
    verb_make(&w.tree[1], SKT_XFER_FILE, "../b", "", 1000, 2, false); /* no entry may have this name */
    run();
    assert_true(w.verb[0].why == -EIO && w.verb[1].why == -EIO);
    assert_non_null(strstr(w.verb[1].text, "cannot read its files"));
    assert_false(w.verb[0].agreed || w.verb[1].agreed);
    end();
}

/* A file that cannot be read and a disk that fails have one errno: only what both agree on is a success of the rest. */
static void a_file_that_failed_does_not_hide_that_all_did(void **state)
{
    for (int no_sync = 0; no_sync < 2; no_sync++) {
        begin(plain, plain);
        verb_make(&w.tree[1], SKT_XFER_FILE, "bad", "", 1000, 2, false);
        verb_make(&w.tree[1], SKT_XFER_DIR, "good", "", 0, 3, false);
        w.verb[1].faults.bad_read = 1;
        w.verb[0].faults.no_sync = no_sync;
        run();
        assert_true(w.verb[0].why == -EIO && w.verb[1].why == -EIO);
        assert_int_equal(w.verb[0].failed, 1);
        assert_true(w.verb[0].agreed == !no_sync && w.verb[1].agreed == !no_sync);
        end();
    }
}

static void a_full_disk_is_told(void **state)
{
    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "small", "", 1000, 2, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 9 * SKT_GROUP, 3, false);
    w.verb[0].faults.disk = 4 * SKT_GROUP;
    run();
    assert_true(w.verb[0].why == -ENOSPC && w.verb[1].why == -ENOSPC);
    assert_true(w.verb[0].done == 1 && w.verb[0].failed == 1 && w.verb[0].dropped == 1);
    end();
}

static void a_stop_is_told(void **state)
{
    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 30 * SKT_GROUP, 3, false);
    while (!w.verb[0].written)
        step();
    skt_xfer_stop(w.verb[0].x);
    run();
    assert_true(w.verb[0].why == -ECANCELED && w.verb[1].why == -ECANCELED);
    assert_int_equal(w.verb[0].dropped, 1);
    end();
}

/* Stop has no time of its own: the engine's is that of its last call, and may be older than all of CLOSING. */
static void a_stop_after_a_rest_is_told(void **state)
{
    skt_time began;

    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 30 * SKT_GROUP, 3, false);
    while (!w.verb[0].written)
        step();
    w.now += 3 * SKT_SEC;
    skt_xfer_stop(w.verb[1].x);
    began = w.now;
    run();
    assert_true(w.verb[0].why == -ECANCELED && w.verb[1].why == -ECANCELED);
    assert_true(w.now - began < SKT_SEC);
    end();
}

/* The receiver is open a round trip before the sender knows. */
static void a_stop_behind_confirm_is_told(void **state)
{
    skt_time began;

    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 30 * SKT_GROUP, 3, false);
    while (!w.verb[0].opened)
        step();
    assert_false(w.verb[1].opened);
    skt_xfer_stop(w.verb[1].x);
    began = w.now;
    run();
    assert_true(w.verb[0].why == -ECANCELED && w.verb[1].why == -ECANCELED);
    assert_true(w.now - began < SKT_SEC);
    end();
}

static void silence_ends_both(void **state)
{
    begin(plain, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 30 * SKT_GROUP, 3, false);
    while (!w.verb[0].written)
        step();
    w.cut = true;
    run();
    assert_true(w.verb[0].why == -ETIMEDOUT && w.verb[1].why == -ETIMEDOUT);
    end();
}

static void a_killed_end_goes_on_where_it_was(void **state)
{
    uint64_t before;

    for (int who = 0; who < 2; who++) {
        begin(plain, plain);
        verb_make(&w.tree[1], SKT_XFER_FILE, "large", "", 30 * SKT_GROUP + 1234, 3, false);
        while (w.verb[0].written < 12 * SKT_GROUP)
            step();
        before = w.verb[0].written;
        for (int i = who; i < 2; i++) { /* both, or the sender alone */
            verb_done(&w.verb[i]);
            verb_init(&w.verb[i], &w.tree[i], i, 1);
            w.verb[i].x = engine_of(i, plain, 100);
        }
        w.bytes[1] = 0;
        run();
        assert_well();
        assert_true(w.bytes[1] < 30 * (uint64_t)SKT_GROUP - before + 2 * SKT_GROUP);
        end();
    }
}

static void limits_are_told(void **state)
{
    char path[32];

    begin((struct skt_xfer_conf){ .max_files = 10 }, plain);
    for (int i = 0; i < 11; i++) {
        snprintf(path, sizeof path, "f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", 10, (uint64_t)i, false);
    }
    run();
    assert_true(w.verb[0].why == -EACCES && w.verb[1].why == -EACCES);
    assert_non_null(strstr(w.verb[1].text, "more than 10 files"));
    end();
    begin((struct skt_xfer_conf){ .max_bytes = 1000 }, plain);
    verb_make(&w.tree[1], SKT_XFER_FILE, "a", "", 600, 1, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "b", "", 600, 1, false);
    verb_make(&w.tree[1], SKT_XFER_FILE, "c", "", 400, 1, false);
    run();
    assert_true(w.verb[0].why == -EFBIG && w.verb[0].done == 2 && w.verb[0].failed == 1);
    end();
}

/* MORE is said in steps: the last one may be a small one. */
static void as_many_files_as_are_taken_go_over(void **state)
{
    char path[32];

    for (uint32_t n = 1023; n <= 1300; n += 23) {
        begin((struct skt_xfer_conf){ .max_files = n }, plain);
        for (uint32_t i = 0; i < n; i++) {
            snprintf(path, sizeof path, "f%u", i);
            verb_make(&w.tree[1], SKT_XFER_FILE, path, "", 10, i, false);
        }
        run();
        assert_well();
        end();
    }
}

static void answers_may_come_late_and_in_any_order(void **state)
{
    char path[32];

    begin(plain, plain);
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof path, "f%d", i);
        verb_make(&w.tree[1], SKT_XFER_FILE, path, "", (uint64_t)i * i * 3000, (uint64_t)i, i & 1);
    }
    w.verb[0].faults.late = w.verb[1].faults.late = true;
    while (!w.verb[1].closed || !w.verb[0].closed) {
        step();
        for (int i = 0; i < 2; i++)
            while (w.verb[i].n_jobs && skt_random_below(&w.verb[i].dice, 4))
                verb_answer_one(&w.verb[i], (uint32_t)skt_random_below(&w.verb[i].dice, w.verb[i].n_jobs));
        w.now += SKT_MS;
    }
    assert_well();
    end();
}

RUN(T(a_tree_goes_over), T(nothing_at_all_goes_over), T(holes_are_not_sent),
    T(many_small_files_need_no_round_trip_each), T(what_is_there_already_is_not_sent_again),
    T(a_wrong_secret_is_told_to_both), T(what_fails_is_left_out_and_told),
    T(a_link_to_what_did_not_go_over_is_no_link_to_something_else), T(a_file_that_failed_does_not_hide_that_all_did),
    T(who_cannot_walk_ends), T(a_full_disk_is_told), T(a_stop_is_told), T(a_stop_after_a_rest_is_told),
    T(a_stop_behind_confirm_is_told), T(silence_ends_both), T(a_killed_end_goes_on_where_it_was), T(limits_are_told),
    T(as_many_files_as_are_taken_go_over), T(answers_may_come_late_and_in_any_order))
