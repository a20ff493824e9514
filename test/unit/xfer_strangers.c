/* engine/xfer/session.c: who gets a place at a receiver with a key file, of those who have proven nothing yet. */
#include "test.h"

#include "toycrypt.h"
#include "xferverb.h"

#include "wire/xfer.h"

#include <string.h>

enum { LINK = 7 };

static struct verb verb;
static struct verb_tree tree;
static skt_time now;

static void begin(void)
{
    const struct skt_xfer_conf conf = { .crypt = &toycrypt, .secret = skt_span_str("secret") };

    now = 1000 * SKT_SEC;
    verb_tree_init(&tree);
    verb_init(&verb, &tree, false, 1);
    assert_int_equal(skt_xfer_new(&conf, &verb.x), 0);
    skt_xfer_link(verb.x, LINK, NULL);
}

static void end(void)
{
    verb_done(&verb);
    verb_tree_done(&tree);
}

/* The last answer to one datagram from there: its type, 0 for none. */
static uint8_t asks_once(const struct skt_addr *from, const struct skt_xfer_packet *init, struct skt_xfer_packet *ret)
{
    static uint8_t bytes[SKT_XFER_MIN], answer[SKT_XFER_MIN];
    struct skt_engine e = skt_xfer_engine(verb.x);
    struct skt_room room = skt_room_of(bytes, sizeof bytes);
    struct skt_in in = { .link = LINK, .kind = SKT_DATA, .peer = from };
    struct skt_out out = { .data = skt_room_of(answer, sizeof answer) };

    *ret = (struct skt_xfer_packet){ 0 };
    skt_xfer_put(&room, init);
    in.data = skt_span_of(bytes, (size_t)(room.p - bytes));
    e.ops->recv(e.self, now, &in);
    while (e.ops->send(e.self, now, &out)) {
        assert_memory_equal(&out.peer, from, sizeof *from);
        assert_true(skt_xfer_get(skt_span_of(answer, (size_t)(out.data.p - answer)), ret));
        out = (struct skt_out){ .data = skt_room_of(answer, sizeof answer) };
    }
    return ret->type;
}

/* A handshake as far as the receiver's answer to a good cookie. */
static uint8_t asks(const struct skt_addr *from, uint32_t conn, const uint8_t *share)
{
    uint8_t session[16] = { 1 };
    struct skt_xfer_packet answer, init = { .type = SKT_XFER_INIT,
        .version = SKT_XFER_VERSION,
        .conn = conn,
        .mode = SKT_XFER_KEY,
        .session = session,
        .share = share };

    assert_int_equal(asks_once(from, &init, &answer), SKT_XFER_RETRY);
    init.cookie = answer.cookie;
    return asks_once(from, &init, &answer);
}

/* Time passes, and nothing comes. */
static void wait_for(skt_time span)
{
    static uint8_t bytes[SKT_XFER_MIN];
    struct skt_engine e = skt_xfer_engine(verb.x);
    struct skt_out out;

    for (skt_time until = now + span; now < until; now += 100 * SKT_MS) {
        out = (struct skt_out){ .data = skt_room_of(bytes, sizeof bytes) };
        while (e.ops->send(e.self, now, &out))
            out = (struct skt_out){ .data = skt_room_of(bytes, sizeof bytes) };
        (void)verb_turn(&verb);
    }
}

static struct skt_addr host(uint8_t family, uint8_t net, uint8_t last, uint16_t port)
{
    return (struct skt_addr){ .family = family, .port = port, .ip = { 10, 0, 0, net, [15] = last } };
}

static void one_address_cannot_keep_others_out(void **state)
{
    const uint8_t share[SKT_POINT] = { 0, 0, 0, 0, 0, 0, 0, 2 };

    for (int six = 0; six < 2; six++) {
        uint8_t family = six ? SKT_IP6 : SKT_IP4;
        struct skt_addr from;

        begin();
        for (uint32_t i = 0; i < 32; i++) { /* of IPv6 he has many addresses; the first 48 bits are the same */
            from = host(family, six ? 0 : 1, six ? (uint8_t)i : 0, (uint16_t)(1000 + i));
            assert_int_equal(asks(&from, i, share), i < 8 ? SKT_XFER_ACCEPT : SKT_XFER_REJECT);
        }
        for (uint32_t i = 0; i < 8; i++) { /* a second one takes the rest */
            from = host(family, 2, 0, (uint16_t)(1000 + i));
            from.ip[4] = 2;
            assert_int_equal(asks(&from, 100 + i, share), SKT_XFER_ACCEPT);
        }
        for (uint8_t i = 0; i < 14; i++) { /* and there is room for others, as long as somebody has more than one */
            from = host(family, 3, 0, 1000);
            from.ip[4] = from.ip[3] = (uint8_t)(3 + i);
            assert_int_equal(asks(&from, 200 + i, share), SKT_XFER_ACCEPT);
        }
        from = host(family, 100, 0, 1000);
        from.ip[4] = 100;
        assert_int_equal(asks(&from, 300, share), SKT_XFER_REJECT);
        wait_for(11 * SKT_SEC); /* nobody has proven anything */
        assert_int_equal(asks(&from, 300, share), SKT_XFER_ACCEPT);
        end();
    }
}

static void a_share_that_is_none_costs_nobody_his_place(void **state)
{
    const uint8_t share[SKT_POINT] = { 0, 0, 0, 0, 0, 0, 0, 2 }, none[SKT_POINT] = { 0xff };
    struct skt_addr from = host(SKT_IP4, 1, 0, 1000);

    begin();
    for (uint32_t i = 0; i < 32; i++)
        assert_int_equal(asks(&from, i, none), 0); /* ignored, section 2 */
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(asks(&from, i, share), SKT_XFER_ACCEPT);
    end();
}

RUN(T(one_address_cannot_keep_others_out), T(a_share_that_is_none_costs_nobody_his_place))
