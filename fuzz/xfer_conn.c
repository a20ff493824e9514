/* engine/xfer/conn against a peer that knows the secret and means ill: after a true handshake the input is steps of that
 * peer. It seals what it likes, sends what it likes, and lets time pass. Nothing spins, nothing grows without end, and the books
 * of what is on the way balance. */
#include "../test/unit/toycrypt.h"
#include "../test/unit/xferpair.h"
#include "engine/xfer/conninside.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TURNS_MAX = 400, BLOCK_TURNS = 10, EVENTS_MAX = 100000, STEPS_MAX = 300 };
enum step { RAW, SEALED, TIME, SAY, ACK, MOVE, STREAM, LOSE, STEPS };

struct town {
    struct xferpair p;
    int victim;
    bool meet;       /* packets reach the other end, as in the handshake */
    uint64_t number; /* of the peer's packets */
    bool closed;
    uint8_t room[64 * 1024];
};

/* The tag is the number alone: what is looked for here lies behind it, and a true one would take all the time. */
static void seal(struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head)
{
    struct skt_room room = skt_room_of(packet + len - SKT_AEAD_TAG, SKT_AEAD_TAG);

    skt_put_u64(&room, number);
    skt_put_u64(&room, aead->k1);
}

static bool unseal(
    struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head, uint8_t *text)
{
    struct skt_span tag = skt_span_of(packet + len - SKT_AEAD_TAG, SKT_AEAD_TAG);

    memcpy(text, packet + head, len - head - SKT_AEAD_TAG);
    return skt_get_u64(&tag) == number && skt_get_u64(&tag) == aead->k1;
}

static void seal_tail(
    struct skt_aead *aead, uint64_t number, uint8_t *packet, size_t len, size_t head, struct skt_span tail)
{
    memcpy(packet + len - SKT_AEAD_TAG - skt_len(tail), tail.p, skt_len(tail));
    seal(aead, number, packet, len, head);
}

static bool unseal_tail(struct skt_aead *aead, uint64_t number, const uint8_t *packet, size_t len, size_t head,
    uint8_t *text, struct skt_room tail)
{
    size_t first = len - head - SKT_AEAD_TAG - skt_left(tail);
    struct skt_span tag = skt_span_of(packet + len - SKT_AEAD_TAG, SKT_AEAD_TAG);

    memcpy(text, packet + head, first);
    memcpy(tail.p, packet + head + first, skt_left(tail));
    return skt_get_u64(&tag) == number && skt_get_u64(&tag) == aead->k1;
}

static struct skt_crypt quick;

static void events(struct town *t, int who)
{
    struct skt_conn_event e;
    uint32_t n = 0;

    while (t->p.conn[who] && skt_conn_next(t->p.conn[who], t->p.now, &e)) {
        assert(n++ < EVENTS_MAX);
        assert(who != t->victim || !t->closed);
        if (e.kind == SKT_CONN_CLOSED)
            t->closed |= who == t->victim;
    }
}

static void deliver(struct town *t, int who, struct skt_span datagram)
{
    uint8_t answer[256];
    struct skt_room room = skt_room_of(answer, sizeof answer);
    struct skt_xfer_packet packet;

    if (!skt_xfer_get(datagram, &packet))
        return;
    if (!xferpair_passes(&t->p, who, datagram, &packet, &room)) {
        if (room.p > answer && t->meet)
            deliver(t, SENDER, skt_span_of(answer, (size_t)(room.p - answer)));
        return;
    }
    skt_conn_recv(t->p.conn[who], t->p.now, datagram, &packet, &t->p.at[!who], NULL);
    events(t, who);
}

static void send_all(struct town *t, int who, bool blocks)
{
    static const uint8_t zeros[9000];
    struct skt_conn *conn = t->p.conn[who];
    uint32_t seg = 0, turns = 0;
    struct skt_addr to;
    size_t len, n, room;

    for (events(t, who); skt_conn_train(conn, t->p.now, skt_room_of(t->room, sizeof t->room), blocks); events(t, who)) {
        assert(turns++ < TURNS_MAX);
        blocks &= turns < BLOCK_TURNS; /* there is no more for now */
        while (blocks && (room = skt_conn_block_room(conn)) > 0) {
            n = room < sizeof zeros ? room : sizeof zeros;
            skt_conn_block(conn, (struct skt_conn_piece){ .len = (uint32_t)n }, 0, 0, skt_span_of(zeros, n));
        }
        len = skt_conn_sealed(conn, t->p.now, &seg, &to);
        if (!len)
            break;
        for (size_t i = 0; i < len && t->meet; i += n) {
            n = seg && seg < len - i ? seg : len - i;
            deliver(t, !who, skt_span_of(t->room + i, n));
        }
    }
    assert(skt_conn_wake(conn) > t->p.now);
    assert(!conn->sent.eliciting == !conn->sent.inflight);
    assert(conn->sent.size <= SKT_SENT_MAX && conn->in.size <= 2 * SKT_STREAM_MAX);
}

