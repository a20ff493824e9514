/* engine/xfer/shake.c: the handshake, without a network. */
#include "test.h"

#include "engine/xfer/shake.h"
#include "toycrypt.h"

enum { SENDER, RECEIVER };

struct meeting {
    struct skt_shake end[2];
    uint8_t wire[SKT_XFER_MIN];
    struct skt_xfer_packet packet;
};

static void put(struct meeting *m, int who, skt_time now)
{
    struct skt_room room = skt_room_of(m->wire, sizeof m->wire);

    skt_shake_put(&m->end[who], now, &room);
    assert_false(room.bad);
    assert_true(skt_xfer_get(skt_span_of(m->wire, (size_t)(room.p - m->wire)), &m->packet));
}

static struct skt_shake_conf conf_of(int who, const char *secret, const uint8_t *chance)
{
    return (struct skt_shake_conf){ .crypt = &toycrypt,
        .sender = who == SENDER,
        .mode = SKT_XFER_PAIR,
        .secret = skt_span_str(secret),
        .chance = chance,
        .ours = who == SENDER ? 111 : 222 };
}

/* Up to the receiver's ACCEPT, which is in m->packet. */
static void begin(struct meeting *m, const char *sender, const char *receiver)
{
    const uint8_t chance[2][SKT_CHANCE] = { { 1, 2, 3, 4, 5, 6, 7, 8 }, { 8, 7, 6, 5, 4, 3, 2, 1 } };
    struct skt_shake_conf conf = conf_of(SENDER, sender, chance[SENDER]);

    assert_int_equal(skt_shake_init(&m->end[SENDER], &conf, 0), 0);
    put(m, SENDER, 0);
    assert_int_equal(m->packet.type, SKT_XFER_INIT);
    conf = conf_of(RECEIVER, receiver, chance[RECEIVER]);
    conf.init = &m->packet;
    assert_int_equal(skt_shake_init(&m->end[RECEIVER], &conf, 20), 0);
    assert_true(skt_shake_same(&m->end[RECEIVER], &m->packet));
    put(m, RECEIVER, 20);
    assert_int_equal(m->packet.type, SKT_XFER_ACCEPT);
    assert_int_equal(m->packet.conn, 111);
}

static void who_knows_the_secret_is_let_in(void **state)
{
    struct meeting m;

    begin(&m, "same", "same");
    assert_true(skt_shake_recv(&m.end[SENDER], 40, &m.packet));
    assert_int_equal(m.end[SENDER].state, SKT_SHAKE_CONFIRMS);
    assert_int_equal(m.end[SENDER].rtt, 40);
    put(&m, SENDER, 40);
    assert_int_equal(m.packet.conn, 222);
    assert_true(skt_shake_recv(&m.end[RECEIVER], 60, &m.packet));
    assert_int_equal(m.end[RECEIVER].state, SKT_SHAKE_DONE);
    assert_int_equal(m.end[RECEIVER].rtt, 40);
    put(&m, RECEIVER, 60);
    assert_true(skt_shake_recv(&m.end[SENDER], 80, &m.packet));
    assert_int_equal(m.end[SENDER].state, SKT_SHAKE_DONE);
    assert_memory_equal(m.end[SENDER].prk, m.end[RECEIVER].prk, SKT_SHA256);
    assert_true(m.end[SENDER].due == SKT_NEVER && m.end[RECEIVER].due == SKT_NEVER);
}

static void who_does_not_is_refused_once_for_each_try(void **state)
{
    struct skt_xfer_packet confirm;
    uint8_t copy[SKT_XFER_MIN];
    struct meeting m;

    begin(&m, "guess", "same");
    assert_true(skt_shake_recv(&m.end[SENDER], 40, &m.packet));
    put(&m, SENDER, 40);
    memcpy(copy, m.wire, sizeof copy);
    assert_true(skt_xfer_get(skt_span_of(copy, 52), &confirm));
    assert_true(skt_shake_recv(&m.end[RECEIVER], 60, &confirm));
    assert_int_equal(m.end[RECEIVER].state, SKT_SHAKE_FAILED);
    assert_int_equal(m.end[RECEIVER].due, 60);
    put(&m, RECEIVER, 60);
    assert_int_equal(m.packet.type, SKT_XFER_REJECT);
    assert_int_equal(m.packet.code, SKT_XFER_WRONG);
    assert_true(m.end[RECEIVER].due == SKT_NEVER);
    assert_false(
        skt_shake_recv(&m.end[RECEIVER], 70, &confirm)); /* the REJECT was lost: the same guess, no second one */
    assert_int_equal(m.end[RECEIVER].due, 70);
    assert_true(skt_shake_recv(&m.end[SENDER], 80, &m.packet));
    assert_int_equal(m.end[SENDER].why, -EKEYREJECTED);
}

