/* engine/xfer/conn.c and its parts, over hundreds of bad paths in virtual time. */
#include "xfer_conn.h"

static struct skt_path_conf bad_path(struct skt_random *r)
{
    return (struct skt_path_conf){ .delay = (skt_time)skt_random_below(r, 40) * SKT_MS,
        .jitter = (skt_time)skt_random_below(r, 10) * SKT_MS,
        .loss = skt_random_unit(r) * .2,
        .dup = skt_random_unit(r) * .1,
        .reorder = skt_random_unit(r) * .1,
        .corrupt = skt_random_unit(r) * .05,
        .rate_bytes = 500000 + skt_random_below(r, 20000000) };
}

static struct pair_conf bad_pair(uint64_t seed)
{
    struct skt_random r;
    struct pair_conf conf = { .seed = seed, .replay = .05, .garbage = .05 };

    skt_random_init(&r, seed);
    conf.path[0] = bad_path(&r);
    conf.path[1] = bad_path(&r);
    conf.bytes = skt_random_below(&r, 2000000);
    conf.messages = (uint32_t)skt_random_below(&r, 3000);
    conf.block = 1 + (uint32_t)skt_random_below(&r, seed % 3 ? 20000 : 300);
    if (conf.block < 20 && conf.bytes > 20000)
        conf.bytes = 20000;
    conf.mtu = 1200 + (uint32_t)skt_random_below(&r, 9000);
    if (seed % 5 == 0)
        conf.rebind_every = 100 * SKT_MS + (skt_time)skt_random_below(&r, 1000) * SKT_MS;
    return conf;
}

/* 100 Mbit/s, 50 ms there and back, nothing bad. */
static struct pair_conf good_pair(uint64_t seed)
{
    struct pair_conf conf = { .seed = seed, .bytes = 3000000, .messages = 500, .block = 65536, .mtu = 1472 };

    for (int i = 0; i < 2; i++)
        conf.path[i] = (struct skt_path_conf){ .delay = 25 * SKT_MS, .rate_bytes = 12500000, .queue_bytes = 625000 };
    return conf;
}

static void report(const struct pair *p)
{
    if (p->trace)
        print_message(
            "%llu: %.3f s, %llu bytes, %llu told lost, %llu sent again, %llu came twice, packet %u, %llu and %llu "
            "datagrams\n",
            (unsigned long long)p->conf.seed, (double)(p->done_at - p->began) / 1e9, (unsigned long long)p->conf.bytes,
            (unsigned long long)p->lost, (unsigned long long)p->resent, (unsigned long long)p->twice,
            p->end[SENDER].conn->mtu.now, (unsigned long long)p->end[SENDER].datagrams,
            (unsigned long long)p->end[RECEIVER].datagrams);
}

static void everything_arrives_over_any_bad_path(void **state)
{
    for (uint64_t seed = pair_first(); seed <= pair_last(200); seed++) {
        struct pair_conf conf = bad_pair(seed);
        struct pair *p = pair_new(&conf);

        pair_run(p);
        report(p);
        HOLDS(all_done(p));
        HOLDS(p->end[SENDER].closed && !p->end[SENDER].end.by_peer && p->end[SENDER].end.why == 0);
        HOLDS(p->end[SENDER].conn->mtu.now <= conf.mtu);
        pair_free(p);
    }
}

static void the_same_seed_gives_the_same_run(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct pair_conf conf = bad_pair(seed);
        struct pair *p = pair_new(&conf), *q = pair_new(&conf);

        pair_run(p);
        pair_run(q);
        HOLDS(p->now == q->now && p->sum == q->sum && p->end[SENDER].bytes == q->end[SENDER].bytes);
        pair_free(p);
        pair_free(q);
    }
}

static void a_good_path_is_filled_and_nothing_goes_twice(void **state)
{
    struct pair_conf conf = good_pair(1);
    struct pair *p;
    double seconds;

    conf.bytes = 25000000; /* two seconds of the path */
    p = pair_new(&conf);
    pair_run(p);
    report(p);
    HOLDS(all_done(p));
    seconds = (double)(p->done_at - p->began) / 1e9;
    HOLDS(seconds < 2.8);
    HOLDS(p->resent == 0 && p->twice == 0);
    HOLDS(p->end[SENDER].conn->mtu.now == 1472);
    HOLDS(p->end[RECEIVER].datagrams * 10 < p->end[SENDER].datagrams); /* few ACKs */
    HOLDS(p->guessed * 10 > p->end[SENDER].datagrams * 7);             /* 7 guesses of 8 were good */
    pair_free(p);
}

