/* A path that changes a bit of a handshake packet and makes UDP's checksum fit, as a proxy does: each bit of each packet, one at
 * a time. Both ends become open by the repetitions, the pair code is not spent, and nobody believes a refusal that was not meant. */
#include "test.h"

#include <sockit/xfer.h>

#include "toycrypt.h"
#include "wire/xfer.h"

#include <stdlib.h>

enum { SENDER, RECEIVER, LINK = 7, PACKETS = 6 /* INIT, RETRY, INIT, ACCEPT, CONFIRM, CONFIRM */ };
#define NEVER_DAMAGED UINT32_MAX
#define PATIENCE      (20 * SKT_SEC)

static const char secret[] = "abcdefgh";
static const struct skt_addr at[2] = { { .family = SKT_IP4, .port = 4000, .ip = { 10, 0, 0, 1 } },
    { .family = SKT_IP4, .port = 9000, .ip = { 10, 0, 0, 2 } } };

/* Two engines and a path of 10 ms between them, without a queue: what is sent has arrived. */
static struct {
    struct skt_xfer *end[2];
    skt_time now, until;
    uint32_t n, rejects; /* handshake packets so far; REJECTs in the sender's version */
    size_t len[64];      /* of the first of them, without padding */
    uint32_t victim, bit;
    bool open[2], spent, closed;
    int why; /* of the sender's end */
} w;

static void begin(enum skt_xfer_mode of_sender, enum skt_xfer_mode of_receiver)
{
    struct skt_xfer_conf conf = { .crypt = &toycrypt, .secret = skt_span_str(secret) };

    memset(&w, 0, sizeof w);
    w.now = 1000 * SKT_SEC;
    w.until = w.now + PATIENCE;
    w.victim = NEVER_DAMAGED;
    for (int who = SENDER; who <= RECEIVER; who++) {
        conf.send = who == SENDER;
        conf.pair = (who == SENDER ? of_sender : of_receiver) == SKT_XFER_PAIR;
        conf.chance[0] = (uint8_t)(who + 1);
        assert_int_equal(skt_xfer_new(&conf, &w.end[who]), 0);
        skt_xfer_link(w.end[who], LINK, who == SENDER ? &at[RECEIVER] : NULL);
    }
}

static void end(void)
{
    skt_xfer_free(w.end[SENDER]);
    skt_xfer_free(w.end[RECEIVER]);
}

/* Bytes of a datagram that anybody looks at. */
static size_t significant(struct skt_span datagram)
{
    return *datagram.p == SKT_XFER_INIT ? 70 + (size_t)datagram.p[65] : skt_len(datagram);
}

static void carry(int to, uint8_t *datagram, size_t n)
{
    struct skt_engine e = skt_xfer_engine(w.end[to]);
    struct skt_in in = { .link = LINK, .kind = SKT_DATA, .peer = &at[!to] };
    uint8_t *copy = malloc(n); /* a sanitizer sees what is read beyond */

    assert_non_null(copy);
    memcpy(copy, datagram, n);
    in.data = skt_span_of(copy, n);
    if (*copy != SKT_XFER_SEALED) {
        w.rejects += *copy == SKT_XFER_REJECT && !copy[2] && copy[3] == SKT_XFER_VERSION;
        if (w.n < sizeof w.len / sizeof *w.len)
            w.len[w.n] = significant(in.data);
        if (w.n++ == w.victim)
            copy[w.bit / 8] ^= (uint8_t)(1U << w.bit % 8);
    }
    e.ops->recv(e.self, w.now, &in);
    free(copy);
}

static void hear_events(int who)
{
    struct skt_xfer_event ev;

    while (skt_xfer_next(w.end[who], &ev)) {
        w.open[who] |= ev.kind == SKT_XFER_OPEN_SESSION;
        w.spent |= ev.kind == SKT_XFER_SECRET_SPENT;
        if (ev.kind == SKT_XFER_CLOSED_SESSION && who == SENDER) {
            w.closed = true;
            w.why = ev.why;
        }
        if (ev.kind == SKT_XFER_WALK) /* there is nothing to send */
            skt_xfer_answer(w.end[who], ev.job, 1);
    }
}

static bool speaks(int who)
{
    static uint8_t room[64 * 1024];
    struct skt_engine e = skt_xfer_engine(w.end[who]);
    struct skt_out out = { .data = skt_room_of(room, sizeof room) };
    size_t len, n;

    if (!e.ops->send(e.self, w.now, &out))
        return false;
    w.now += 10 * SKT_MS;
    len = (size_t)(out.data.p - room);
    for (size_t i = 0; i < len; i += n) {
        n = out.seg && out.seg < len - i ? out.seg : len - i;
        carry(!who, room + i, n);
    }
    hear_events(!who);
    return true;
}