static void a_reject_of_another_session_is_ignored(void **state)
{
    uint8_t session[16] = { 99 };
    struct meeting m;

    begin(&m, "same", "same");
    m.packet = (struct skt_xfer_packet){
        .type = SKT_XFER_REJECT, .version = SKT_XFER_VERSION, .code = SKT_XFER_LOCKED, .session = session
    };
    assert_false(skt_shake_recv(&m.end[SENDER], 30, &m.packet));
    m.packet.session = m.end[SENDER].session;
    assert_true(skt_shake_recv(&m.end[SENDER], 30, &m.packet));
    assert_int_equal(m.end[SENDER].why, -EKEYREVOKED);
}

/* It rests longer each time; late copies of an answer count once, and a RETRY is no reason to come sooner. */
static void who_is_put_off_asks_again_with_growing_pauses(void **state)
{
    const skt_time rests[] = { 500, 1000, 2000, 4000, 4000 }; /* ms */
    uint8_t cookie[24] = { 7 };
    struct skt_xfer_packet busy = { .type = SKT_XFER_REJECT, .version = SKT_XFER_VERSION, .code = SKT_XFER_BUSY };
    struct skt_xfer_packet retry = {
        .type = SKT_XFER_RETRY, .version = SKT_XFER_VERSION, .conn = 111, .cookie = skt_span_of(cookie, sizeof cookie)
    };
    struct meeting m;
    struct skt_shake *s = &m.end[SENDER];
    skt_time now = 40;

    begin(&m, "same", "same");
    busy.session = s->session;
    assert_false(skt_shake_is_put_off(s));
    for (size_t i = 0; i < sizeof rests / sizeof *rests; i++) {
        assert_false(skt_shake_recv(s, now, &busy));
        assert_true(skt_shake_is_put_off(s));
        assert_false(skt_shake_recv(s, now + 5, &busy));
        assert_false(skt_shake_recv(s, now + 6, &retry));
        assert_int_equal(s->state, SKT_SHAKE_ASKS);
        assert_int_equal(s->due, now + rests[i] * SKT_MS);
        now = s->due;
        put(&m, SENDER, now);
        assert_int_equal(m.packet.type, SKT_XFER_INIT);
        now += 40;
    }
    /* Nothing comes any more: then that is what it is, and not the word of long ago. */
    for (int i = 0; i < 2; i++)
        put(&m, SENDER, s->due);
    assert_false(skt_shake_is_put_off(s));
    /* Let in at last. */
    begin(&m, "same", "same");
    busy.session = s->session;
    retry = m.packet;
    assert_false(skt_shake_recv(s, 30, &busy));
    assert_true(skt_shake_recv(s, 40, &retry));
    assert_int_equal(s->state, SKT_SHAKE_CONFIRMS);
    assert_int_equal(s->due, 40);
    assert_false(skt_shake_is_put_off(s));
    assert_false(skt_shake_recv(s, 50, &busy)); /* a late copy: there is no resting with keys in hand */
    assert_int_equal(s->state, SKT_SHAKE_CONFIRMS);
    assert_int_equal(s->due, 40);
}

/* Any other was damaged, or answers an INIT of whose version a bit was changed. */
static void a_reject_is_believed_where_a_receiver_says_it(void **state)
{
    static const uint8_t others[] = { 0, 2, 1, 0 }, ours[] = { 0, 2, 0, 1 };
    const struct {
        uint8_t code;
        struct skt_span versions;
        int asks, confirms; /* why it fails then; 0: it goes on */
    } cases[] = {
        { SKT_XFER_WRONG, skt_span_str(""), 0, -EKEYREJECTED },
        { SKT_XFER_MODE, skt_span_str(""), -EPROTOTYPE, 0 },
        { SKT_XFER_VERSIONS, skt_span_of(others, sizeof others), -EPROTONOSUPPORT, 0 },
        { SKT_XFER_VERSIONS, skt_span_of(ours, sizeof ours), 0, 0 },
        { SKT_XFER_LOCKED, skt_span_str(""), -EKEYREVOKED, 0 },
    };

    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct meeting m;
        struct skt_xfer_packet reject = { .type = SKT_XFER_REJECT,
            .version = SKT_XFER_VERSION,
            .code = cases[i / 2].code,
            .session = m.end[SENDER].session,
            .versions = cases[i / 2].versions };
        int why = i % 2 ? cases[i / 2].confirms : cases[i / 2].asks;

        begin(&m, "same", "same");
        if (i % 2)
            assert_true(skt_shake_recv(&m.end[SENDER], 40, &m.packet));
        assert_int_equal(skt_shake_recv(&m.end[SENDER], 50, &reject), why != 0);
        assert_int_equal(m.end[SENDER].why, why);
    }
}

