/* engine/xfer/conn.c when there is no memory: each allocation of a conversation fails in turn, alone or with all that follow.
 * Nothing breaks or leaks; either all arrives all the same, or the end is told at both sides. */
#include "test.h"

#include "engine/xfer/conn.h"
#include "engine/xfer/conninside.h"
#include "engine/xfer/gate.h"
#include "toycrypt.h"
#include "no_memory.h"

enum { SENDER, RECEIVER, WIRE = 64, BYTES = 300000, MESSAGES = 400 };

static const struct skt_addr at[2] = { { .family = SKT_IP4, .port = 1 }, { .family = SKT_IP4, .port = 2 } };

struct talk {
    skt_time now;
    struct skt_gate gate;
    struct skt_conn *conn[2];
    bool closed[2];
    int refused; /* of skt_conn_new */
    uint32_t said, heard;
    uint64_t next, got, acked, lost;
    uint64_t sent; /* datagrams; each eleventh is lost */
    uint8_t room[64 * 1024];
};

static void open_conn(struct talk *t, int who, const struct skt_xfer_packet *init)
{
    struct skt_conn_conf conf = { .crypt = &toycrypt,
        .sender = who == SENDER,
        .mode = SKT_XFER_KEY,
        .secret = skt_span_str("secret"),
        .chance = { (uint8_t)(who + 1), 2, 3, 4, 5, 6, 7, 8 },
        .packet_max = 1472,
        .conn = 10 + (uint32_t)who,
        .peer = at[!who],
        .init = init };

    t->refused = skt_conn_new(&conf, t->now, &t->conn[who]);
}

static void on_event(struct talk *t, int who, const struct skt_conn_event *e)
{
    assert_false(t->closed[who]);
    if (e->kind == SKT_CONN_BLOCK)
        t->got += skt_len(e->bytes);
    else if (e->kind == SKT_CONN_MESSAGE)
        t->heard++;
    else if (e->kind == SKT_CONN_ACKED)
        t->acked += e->piece.len;
    else if (e->kind == SKT_CONN_LOST)
        t->lost += e->piece.len; /* as many bytes go again; which ones does not matter here */
    else if (e->kind == SKT_CONN_CLOSED)
        t->closed[who] = true;
}

static void events(struct talk *t, int who)
{
    struct skt_conn_event e;

    while (t->conn[who] && skt_conn_next(t->conn[who], t->now, &e))
        on_event(t, who, &e);
}

static void deliver(struct talk *t, int who, struct skt_span datagram)
{
    uint8_t answer[256];
    struct skt_room room = skt_room_of(answer, sizeof answer);
    struct skt_xfer_packet packet;

    if (++t->sent % 11 == 0 || !skt_xfer_get(datagram, &packet))
        return;
    if (who == RECEIVER && packet.type == SKT_XFER_INIT) {
        enum skt_gate_says says = skt_gate_look(&t->gate, t->now, datagram, &packet, &at[SENDER], &room);

        if (says == SKT_GATE_ANSWER)
            deliver(t, SENDER, skt_span_of(answer, (size_t)(room.p - answer)));
        if (says != SKT_GATE_PASS)
            return;
        if (!t->conn[RECEIVER])
            open_conn(t, RECEIVER, &packet);
    }
    if (!t->conn[who])
        return;
    skt_conn_recv(t->conn[who], t->now, datagram, &packet, &at[!who]);
    events(t, who);
}

static void send_all(struct talk *t, int who)
{
    static const uint8_t zeros[4096];
    struct skt_conn *conn = t->conn[who];
    struct skt_xfer_message m = { .kind = SKT_XFER_NEED, .count = 1 };
    struct skt_addr to;
    uint32_t seg = 0;

    for (;;) {
        size_t len, n, room;
        bool blocks;

        events(t, who);
        while (who == RECEIVER && t->said < MESSAGES && skt_conn_say(conn, &m))
            t->said++;
        blocks = who == SENDER && t->next < BYTES + t->lost;
        if (!skt_conn_train(conn, t->now, skt_room_of(t->room, sizeof t->room), blocks))
            return;
        while (who == SENDER && t->next < BYTES + t->lost && (room = skt_conn_block_room(conn)) > 0) {
            n = room < 700 ? room : 700;
            skt_conn_block(conn, (struct skt_conn_piece){ .len = (uint32_t)n }, 0, t->next, skt_span_of(zeros, n));
            t->next += n;
        }
        len = skt_conn_sealed(conn, t->now, &seg, &to);
        if (!len)
            return;
        for (size_t i = 0; i < len; i += n) {
            n = seg && seg < len - i ? seg : len - i;
            deliver(t, !who, skt_span_of(t->room + i, n));
        }
    }
}

static bool over(const struct talk *t)
{
    for (int i = 0; i < 2; i++)
        if (t->conn[i] && !skt_conn_over(t->conn[i], t->now))
            return false;
    return true;
}

/* True: all arrived. */
static bool a_conversation(void)
{
    static struct talk t;
    const uint8_t chance[SKT_GATE_CHANCE] = { 1 };
    bool well;

    memset(&t, 0, sizeof t);
    t.now = SKT_SEC;
    skt_gate_init(&t.gate, &toycrypt, SKT_XFER_KEY, chance);
    open_conn(&t, SENDER, NULL);
    for (int turns = 0; t.conn[SENDER] && !over(&t) && turns < 100000; turns++) {
        skt_time wake = SKT_NEVER;

        for (int i = 0; i < 2; i++)
            if (t.conn[i])
                send_all(&t, i);
        for (int i = 0; i < 2; i++)
            if (t.conn[i] && skt_conn_wake(t.conn[i]) < wake)
                wake = skt_conn_wake(t.conn[i]);
        assert_true(wake > t.now);
        if (wake != SKT_NEVER)
            t.now = wake;
        if (t.got >= BYTES && t.heard == MESSAGES && t.conn[SENDER])
            skt_conn_close(t.conn[SENDER], t.now, SKT_XFER_DONE_WELL, "");
    }
    well = t.got >= BYTES && t.heard == MESSAGES;
    if (t.conn[SENDER]) {
        events(&t, SENDER);
        assert_true(t.closed[SENDER]);
    } else {
        assert_int_equal(t.refused, -ENOMEM);
    }
    for (int i = 0; i < 2; i++)
        skt_conn_free(t.conn[i]);
    return well;
}

static void each_allocation_fails_in_turn(void **state)
{
    long n, well = 0;

    one = **(bool **)state;
    for (n = 0; n < 1000; n++) {
        left = n;
        failed = false;
        well += a_conversation();
        left = -1;
        if (!failed)
            break;
    }
    assert_in_range(n, 10, 999); /* so many were there */
    assert_true(well > 0);
}

static void with_memory_it_ends_well(void **state)
{
    left = -1;
    assert_true(a_conversation());
}

int main(void)
{
    static bool alone = true, from_then_on = false;
    const struct CMUnitTest tests[] = { T(with_memory_it_ends_well),
        { "each allocation alone", each_allocation_fails_in_turn, NULL, NULL, &alone },
        { "each and all that follow", each_allocation_fails_in_turn, NULL, NULL, &from_then_on } };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
