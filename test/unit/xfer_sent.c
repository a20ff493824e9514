/* engine/xfer/sent.c: acknowledgements, loss, round trips. */
#include "test.h"

#include "base/random.h"
#include "engine/xfer/sent.h"
#include "seed.h"

#include <errno.h>

enum { SIZE = 1200 };
static const skt_time rtt = 40 * SKT_MS;

/* Sends a packet with one piece, whose tag is the packet's number. */
static uint64_t send_one(struct skt_sent *s, skt_time now)
{
    struct skt_sent_packet p = {
        .state = SKT_SENT_OUT, .bytes = SIZE, .size = SIZE, .pieces = 1, .piece = s->piece_next
    };
    struct skt_conn_piece piece = { .tag = (uint32_t)s->next };

    assert_true(skt_sent_room(s, 1));
    assert_true(skt_sent_piece(s, &piece));
    skt_sent_push(s, now, &p);
    return s->next - 1;
}

static struct skt_sent_news ack(struct skt_sent *s, skt_time now, uint64_t from, uint64_t to)
{
    struct skt_xfer_ack a = { .n = 1, .range = { { from, to } } };
    struct skt_sent_news news = { 0 };

    assert_int_equal(skt_sent_ack(s, now, &a, false, &news), 0);
    return news;
}

/* What was told, as a string: "+3 -1 ". */
static const char *told(struct skt_sent *s, skt_time now)
{
    static char text[400];
    struct skt_room room = skt_room_of(text, sizeof text);
    struct skt_sent_told t;

    while (skt_sent_told(s, &t)) {
        const struct skt_sent_packet *p = skt_sent_at(s, t.number);

        assert_int_equal(s->pieces[p->piece & (s->pieces_size - 1)].tag, t.number);
        skt_put_fmt(&room, "%c%u ", t.acked ? '+' : '-', (unsigned)t.number);
    }
    skt_sent_forget(s, now);
    skt_put_u8(&room, 0);
    return text;
}

static void what_is_acknowledged_is_told_once(void **state)
{
    struct skt_sent_news news;
    struct skt_sent s;

    skt_sent_init(&s);
    for (int i = 0; i < 4; i++)
        send_one(&s, 0);
    assert_int_equal(s.inflight, 4 * SIZE);
    news = ack(&s, rtt, 0, 3);
    assert_int_equal(news.acked, 3 * SIZE);
    assert_int_equal(news.lost, 0);
    assert_int_equal(news.rtt, rtt);
    assert_string_equal(told(&s, rtt), "+0 +1 +2 ");
    news = ack(&s, rtt + 1, 0, 3);
    assert_int_equal(news.acked, 0);
    assert_false(news.any);
    assert_string_equal(told(&s, rtt), "");
    assert_int_equal(s.first, 3);
    news = ack(&s, rtt + 1, 0, 4);
    assert_string_equal(told(&s, rtt), "+3 ");
    assert_int_equal(s.inflight, 0);
    assert_true(skt_sent_timeout(&s) == SKT_NEVER);
    skt_sent_done(&s);
}

static void what_was_never_sent_is_a_lie(void **state)
{
    struct skt_xfer_ack a = { .n = 1, .range = { { 0, 6 } } };
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    assert_true(skt_sent_room(&s, 2));
    skt_sent_skip(&s);
    for (int i = 0; i < 3; i++)
        send_one(&s, 0);
    assert_int_equal(skt_sent_ack(&s, rtt, &a, false, &news), -EBADMSG); /* 5 is the future */
    a.range[0].to = 5;
    assert_int_equal(skt_sent_ack(&s, rtt, &a, false, &news), -EBADMSG); /* 1 was skipped */
    skt_sent_done(&s);
}

