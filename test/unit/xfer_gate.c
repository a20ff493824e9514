/* engine/xfer/gate.c: what a receiver says to strangers. */
#include "test.h"

#include "engine/xfer/gate.h"
#include "toycrypt.h"

enum { COOKIE_AT = 66 }; /* 16 in clear, mode, session, share, length */

static const struct skt_addr home = { .family = SKT_IP4, .port = 4000, .ip = { 10, 0, 0, 1 } };
static const skt_time now = 5000 * SKT_SEC;

struct asking {
    struct skt_gate gate;
    uint8_t init[SKT_XFER_MIN], answer[256], share[SKT_POINT], session[16];
    struct skt_xfer_packet packet, told;
};

static void put_init(struct asking *a, struct skt_span cookie)
{
    struct skt_room room = skt_room_of(a->init, sizeof a->init);
    struct skt_xfer_packet p = { .type = SKT_XFER_INIT,
        .version = SKT_XFER_VERSION,
        .conn = 77,
        .mode = SKT_XFER_PAIR,
        .session = a->session,
        .share = a->share,
        .cookie = cookie };

    skt_xfer_put(&room, &p);
    assert_true(skt_xfer_get(skt_span_of(a->init, sizeof a->init), &a->packet));
}

static void begin(struct asking *a)
{
    const uint8_t chance[SKT_GATE_CHANCE] = { 9, 8, 7 };

    memset(a, 0, sizeof *a);
    skt_gate_init(&a->gate, &toycrypt, SKT_XFER_PAIR, chance);
    memset(a->share, 5, sizeof a->share);
    memset(a->session, 6, sizeof a->session);
    put_init(a, skt_span_of(NULL, 0));
}

static enum skt_gate_says look(struct asking *a, skt_time at, const struct skt_addr *from)
{
    struct skt_room room = skt_room_of(a->answer, sizeof a->answer);
    struct skt_span datagram = skt_span_of(a->init, sizeof a->init);
    enum skt_gate_says says = SKT_GATE_IGNORE;

    if (skt_xfer_get(datagram, &a->packet))
        says = skt_gate_look(&a->gate, at, datagram, &a->packet, from, &room);
    assert_false(room.bad);
    assert_true((says == SKT_GATE_ANSWER) == (room.p > a->answer));
    if (says == SKT_GATE_ANSWER) {
        assert_true(skt_xfer_get(skt_span_of(a->answer, (size_t)(room.p - a->answer)), &a->told));
        assert_true((size_t)(room.p - a->answer) < SKT_XFER_MIN / 3); /* no amplifier */
    }
    return says;
}

/* With the cookie that an INIT without one brings. */
static void prove(struct asking *a)
{
    uint8_t cookie[SKT_XFER_COOKIE_MAX];
    size_t n;

    assert_int_equal(look(a, now, &home), SKT_GATE_ANSWER);
    assert_int_equal(a->told.type, SKT_XFER_RETRY);
    assert_int_equal(a->told.conn, 77);
    n = skt_len(a->told.cookie);
    memcpy(cookie, a->told.cookie.p, n);
    put_init(a, skt_span_of(cookie, n));
}

static void a_stranger_gets_a_cookie_and_passes_with_it(void **state)
{
    struct asking a;

    begin(&a);
    prove(&a);
    assert_int_equal(look(&a, now, &home), SKT_GATE_PASS);
    assert_int_equal(look(&a, now + 10 * SKT_SEC, &home), SKT_GATE_PASS); /* again, too */
}

static void a_cookie_is_good_for_ten_seconds(void **state)
{
    struct asking a;

    begin(&a);
    prove(&a);
    assert_int_equal(look(&a, now + 11 * SKT_SEC, &home), SKT_GATE_ANSWER);
    assert_int_equal(a.told.type, SKT_XFER_RETRY);
    assert_int_equal(look(&a, now - SKT_SEC, &home), SKT_GATE_ANSWER); /* not from the future */
}

