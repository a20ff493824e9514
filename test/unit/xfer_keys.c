/* engine/xfer/connout.c: what a conversation's packets have to do with their keys. Two conversations, one beside the other. */
#include "test.h"

#include "engine/xfer/conninside.h"
#include "toycrypt.h"
#include "xferpair.h"

struct talk {
    struct xferpair p;
    struct skt_conn_event closed[2]; /* kind: CLOSED, if it is */
    uint8_t room[64 * 1024];
    uint8_t epochs[4096]; /* of the sender's sealed packets, as they were sent */
    uint32_t n;
};
static struct talk t;

static void events(int who)
{
    struct skt_conn_event e;

    while (t.p.conn[who] && skt_conn_next(t.p.conn[who], t.p.now, &e))
        if (e.kind == SKT_CONN_CLOSED)
            t.closed[who] = e;
}

static void deliver(int who, struct skt_span datagram)
{
    uint8_t answer[256];
    struct skt_room room = skt_room_of(answer, sizeof answer);
    struct skt_xfer_packet packet;

    assert_true(skt_xfer_get(datagram, &packet));
    if (who == RECEIVER && packet.type == SKT_XFER_SEALED && t.n < sizeof t.epochs)
        t.epochs[t.n++] = packet.epoch;
    if (!xferpair_passes(&t.p, who, datagram, &packet, &room)) {
        if (room.p > answer)
            deliver(SENDER, skt_span_of(answer, (size_t)(room.p - answer)));
        return;
    }
    skt_conn_recv(t.p.conn[who], t.p.now, datagram, &packet, &t.p.at[!who], NULL);
    events(who);
}

static void send_all(int who)
{
    struct skt_conn *conn = t.p.conn[who];
    struct skt_addr to;
    uint32_t seg = 0;

    for (events(who); conn && skt_conn_train(conn, t.p.now, skt_room_of(t.room, sizeof t.room), false); events(who)) {
        size_t len = skt_conn_sealed(conn, t.p.now, &seg, &to), n;
        if (!len)
            return;
        for (size_t i = 0; i < len; i += n) {
            n = seg && seg < len - i ? seg : len - i;
            deliver(!who, skt_span_of(t.room + i, n));
        }
    }
}

static void turns(int n)
{
    while (n--) {
        skt_time wake = SKT_NEVER;

        send_all(SENDER);
        send_all(RECEIVER);
        for (int i = 0; i < 2; i++)
            if (t.p.conn[i] && skt_conn_wake(t.p.conn[i]) < wake)
                wake = skt_conn_wake(t.p.conn[i]);
        if (wake == SKT_NEVER)
            return;
        t.p.now = wake;
    }
}

static void begin(void)
{
    memset(&t, 0, sizeof t);
    xferpair_init(&t.p, &toycrypt, 1200);
    assert_int_equal(xferpair_open(&t.p, SENDER, NULL), 0);
    for (int i = 0; i < 100 && !(t.p.conn[RECEIVER] && skt_conn_open(t.p.conn[RECEIVER])); i++)
        turns(1);
    turns(3);
    assert_true(skt_conn_open(t.p.conn[SENDER]));
}

static void say(void)
{
    const struct skt_xfer_message m = { .kind = SKT_XFER_END };

    assert_true(skt_conn_say(t.p.conn[SENDER], &m));
}

static void a_key_of_which_nothing_arrives_ends_it_and_both_hear_why(void **state)
{
    struct skt_seal *seal;

    begin();
    seal = &t.p.conn[SENDER]->seal;
    seal->acked = false;
    seal->packets = seal->most + SKT_SEAL_EPOCH - SKT_SEAL_LAST;
    say();
    turns(20);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(t.closed[i].kind, SKT_CONN_CLOSED);
        assert_int_equal(t.closed[i].code, SKT_XFER_BROKEN);
        assert_non_null(strstr(t.closed[i].text, "none was acknowledged"));
    }
    assert_int_equal(t.closed[SENDER].why, -EKEYEXPIRED);
    xferpair_done(&t.p);
}

static void a_capture_in_clear_has_the_epochs_of_the_wire(void **state)
{
    struct skt_plain plain = { .on = true };
    struct skt_plain_packet packet;
    uint32_t n = 0, moved = 0;

    begin();
    t.p.conn[SENDER]->plain = &plain;
    t.p.conn[SENDER]->seal.most = 1;
    t.n = 0;
    for (int i = 0; i < 20; i++) {
        say();
        turns(3);
    }
    while (skt_plain_next(&plain, &packet))
        if (packet.sent) {
            assert_true(n < t.n);
            assert_int_equal(packet.bytes.p[1], t.epochs[n]);
            moved += n && t.epochs[n] != t.epochs[n - 1];
            n++;
        }
    assert_int_equal(n, t.n);
    assert_true(moved > 3);
    xferpair_done(&t.p);
    skt_plain_done(&plain);
}

RUN(T(a_key_of_which_nothing_arrives_ends_it_and_both_hear_why), T(a_capture_in_clear_has_the_epochs_of_the_wire))