static void init_is_repeated_and_its_pauses_grow_to_two_seconds(void **state)
{
    const skt_time gaps[] = { 500, 1000, 2000, 2000, 2000 }; /* ms */
    struct meeting m;
    skt_time now = 0;

    begin(&m, "same", "same");
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        assert_int_equal(m.end[SENDER].due, now + gaps[i] * SKT_MS);
        now = m.end[SENDER].due;
        put(&m, SENDER, now);
    }
}

static void one_retry_is_obeyed_for_each_init_in_turn(void **state)
{
    uint8_t cookie[24] = { 7 };
    struct skt_xfer_packet retry = {
        .type = SKT_XFER_RETRY, .version = SKT_XFER_VERSION, .conn = 111, .cookie = skt_span_of(cookie, sizeof cookie)
    };
    struct meeting m;
    skt_time turn;

    begin(&m, "same", "same");
    turn = m.end[SENDER].due;
    assert_false(skt_shake_recv(&m.end[SENDER], 10, &retry));
    assert_int_equal(m.end[SENDER].due, 10);
    put(&m, SENDER, 10);
    assert_true(skt_span_eq(m.packet.cookie, retry.cookie));
    assert_int_equal(m.end[SENDER].due, 10 + 50 * SKT_MS); /* the path is short, as the RETRY has shown */
    turn = m.end[SENDER].due;
    cookie[0] = 8;
    assert_false(skt_shake_recv(&m.end[SENDER], 30, &retry)); /* again: kept, but not at once */
    assert_int_equal(m.end[SENDER].due, turn);
    put(&m, SENDER, turn);
    assert_int_equal(m.packet.cookie.p[0], 8);
    assert_false(skt_shake_recv(&m.end[SENDER], turn + 5, &retry));
    assert_int_equal(m.end[SENDER].due, turn + 5);
}

static void a_repeated_init_brings_the_same_accept(void **state)
{
    struct skt_xfer_packet init;
    uint8_t accept[56], copy[SKT_XFER_MIN];
    struct meeting m;

    begin(&m, "same", "same");
    memcpy(accept, m.wire, sizeof accept);
    assert_true(m.end[RECEIVER].due == SKT_NEVER);
    put(&m, SENDER, SKT_SEC);
    memcpy(copy, m.wire, sizeof copy);
    assert_true(skt_xfer_get(skt_span_of(copy, sizeof copy), &init));
    assert_false(skt_shake_recv(&m.end[RECEIVER], SKT_SEC, &init));
    assert_int_equal(m.end[RECEIVER].due, SKT_SEC);
    put(&m, RECEIVER, SKT_SEC);
    assert_memory_equal(m.wire, accept, sizeof accept);
    copy[30]++; /* another session */
    assert_false(skt_shake_same(&m.end[RECEIVER], &init));
}

static void a_share_that_is_no_point_is_refused(void **state)
{
    const uint8_t chance[SKT_CHANCE] = { 1 };
    struct skt_shake_conf conf = conf_of(RECEIVER, "same", chance);
    uint8_t zero[SKT_POINT] = { 0 };
    struct skt_shake end;
    struct meeting m;

    begin(&m, "same", "same");
    m.packet.share = zero;
    assert_false(skt_shake_recv(&m.end[SENDER], 40, &m.packet));
    assert_int_equal(m.end[SENDER].state, SKT_SHAKE_ASKS);
    m.packet = (struct skt_xfer_packet){ .type = SKT_XFER_INIT, .session = zero, .share = zero };
    conf.init = &m.packet;
    assert_int_equal(skt_shake_init(&end, &conf, 0), -EINVAL);
}

RUN(T(a_reject_is_believed_where_a_receiver_says_it), T(who_knows_the_secret_is_let_in),
    T(who_does_not_is_refused_once_for_each_try), T(a_reject_of_another_session_is_ignored),
    T(who_is_put_off_asks_again_with_growing_pauses), T(init_is_repeated_and_its_pauses_grow_to_two_seconds),
    T(one_retry_is_obeyed_for_each_init_in_turn), T(a_repeated_init_brings_the_same_accept),
    T(a_share_that_is_no_point_is_refused))