static void replays_and_forgeries_change_nothing(void **state)
{
    struct pair_conf conf = good_pair(2), quiet = conf;
    struct pair *p, *q;

    conf.replay = .5;
    conf.garbage = .5;
    p = pair_new(&conf);
    q = pair_new(&quiet);
    pair_run(p);
    pair_run(q);
    HOLDS(all_done(p) && all_done(q));
    HOLDS(p->twice == 0 && p->resent == 0);
    HOLDS(p->forged_in > 100);
    HOLDS(p->end[SENDER].conn->forged + p->end[RECEIVER].conn->forged > 100);
    HOLDS(p->done_at - p->began < (q->done_at - q->began) * 11 / 10);
    pair_free(p);
    pair_free(q);
}

static void a_wrong_secret_is_refused_and_told(void **state)
{
    for (uint64_t seed = pair_first(); seed <= pair_last(20); seed++) {
        struct pair_conf conf = bad_pair(seed);
        struct pair *p;

        conf.secret[SENDER] = "guess";
        conf.garbage = conf.replay = 0;
        conf.rebind_every = 0;
        conf.path[0].corrupt = conf.path[1].corrupt = 0;
        p = pair_new(&conf);
        pair_run(p);
        HOLDS(p->end[SENDER].closed && !p->end[SENDER].opened);
        HOLDS(p->end[SENDER].end.why == -EKEYREJECTED || p->end[SENDER].end.why == -ETIMEDOUT);
        HOLDS(p->end[RECEIVER].spent && p->end[RECEIVER].closed && !p->end[RECEIVER].opened);
        HOLDS(p->end[RECEIVER].end.why == -EKEYREJECTED);
        HOLDS(p->end[RECEIVER].heard == 0 && p->got.n == 0);
        pair_free(p);
    }
}

/* Says that all has arrived, also what was never sent. */
static void who_acknowledges_a_skipped_number_is_cut_off(void **state)
{
    struct pair_conf conf = good_pair(3);
    struct pair *p = pair_new(&conf);

    while (pair_step(p) && p->now - p->began < 60 * SKT_SEC && !p->end[SENDER].closed) {
        struct skt_conn *liar = p->end[RECEIVER].conn;

        if (liar && p->end[RECEIVER].opened && liar->acks.seen.n)
            HOLDS(!skt_ranges_take(&liar->acks.seen, 0, liar->acks.largest, NULL));
    }
    HOLDS(p->end[SENDER].closed && !p->end[SENDER].end.by_peer && p->end[SENDER].end.code == SKT_XFER_LIED);
    for (int i = 0; i < 1000 && !p->end[RECEIVER].closed; i++)
        (void)pair_step(p);
    HOLDS(p->end[RECEIVER].closed && p->end[RECEIVER].end.by_peer && p->end[RECEIVER].end.code == SKT_XFER_LIED);
    pair_free(p);
}

static void who_acknowledges_the_future_is_cut_off(void **state)
{
    struct pair_conf conf = good_pair(4);
    struct pair *p = pair_new(&conf);

    while (pair_step(p) && p->now - p->began < 60 * SKT_SEC && !p->end[SENDER].closed) {
        struct skt_conn *liar = p->end[RECEIVER].conn;

        if (liar && p->end[RECEIVER].opened && liar->acks.seen.n)
            (void)skt_acks_got(&liar->acks, p->now, liar->acks.largest + 100000);
    }
    HOLDS(p->end[SENDER].closed && p->end[SENDER].end.code == SKT_XFER_LIED);
    pair_free(p);
}

static void keys_change_under_way(void **state)
{
    for (uint64_t seed = pair_first(); seed <= pair_last(10); seed++) {
        struct pair_conf conf = bad_pair(seed);
        struct pair *p;

        conf.bytes = 1000000;
        conf.block = 5000;
        p = pair_new(&conf);
        while (!p->end[SENDER].opened && pair_step(p) && p->now - p->began < 60 * SKT_SEC)
            ;
        HOLDS(p->end[SENDER].opened);
        p->end[SENDER].conn->seal.most = 30;
        p->end[RECEIVER].conn->seal.most = 20;
        pair_run(p);
        HOLDS(all_done(p));
        HOLDS(p->end[SENDER].conn->seal.epoch >= 3);
        HOLDS(p->end[RECEIVER].conn->unseal.epoch == p->end[SENDER].conn->seal.epoch ||
              p->end[RECEIVER].conn->unseal.epoch + 1 == p->end[SENDER].conn->seal.epoch);
        pair_free(p);
    }
}