static void a_skipped_number_is_remembered_until_an_ack_passes_it(void **state)
{
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    assert_true(skt_sent_room(&s, 2));
    skt_sent_skip(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    (void)told(&s, rtt);
    assert_int_equal(s.first, 1);
    (void)ack(&s, rtt, 2, 3);
    (void)told(&s, rtt);
    assert_int_equal(s.first, 3);
    skt_sent_done(&s);
}

static void a_packet_is_lost_an_eighth_of_a_round_trip_after_later_ones_came(void **state)
{
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    (void)told(&s, rtt);
    for (int i = 1; i < 4; i++)
        send_one(&s, SKT_SEC);
    news = ack(&s, SKT_SEC + rtt, 2, 4);
    assert_int_equal(news.lost, 0);
    assert_int_equal(s.loss_at, SKT_SEC + rtt + rtt / 8);
    assert_string_equal(told(&s, 0), "+2 +3 ");
    skt_sent_late(&s, s.loss_at - 1, &news);
    assert_string_equal(told(&s, 0), "");
    skt_sent_late(&s, s.loss_at, &news);
    assert_string_equal(told(&s, 0), "-1 ");
    assert_int_equal(news.lost, SIZE);
    assert_true(s.loss_at == SKT_NEVER);
    assert_int_equal(s.inflight, 0);
    skt_sent_done(&s);
}

static void a_late_one_makes_patient(void **state)
{
    skt_time now = SKT_SEC;
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    (void)told(&s, rtt);
    send_one(&s, now);
    send_one(&s, now);
    (void)ack(&s, now + rtt, 2, 3);
    skt_sent_late(&s, now + rtt * 3 / 2, &news);
    assert_string_equal(told(&s, now + rtt), "+2 -1 ");
    assert_int_equal(s.lost_n, 1);
    (void)ack(&s, now + rtt * 3 / 2 + 1, 1, 3); /* it comes after all */
    assert_string_equal(told(&s, now + rtt * 3 / 2 + 1), "+1 ");
    assert_int_equal(s.lost_n, 0);
    send_one(&s, 2 * now);
    send_one(&s, 2 * now);
    (void)ack(&s, 2 * now + rtt, 4, 5);
    assert_true(s.loss_at > 2 * now + rtt * 5 / 4); /* not an eighth: about as late as the last one may be */
    skt_sent_done(&s);
}

static void a_packet_that_overtakes_does_not_shorten_the_path(void **state)
{
    struct skt_sent_news news;
    struct skt_sent s;

    skt_sent_init(&s);
    for (int i = 0; i < 10; i++)
        send_one(&s, 0);
    (void)ack(&s, rtt, 0, 10);
    (void)told(&s, rtt);
    for (int i = 0; i < 10; i++)
        send_one(&s, SKT_SEC);
    news = ack(&s, SKT_SEC + SKT_MS, 19, 20);
    assert_int_equal(news.rtt, 0);
    assert_int_equal(s.rtt_min, rtt);
    news = ack(&s, SKT_SEC + rtt, 0, 20);
    assert_int_equal(s.rtt_min, rtt);
    skt_sent_done(&s);
}

static void the_delay_at_the_other_end_is_no_path(void **state)
{
    struct skt_xfer_ack a = { .n = 1, .delay = 5000, .range = { { 1, 2 } } };
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    send_one(&s, SKT_SEC);
    assert_int_equal(skt_sent_ack(&s, SKT_SEC + rtt + 5 * SKT_MS, &a, false, &news), 0);
    assert_int_equal(s.latest, rtt);
    a.delay = 4000000; /* more than there was: it is not believed */
    a.range[0] = (struct skt_xfer_range){ 2, 3 };
    send_one(&s, 2 * SKT_SEC);
    assert_int_equal(skt_sent_ack(&s, 2 * SKT_SEC + rtt, &a, false, &news), 0);
    assert_int_equal(s.latest, rtt);
    skt_sent_done(&s);
}

static void time_outs_double(void **state)
{
    struct skt_sent s;
    skt_time pto;

    skt_sent_init(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    send_one(&s, SKT_SEC);
    pto = skt_sent_pto(&s);
    assert_int_equal(pto, rtt + 4 * (rtt / 2) + rtt / 8); /* RFC 9002, 6.2.1 */
    assert_int_equal(skt_sent_timeout(&s), SKT_SEC + pto);
    s.timeouts = 3;
    assert_int_equal(skt_sent_timeout(&s), SKT_SEC + 8 * pto);
    skt_sent_done(&s);
}

static void a_time_out_sends_the_tail_again_and_then_gives_up(void **state)
{
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    for (int i = 0; i < 6; i++)
        send_one(&s, 0);
    skt_sent_probe(&s);
    assert_string_equal(told(&s, 0), "-5 -4 ");
    assert_int_equal(s.inflight, 4 * SIZE);
    skt_sent_give_up(&s, SKT_SEC, &news);
    assert_string_equal(told(&s, 0), "-0 -1 -2 -3 ");
    assert_int_equal(news.lost, 4 * SIZE);
    assert_int_equal(s.inflight, 0);
    assert_int_equal(s.eliciting, 0);
    skt_sent_done(&s);
}

static void the_rate_of_delivery_is_measured(void **state)
{
    struct skt_sent_news news = { 0 };
    struct skt_sent s;
    skt_time now = 0;

    skt_sent_init(&s);
    for (int i = 0; i < 200; i++, now += SKT_MS) { /* a packet each ms: 1.2 MB/s */
        send_one(&s, now);
        if (now >= rtt) {
            uint64_t n = (uint64_t)((now - rtt) / SKT_MS);
            news = ack(&s, now, n, n + 1);
            (void)told(&s, now);
        }
    }
    assert_in_range(news.rate, 1150000, 1250000);
    assert_int_equal(s.srtt, rtt);
    skt_sent_done(&s);
}

/* Random ACKs of random packets: each piece is told acknowledged once at most, lost once at most and never after it was
 * acknowledged; the sums are right; and the memory is bounded. */
static void the_books_balance(void **state)
{
    FOR_SEEDS(50)
    {
        static uint8_t state_of[20000]; /* 1 lost, 2 acknowledged */
        struct skt_random r;
        struct skt_sent s;
        skt_time now = 0;
        uint64_t acked = 0;

        memset(state_of, 0, sizeof state_of);
        skt_random_init(&r, unit_seed);
        skt_sent_init(&s);
        while (s.next < 20000 - 64) {
            struct skt_xfer_ack a = { 0 };
            struct skt_sent_news news = { 0 };
            struct skt_sent_told t;
            uint64_t top;

            for (uint64_t n = skt_random_below(&r, 60); n > 0; n--)
                send_one(&s, now);
            now += (skt_time)skt_random_below(&r, 10) * SKT_MS;
            top = s.next;
            while (top > s.first && a.n <= SKT_XFER_RANGES) {
                uint64_t len = 1 + skt_random_below(&r, 30), gap = 1 + skt_random_below(&r, 5);

                len = len < top ? len : top;
                a.range[a.n++] = (struct skt_xfer_range){ top - len, top };
                top -= len;
                if (top <= gap + 1)
                    break;
                top -= gap;
            }
            if (a.n && skt_random_unit(&r) < .7)
                CHECK(!skt_sent_ack(&s, now, &a, false, &news));
            else
                skt_sent_late(&s, now, &news);
            while (skt_sent_told(&s, &t)) {
                CHECK(t.acked ? state_of[t.number] < 2 : state_of[t.number] == 0);
                state_of[t.number] = t.acked ? 2 : 1;
                acked += t.acked;
            }
            skt_sent_forget(&s, now);
            CHECK(s.delivered == acked * SIZE);
            CHECK(s.inflight == s.eliciting * SIZE);
        }
        CHECK(s.size <= 4096);
        skt_sent_done(&s);
    }
}

static void what_is_remembered_has_a_limit(void **state)
{
    struct skt_sent_packet p = { .state = SKT_SENT_OUT, .bytes = SIZE };
    struct skt_sent s;
    uint32_t n = 0;

    skt_sent_init(&s);
    for (; skt_sent_room(&s, 1); n++)
        skt_sent_push(&s, 0, &p);
    assert_int_equal(n, SKT_SENT_MAX);
    skt_sent_done(&s);
}

/* 0..9 and then, of what was sent a millisecond apart, 10..15 in order and 40 before its time. */
static void the_last_in_order_tells_the_round_trip(void **state)
{
    struct skt_xfer_ack a = { .n = 2, .range = { { 40, 41 }, { 10, 16 } } };
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    for (int i = 0; i < 10; i++)
        send_one(&s, 0);
    (void)ack(&s, rtt, 0, 10);
    (void)told(&s, rtt);
    for (int i = 10; i < 50; i++)
        send_one(&s, SKT_SEC + i * SKT_MS);
    assert_int_equal(skt_sent_ack(&s, SKT_SEC + 15 * SKT_MS + rtt + 2, &a, false, &news), 0);
    assert_int_equal(news.rtt, rtt + 2);
    assert_int_equal(news.prior, 10 * SIZE);
    skt_sent_done(&s);
}

static void an_ack_that_overtakes_does_not_shorten_the_path(void **state)
{
    struct skt_xfer_ack a = { .n = 1, .range = { { 1, 2 } } };
    struct skt_sent_news news = { 0 };
    struct skt_sent s;

    skt_sent_init(&s);
    send_one(&s, 0);
    (void)ack(&s, rtt, 0, 1);
    (void)told(&s, rtt);
    send_one(&s, SKT_SEC);
    assert_int_equal(skt_sent_ack(&s, SKT_SEC + rtt / 2, &a, true, &news), 0);
    assert_int_equal(news.acked, SIZE);
    assert_int_equal(news.rtt, 0);
    assert_int_equal(s.rtt_min, rtt);
    skt_sent_done(&s);
}

RUN(T(what_is_acknowledged_is_told_once), T(what_was_never_sent_is_a_lie),
    T(a_skipped_number_is_remembered_until_an_ack_passes_it),
    T(a_packet_is_lost_an_eighth_of_a_round_trip_after_later_ones_came), T(a_late_one_makes_patient),
    T(a_packet_that_overtakes_does_not_shorten_the_path), T(the_last_in_order_tells_the_round_trip),
    T(an_ack_that_overtakes_does_not_shorten_the_path), T(the_delay_at_the_other_end_is_no_path), T(time_outs_double),
    T(a_time_out_sends_the_tail_again_and_then_gives_up), T(the_rate_of_delivery_is_measured), T(the_books_balance),
    T(what_is_remembered_has_a_limit))