static void a_cookie_is_good_for_one_address(void **state)
{
    struct skt_addr other = home;
    struct asking a;

    begin(&a);
    prove(&a);
    other.port++;
    assert_int_equal(look(&a, now, &other), SKT_GATE_ANSWER);
    other = home;
    other.ip[3]++;
    assert_int_equal(look(&a, now, &other), SKT_GATE_ANSWER);
    other = home;
    other.family = SKT_IP6;
    assert_int_equal(look(&a, now, &other), SKT_GATE_ANSWER);
}

static void no_bit_of_what_a_cookie_covers_may_change(void **state)
{
    struct asking a;
    uint32_t covered = 0;

    begin(&a);
    prove(&a);
    for (size_t bit = 32; bit < 8 * (COOKIE_AT + 24); bit++) { /* the number of the conversation, and all after it */
        if (64 <= bit && bit < 128)
            continue; /* epoch's and number's place: not zero is no INIT */
        a.init[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_not_equal(look(&a, now, &home), SKT_GATE_PASS);
        a.init[bit / 8] ^= (uint8_t)(1U << bit % 8);
        covered++;
    }
    assert_int_equal(covered, 8 * (COOKIE_AT + 24) - 32 - 64);
    assert_int_equal(look(&a, now, &home), SKT_GATE_PASS);
}

static void another_receiver_has_other_cookies(void **state)
{
    const uint8_t chance[SKT_GATE_CHANCE] = { 1 };
    struct asking a;

    begin(&a);
    prove(&a);
    skt_gate_init(&a.gate, &toycrypt, SKT_XFER_PAIR, chance);
    assert_int_equal(look(&a, now, &home), SKT_GATE_ANSWER);
}

static void the_other_mode_is_refused(void **state)
{
    const uint8_t chance[SKT_GATE_CHANCE] = { 1 };
    struct asking a;

    begin(&a);
    skt_gate_init(&a.gate, &toycrypt, SKT_XFER_KEY, chance);
    assert_int_equal(look(&a, now, &home), SKT_GATE_ANSWER);
    assert_int_equal(a.told.type, SKT_XFER_REJECT);
    assert_int_equal(a.told.code, SKT_XFER_MODE);
    assert_memory_equal(a.told.session, a.session, sizeof a.session);
}

static void another_version_is_told_ours(void **state)
{
    struct asking a;

    begin(&a);
    a.init[3] = 2;
    assert_int_equal(look(&a, now, &home), SKT_GATE_ANSWER);
    assert_int_equal(a.told.type, SKT_XFER_REJECT);
    assert_int_equal(a.told.version, 2); /* in the words of who asked */
    assert_int_equal(a.answer[16], SKT_XFER_VERSIONS);
    assert_memory_equal(a.answer + 17, a.session, sizeof a.session);
    assert_memory_equal(a.answer + 33, "\0\1", 2);
}

static void what_is_short_or_no_init_is_ignored(void **state)
{
    struct skt_room room;
    struct asking a;

    begin(&a);
    room = skt_room_of(a.answer, sizeof a.answer);
    assert_int_equal(
        skt_gate_look(&a.gate, now, skt_span_of(a.init, SKT_XFER_MIN - 1), &a.packet, &home, &room), SKT_GATE_IGNORE);
    a.packet.type = SKT_XFER_SEALED;
    assert_int_equal(
        skt_gate_look(&a.gate, now, skt_span_of(a.init, sizeof a.init), &a.packet, &home, &room), SKT_GATE_IGNORE);
    assert_ptr_equal(room.p, a.answer);
}

RUN(T(a_stranger_gets_a_cookie_and_passes_with_it), T(a_cookie_is_good_for_ten_seconds),
    T(a_cookie_is_good_for_one_address), T(no_bit_of_what_a_cookie_covers_may_change),
    T(another_receiver_has_other_cookies), T(the_other_mode_is_refused), T(another_version_is_told_ours),
    T(what_is_short_or_no_init_is_ignored))