static void a_path_that_becomes_narrow_is_noticed(void **state)
{
    struct pair_conf conf = good_pair(5);
    struct pair *p;

    conf.bytes = 20000000;
    conf.mtu = 1300;
    conf.mtu_at = 500 * SKT_MS;
    p = pair_new(&conf);
    pair_run(p);
    report(p);
    HOLDS(all_done(p));
    HOLDS(p->end[SENDER].conn->mtu.now == 1200);
    HOLDS(p->oversize > 0);
    HOLDS(p->done_at - p->began < 15 * SKT_SEC);
    pair_free(p);
}

/* From a new address comes little, so little goes there until it has answered. */
static void a_new_address_gets_three_times_what_it_sent(void **state)
{
    struct pair_conf conf = good_pair(6);
    struct pair *p;

    conf.rebind_every = 70 * SKT_MS;
    conf.bytes = 5000000;
    p = pair_new(&conf);
    while (pair_step(p) && !all_done(p) && p->now - p->began < 60 * SKT_SEC) {
        const struct skt_conn *conn = p->end[RECEIVER].conn;

        if (conn)
            HOLDS(!conn->unproven || conn->path_out <= 3 * conn->path_in);
    }
    HOLDS(all_done(p));
    HOLDS(p->end[RECEIVER].conn->peer.port > 1003);
    pair_free(p);
}

static void silence_ends_it_on_both_sides(void **state)
{
    struct pair_conf conf = good_pair(7);
    struct pair *p = pair_new(&conf);
    skt_time cut;

    while (!skt_ranges_count(&p->acked) && pair_step(p))
        ;
    for (int i = 0; i < 2; i++)
        p->path[i].conf.loss = 1;
    cut = p->now;
    while (!(p->end[0].closed && p->end[1].closed) && pair_step(p) && p->now - cut < 100 * SKT_SEC)
        ;
    for (int i = 0; i < 2; i++) {
        HOLDS(p->end[i].closed && p->end[i].end.code == SKT_XFER_SILENT && p->end[i].end.why == -ETIMEDOUT);
        HOLDS(!p->end[i].end.by_peer);
    }
    HOLDS(29 * SKT_SEC < p->now - cut && p->now - cut < 31 * SKT_SEC);
    HOLDS(p->end[SENDER].datagrams < 6000); /* and it does not shout meanwhile */
    pair_free(p);
}

static void a_quiet_conversation_stays(void **state)
{
    struct pair_conf conf = good_pair(8);
    struct pair *p;
    uint64_t before;

    conf.bytes = 1000;
    p = pair_new(&conf);
    while (!all_done(p) && pair_step(p))
        ;
    before = p->end[0].datagrams + p->end[1].datagrams;
    while (pair_step(p) && p->now - p->began < 200 * SKT_SEC)
        ;
    HOLDS(!p->end[0].closed && !p->end[1].closed);
    HOLDS(p->end[0].datagrams + p->end[1].datagrams - before <
          160); /* PING and its ACK each ten seconds, and MTU probes */
    pair_free(p);
}

static void an_outage_of_twenty_seconds_is_survived(void **state)
{
    struct pair_conf conf = good_pair(9);
    struct pair *p = pair_new(&conf);
    skt_time cut, back;

    while (skt_ranges_count(&p->acked) < 1000000 && pair_step(p))
        ;
    p->path[0].conf.loss = p->path[1].conf.loss = 1;
    for (cut = p->now; p->now - cut < 20 * SKT_SEC;)
        HOLDS(pair_step(p));
    p->path[0].conf.loss = p->path[1].conf.loss = 0;
    back = p->now;
    pair_run(p);
    HOLDS(all_done(p));
    HOLDS(p->done_at - back < 25 * SKT_SEC);
    pair_free(p);
}

