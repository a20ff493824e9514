/* engine/xfer/conn.c when there is no memory: each allocation of a conversation fails in turn, alone or with all that follow.
 * Nothing breaks or leaks; either all arrives all the same, or the end is told at both sides. */
#include "test.h"

#include "engine/xfer/conninside.h"
#include "no_memory.h"
#include "toycrypt.h"
#include "xferpair.h"

enum { BYTES = 300000, MESSAGES = 400 };

struct talk {
    struct xferpair p;
    bool closed[2];
    int refused; /* of xferpair_open */
    uint32_t said, heard;
    uint64_t next, got, acked, lost;
    uint64_t sent; /* datagrams; each eleventh is lost */
    uint8_t room[64 * 1024];
};

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

    while (t->p.conn[who] && skt_conn_next(t->p.conn[who], t->p.now, &e))
        on_event(t, who, &e);
}

static void deliver(struct talk *t, int who, struct skt_span datagram)
{
    uint8_t answer[256];
    struct skt_room room = skt_room_of(answer, sizeof answer);
    struct skt_xfer_packet packet;

    if (++t->sent % 11 == 0 || !skt_xfer_get(datagram, &packet))
        return;
    if (!xferpair_passes(&t->p, who, datagram, &packet, &room)) {
        if (room.p > answer)
            deliver(t, SENDER, skt_span_of(answer, (size_t)(room.p - answer)));
        return;
    }
    skt_conn_recv(t->p.conn[who], t->p.now, datagram, &packet, &t->p.at[!who], NULL);
    events(t, who);
}

static void send_all(struct talk *t, int who)
{
    static const uint8_t zeros[4096];
    struct skt_conn *conn = t->p.conn[who];
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
        if (!skt_conn_train(conn, t->p.now, skt_room_of(t->room, sizeof t->room), blocks))
            return;
        while (who == SENDER && t->next < BYTES + t->lost && (room = skt_conn_block_room(conn)) > 0) {
            n = room < 700 ? room : 700;
            skt_conn_block(conn, (struct skt_conn_piece){ .len = (uint32_t)n }, 0, t->next, skt_span_of(zeros, n));
            t->next += n;
        }
        len = skt_conn_sealed(conn, t->p.now, &seg, &to);
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
        if (t->p.conn[i] && !skt_conn_over(t->p.conn[i], t->p.now))
            return false;
    return true;
}

/* True: all arrived. */
static bool a_conversation(void)
{
    static struct talk t;
    bool well;

    memset(&t, 0, sizeof t);
    xferpair_init(&t.p, &toycrypt, 1472);
    t.refused = xferpair_open(&t.p, SENDER, NULL);
    for (int turns = 0; t.p.conn[SENDER] && !over(&t) && turns < 100000; turns++) {
        skt_time wake = SKT_NEVER;

        for (int i = 0; i < 2; i++)
            if (t.p.conn[i])
                send_all(&t, i);
        for (int i = 0; i < 2; i++)
            if (t.p.conn[i] && skt_conn_wake(t.p.conn[i]) < wake)
                wake = skt_conn_wake(t.p.conn[i]);
        assert_true(wake > t.p.now);
        if (wake != SKT_NEVER)
            t.p.now = wake;
        if (t.got >= BYTES && t.heard == MESSAGES && t.p.conn[SENDER])
            skt_conn_close(t.p.conn[SENDER], t.p.now, SKT_XFER_DONE_WELL, "");
    }
    well = t.got >= BYTES && t.heard == MESSAGES;
    if (t.p.conn[SENDER]) {
        events(&t, SENDER);
        assert_true(t.closed[SENDER]);
    } else {
        assert_int_equal(t.refused, -ENOMEM);
    }
    xferpair_done(&t.p);
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