static skt_time wakes(int who)
{
    struct skt_engine e = skt_xfer_engine(w.end[who]);

    return e.ops->wake(e.self);
}

/* Until both are open, the sender has given up, or it is late. Gives the time that it took. */
static skt_time run(void)
{
    skt_time from = w.now;

    while (!(w.open[SENDER] && w.open[RECEIVER]) && !w.closed && w.now < w.until) {
        if (!speaks(SENDER) && !speaks(RECEIVER)) {
            skt_time a = wakes(SENDER), b = wakes(RECEIVER), next = a < b ? a : b;
            w.now = next > w.now ? next : w.now + SKT_MS;
        }
        hear_events(SENDER);
        hear_events(RECEIVER);
    }
    return w.now - from;
}

static void no_bit_keeps_the_ends_apart(enum skt_xfer_mode mode)
{
    size_t len[PACKETS], tried = 0;

    begin(mode, mode);
    run();
    assert_true(w.open[SENDER] && w.open[RECEIVER]);
    assert_int_equal(w.n, PACKETS);
    memcpy(len, w.len, sizeof len);
    end();
    for (uint32_t victim = 0; victim < PACKETS; victim++)
        for (uint32_t bit = 0; bit < 8 * len[victim]; bit++, tried++) {
            skt_time took;

            begin(mode, mode);
            w.victim = victim;
            w.bit = bit;
            took = run();
            if (!w.open[SENDER] || !w.open[RECEIVER] || w.spent || w.rejects || w.closed || took > 2 * SKT_SEC)
                fail_msg("packet %u, bit %u of byte %u: open %d %d, spent %d, refused %u, why %d, %lld ms", victim,
                    bit % 8, bit / 8, w.open[SENDER], w.open[RECEIVER], w.spent, w.rejects, w.why,
                    (long long)(took / SKT_MS));
            end();
        }
    assert_int_equal(tried, 8 * (70 + 41 + 94 + 56 + 52 + 52));
}

static void a_damaged_bit_spends_no_pair_code(void **state) { no_bit_keeps_the_ends_apart(SKT_XFER_PAIR); }
static void a_damaged_bit_is_no_wrong_key_file(void **state) { no_bit_keeps_the_ends_apart(SKT_XFER_KEY); }

/* REJECT has no check. A damaged one is ignored, and the next repetition brings another: who is refused stays so, for the
 * same reason; and who is put off gets in when there is a place. */
static void a_damaged_refusal_is_said_again(uint32_t victim, enum skt_xfer_mode of_receiver, const char *guess, int why)
{
    for (uint32_t bit = 0; bit < 8 * 33; bit++) {
        begin(SKT_XFER_PAIR, of_receiver);
        if (guess)
            assert_int_equal(skt_xfer_secret(w.end[RECEIVER], skt_span_str(guess)), 0);
        w.victim = victim;
        w.bit = bit;
        run();
        assert_true(w.closed && !w.open[SENDER] && !w.open[RECEIVER]);
        assert_int_equal(w.why, why);
        end();
    }
}

static void a_damaged_refusal_stays_the_same_one(void **state)
{
    a_damaged_refusal_is_said_again(1, SKT_XFER_KEY, NULL, -EPROTOTYPE);         /* in RETRY's place */
    a_damaged_refusal_is_said_again(5, SKT_XFER_PAIR, "another", -EKEYREJECTED); /* in that of the receiver's CONFIRM */
}

static void who_is_put_off_by_a_damaged_refusal_gets_in(void **state)
{
    for (uint32_t bit = 0; bit < 8 * 33; bit++) {
        begin(SKT_XFER_PAIR, SKT_XFER_PAIR);
        assert_int_equal(skt_xfer_secret(w.end[RECEIVER], skt_span_of(NULL, 0)), 0); /* no code at the moment */
        w.victim = 3;                                                                /* in ACCEPT's place */
        w.bit = bit;
        w.until = w.now + 3 * SKT_SEC;
        run();
        assert_true(w.rejects >= 2 && !w.closed);
        assert_int_equal(skt_xfer_secret(w.end[RECEIVER], skt_span_str(secret)), 0);
        w.until = w.now + PATIENCE;
        run();
        assert_true(w.open[SENDER] && w.open[RECEIVER]);
        end();
    }
}

RUN(T(a_damaged_bit_spends_no_pair_code), T(a_damaged_bit_is_no_wrong_key_file),
    T(a_damaged_refusal_stays_the_same_one), T(who_is_put_off_by_a_damaged_refusal_gets_in))