static void nobody_at_the_other_end_is_said_after_the_deadline(void **state)
{
    struct pair_conf conf = good_pair(10);
    struct pair *p;

    conf.path[1].loss = 1;
    p = pair_new(&conf);
    pair_run(p);
    HOLDS(p->end[SENDER].closed && p->end[SENDER].end.why == -ETIMEDOUT);
    HOLDS(p->now - p->began == 30 * SKT_SEC);
    HOLDS(p->end[SENDER].datagrams < 30);
    pair_free(p);
}

static void the_receiver_may_close_with_a_word(void **state)
{
    struct pair_conf conf = good_pair(11);
    struct pair *p = pair_new(&conf);
    skt_time at;

    while (skt_ranges_count(&p->got) < 500000 && pair_step(p))
        ;
    at = p->now;
    skt_conn_close(p->end[RECEIVER].conn, p->now, SKT_XFER_DISK, "no space left");
    while (!(p->end[SENDER].closed && skt_conn_over(p->end[RECEIVER].conn, p->now)) && pair_step(p))
        ;
    HOLDS(p->end[SENDER].end.by_peer && p->end[SENDER].end.code == SKT_XFER_DISK);
    assert_string_equal(p->end[SENDER].end.text, "no space left");
    HOLDS(p->end[RECEIVER].closed && !p->end[RECEIVER].end.by_peer);
    HOLDS(p->now - at < 200 * SKT_MS); /* a round trip, not the longest time that CLOSE may take */
    pair_free(p);
}

static void a_limit_on_the_rate_is_kept(void **state)
{
    struct pair_conf conf = good_pair(12);
    struct pair *p;

    conf.rate_max = 1000000;
    p = pair_new(&conf);
    pair_run(p);
    report(p);
    HOLDS(all_done(p));
    HOLDS(2900 * SKT_MS < p->done_at - p->began && p->done_at - p->began < 3800 * SKT_MS);
    pair_free(p);
}

/* Until the receiver has heard something; how long after the handshake that was. */
static skt_time first_word(struct pair *p)
{
    while (!p->end[RECEIVER].heard && pair_step(p) && p->now - p->began < 60 * SKT_SEC)
        ;
    HOLDS(p->end[RECEIVER].heard);
    return p->now - p->end[RECEIVER].opened_at;
}

static void what_is_said_first_goes_with_confirm_and_again_with_it(void **state)
{
    struct pair_conf conf = good_pair(13);
    struct pair *p = pair_new(&conf);

    HOLDS(first_word(p) < 5 * SKT_MS);
    HOLDS(!p->end[SENDER].opened);
    pair_free(p);
    p = pair_new(&conf);
    while (p->end[SENDER].conn->shake.state < SKT_SHAKE_CONFIRMS && pair_step(p))
        ;
    p->path[RECEIVER].conf.loss = 1;
    while (!p->end[SENDER].conn->sent.next || p->end[SENDER].conn->shake.sent < 1)
        HOLDS(pair_step(p));
    HOLDS(!p->end[RECEIVER].opened);
    p->path[RECEIVER].conf.loss = 0;
    HOLDS(first_word(p) < 5 * SKT_MS);
    HOLDS(p->end[SENDER].conn->shake.sent == 2);
    pair_run(p);
    HOLDS(all_done(p));
    pair_free(p);
}

static int setup(void **state) { return skt_crypt() ? 0 : -1; }

#define T(name) cmocka_unit_test(name)
int main(void)
{
    const struct CMUnitTest tests[] = { T(everything_arrives_over_any_bad_path), T(the_same_seed_gives_the_same_run),
        T(a_good_path_is_filled_and_nothing_goes_twice), T(replays_and_forgeries_change_nothing),
        T(a_wrong_secret_is_refused_and_told), T(who_acknowledges_a_skipped_number_is_cut_off),
        T(who_acknowledges_the_future_is_cut_off), T(keys_change_under_way), T(a_path_that_becomes_narrow_is_noticed),
        T(a_new_address_gets_three_times_what_it_sent), T(silence_ends_it_on_both_sides), T(a_quiet_conversation_stays),
        T(an_outage_of_twenty_seconds_is_survived), T(nobody_at_the_other_end_is_said_after_the_deadline),
        T(the_receiver_may_close_with_a_word), T(a_limit_on_the_rate_is_kept),
        T(what_is_said_first_goes_with_confirm_and_again_with_it) };
    return cmocka_run_group_tests(tests, setup, NULL);
}