/* A packet of the peer, with what it wants in it; as if from number + skip. */
static void sealed(struct town *t, uint32_t skip, struct skt_span text)
{
    struct skt_conn *peer = t->p.conn[!t->victim];
    uint8_t packet[9000];
    struct skt_room room = skt_room_of(packet, sizeof packet - SKT_XFER_TAG);
    struct skt_xfer_packet head = { .type = SKT_XFER_SEALED,
        .version = SKT_XFER_VERSION,
        .conn = 10 + (uint32_t)t->victim,
        .number = t->number + skip };
    size_t len;

    if (!skt_len(text))
        return;
    t->number += skip + 1;
    skt_xfer_put_head(&room, &head);
    skt_put(&room, text);
    if (room.bad)
        return;
    len = (size_t)(room.p - packet) + SKT_XFER_TAG;
    if (!skt_seal_packet(&peer->seal, head.number, packet, len))
        deliver(t, t->victim, skt_span_of(packet, len));
}

static void put_sealed(struct town *t, const struct skt_xfer_frame *frame)
{
    uint8_t text[1400];
    struct skt_room room = skt_room_of(text, sizeof text);

    skt_xfer_put_frame(&room, frame);
    if (!room.bad)
        sealed(t, 0, skt_span_of(text, (size_t)(room.p - text)));
}

static void acknowledge(struct town *t, uint8_t back, uint8_t len)
{
    uint64_t next = t->p.conn[t->victim]->sent.next, to = next - (back < next ? back : next);
    struct skt_xfer_frame frame = { .kind = SKT_XFER_ACK,
        .ack = { .n = 1, .range = { { to - (len < to ? len : to), to } } } };

    if (frame.ack.range[0].from < to)
        put_sealed(t, &frame);
}

static void step(struct town *t, struct skt_span *in)
{
    enum step kind = (enum step)(skt_get_u8(in) % STEPS);
    uint8_t a = skt_get_u8(in), b = skt_get_u8(in);
    struct skt_span bytes = { 0 };
    struct skt_xfer_frame frame = { .kind = SKT_XFER_STREAM };
    struct skt_xfer_message m = { .kind = SKT_XFER_END, .file = a };

    if (kind == RAW || kind == SEALED || kind == STREAM)
        bytes = skt_get_span(in, b < skt_len(*in) ? b : skt_len(*in));
    switch (kind) {
    case RAW: deliver(t, t->victim, bytes); break;
    case SEALED: sealed(t, a % 4, bytes); break;
    case TIME: t->p.now += ((skt_time)a * 256 + b) * (b & 1 ? SKT_MS : 10 * SKT_US); break;
    case SAY: (void)skt_conn_say(t->p.conn[t->victim], &m); break;
    case ACK: acknowledge(t, a, b); break;
    case MOVE: t->p.at[!t->victim].port++; break;
    case STREAM:
        frame.offset = t->p.conn[t->victim]->in.at + (uint64_t)a * a * 4;
        frame.bytes = bytes;
        if (skt_len(bytes))
            put_sealed(t, &frame);
        break;
    case LOSE: t->number += a; break;
    case STEPS: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct town t;
    struct skt_span in = skt_span_of(data, size);
    bool blocks;

    memset(&t, 0, offsetof(struct town, room));
    quick = toycrypt;
    quick.seal = seal;
    quick.open = unseal;
    quick.seal_tail = seal_tail;
    quick.open_tail = unseal_tail;
    t.meet = true;
    xferpair_init(&t.p, &quick, 8972);
    assert(!xferpair_open(&t.p, SENDER, NULL));
    for (int i = 0; i < 20; i++, t.p.now += SKT_MS)
        for (int who = 0; who < 2; who++)
            if (t.p.conn[who])
                send_all(&t, who, false);
    assert(skt_conn_open(t.p.conn[0]) && skt_conn_open(t.p.conn[1]));
    t.meet = false;
    t.victim = skt_get_u8(&in) & 1;
    t.number = t.p.conn[!t.victim]->sent.next;
    blocks = t.victim == SENDER;
    for (int i = 0; i < STEPS_MAX && skt_len(in) && !in.bad; i++) {
        step(&t, &in);
        send_all(&t, t.victim, blocks);
    }
    xferpair_done(&t.p);
    return 0;
}
