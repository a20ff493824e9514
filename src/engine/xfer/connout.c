/* connout: what a conversation sends: one train at a time, built and sealed in the driver's room. Start reading at
 * skt_conn_train(). */
#include "engine/xfer/conninside.h"

#include <errno.h>

enum {
    SKIP_LEAST = 512, /* packets from one number left out to the next */
    SKIP_SPREAD = 2048,
    PACKETS = 64,        /* of a train: UDP_MAX_SEGMENTS of older kernels */
    SMALL = 16,          /* bytes that hold CREDIT and PING */
    LEAST = 96,          /* bytes of a packet at most: it holds an ACK and a few words */
    BLOCK_LEAST = 32,    /* bytes: a shorter block does not begin at the end of a packet */
    CLOSE_HEAD = 4,      /* bytes of CLOSE before its text */
    CLOSES = 3,          /* CLOSE is said so often by itself */
    AMPLIFY = 3,         /* times what came from an unproven address */
    HUGE_RATE = 64 << 20 /* bytes a second: below it a packet larger than jumbo frames would take more than 1 ms */
};
#define BLOCKED  (10 * SKT_MS)  /* to the next try of what is due and may not go */
#define HELD_UP  SKT_SEC        /* from one look at the clock to the next */
#define READ_FOR (100 * SKT_MS) /* then, before it is silence */

/* --- packets --- */

static void skip_number(struct skt_conn *conn)
{
    if (conn->sent.next != conn->skip_at)
        return;
    skt_sent_skip(&conn->sent);
    conn->skip_at = conn->sent.next + SKIP_LEAST + skt_random_below(&conn->random, SKIP_SPREAD);
}

/* size: of the datagram at most. False: no room for it, in memory or in the train. */
static bool open_packet(struct skt_conn *conn, uint32_t size)
{
    struct conn_train *t = &conn->train;
    struct skt_xfer_packet head = { .type = SKT_XFER_SEALED, .version = SKT_XFER_VERSION, .conn = conn->shake.other };

    if (t->alone || t->n == PACKETS || skt_left(t->room) < size || !skt_sent_room(&conn->sent, 2))
        return false;
    skip_number(conn);
    head.number = conn->sent.next;
    t->packet = t->room.p;
    t->body = skt_room_of(t->packet, size - SKT_XFER_TAG);
    t->tail = skt_span_of(NULL, 0);
    skt_xfer_put_head(&t->body, &head);
    t->sent = (struct skt_sent_packet){ .state = SKT_SENT_NONE, .piece = conn->sent.piece_next };
    return true;
}

static void record(struct skt_conn *conn, size_t len)
{
    struct conn_train *t = &conn->train;
    uint64_t inflight = conn->sent.inflight;

    t->sent.size = (uint16_t)len;
    t->sent.bytes = (uint32_t)len + conn->overhead;
    skt_sent_push(&conn->sent, conn->now, &t->sent);
    conn->bytes_sent += len;
    conn->path_out += len;
    if (t->sent.state != SKT_SENT_OUT)
        return;
    skt_cc_sent(conn->cc, conn->now, t->sent.bytes, inflight);
    skt_pace_spend(&conn->pace, t->sent.bytes);
    t->credit -= t->sent.bytes < t->credit ? t->sent.bytes : t->credit;
}

/* What is not the end of the packet any more, or is looked at, comes to its place. */
static void fetch_tail(struct conn_train *t)
{
    if (skt_len(t->tail))
        memcpy(t->body.p - skt_len(t->tail), t->tail.p, skt_len(t->tail));
    t->tail = skt_span_of(NULL, 0);
}

/* No key for what is to be sent. Of the old one there is enough left to say so. */
static void no_key(struct skt_conn *conn, int r)
{
    if (r == -EKEYEXPIRED)
        conn_fail(conn, conn->now, SKT_XFER_BROKEN, r, "millions of packets of one key, and none was acknowledged");
    else
        conn_fail(conn, conn->now, SKT_XFER_NO_MEMORY, r, "no memory");
}

/* Seals the open packet. whole: others follow, and all but the last of a train are equally long. */
static void close_packet(struct skt_conn *conn, bool whole)
{
    struct conn_train *t = &conn->train;
    uint8_t *packet = t->packet;
    size_t len;
    int r;

    t->packet = NULL;
    if (!packet || t->body.p == packet + SKT_XFER_HEAD)
        return; /* nothing came into it: its number was not used */
    if ((whole && skt_left(t->body)) || (conn->plain && conn->plain->on))
        fetch_tail(t);
    if (whole)
        skt_xfer_put_pad(&t->body, skt_left(t->body));
    len = (size_t)(t->body.p - packet) + SKT_XFER_TAG;
    if ((r = skt_seal_ready(&conn->seal, conn->sent.next, packet))) {
        no_key(conn, r);
        return;
    }
    skt_plain_put(conn->plain, true, &conn->peer, skt_span_of(packet, SKT_XFER_HEAD),
        skt_span_of(packet + SKT_XFER_HEAD, len - SKT_XFER_HEAD - SKT_XFER_TAG));
    (void)skt_seal_tail(&conn->seal, conn->sent.next, packet, len, t->tail); /* it is ready */
    record(conn, len);
    t->room.p = packet + len;
    t->n++;
}

/* What is in the open packet asks to be acknowledged. */
static struct skt_sent_packet *asks(struct skt_conn *conn)
{
    conn->train.sent.state = SKT_SENT_OUT;
    return &conn->train.sent;
}

/* --- what may go --- */

/* Bytes that may go to the address of the other end. */
static uint64_t path_left(const struct skt_conn *conn)
{
    uint64_t most = AMPLIFY * conn->path_in;

    if (!conn->unproven)
        return UINT64_MAX;
    return conn->path_out < most ? most - conn->path_out : 0;
}

static bool window_allows(const struct skt_conn *conn, uint64_t size)
{
    /* One packet may always go: whatever the model thinks, only an answer can teach it better. */
    return conn->probes || !conn->sent.inflight ||
           conn->sent.inflight + size + conn->overhead <= skt_cc_window(conn->cc);
}

/* May a (further) full packet with data go in this train? */
static bool data_may_go(const struct skt_conn *conn)
{
    const struct conn_train *t = &conn->train;
    uint64_t least = t->size + conn->overhead;

    if (path_left(conn) < t->size || !window_allows(conn, t->size))
        return false;
    if (conn->probes)
        return true;
    if (!t->n && !t->packet) { /* the first: not for a few bytes of credit */
        uint64_t train = skt_pace_least(skt_cc_rate(conn->cc), (uint32_t)least);

        least = least < train ? train : least;
    }
    return t->credit >= least;
}

static bool open_data_packet(struct skt_conn *conn)
{
    bool may = data_may_go(conn) && open_packet(conn, conn->train.size);

    if (may && conn->probes)
        conn->probes--;
    return may;
}

/* --- what conn itself has to say --- */

/* An ACK takes all the room that it is given: some is kept for CREDIT and PING. */
static void put_ack(struct skt_conn *conn)
{
    struct conn_train *t = &conn->train;
    struct skt_room room = { .p = t->body.p, .end = t->body.end - SMALL };
    uint64_t below = skt_acks_put(&conn->acks, conn->now, &room);

    if (!below)
        return;
    t->sent.ack = below;
    t->body.p = room.p;
}

static void put_ping(struct skt_conn *conn)
{
    struct skt_xfer_frame ping = { .kind = SKT_XFER_PING };

    skt_xfer_put_frame(&conn->train.body, &ping);
    asks(conn);
    conn->ping = false;
    conn->pinged = conn->now;
}

static void put_stream(struct skt_conn *conn)
{
    struct conn_train *t = &conn->train;

    while (skt_stream_waits(&conn->out)) {
        if (t->packet && t->sent.stream_len)
            close_packet(conn, true);
        if (!t->packet && !open_data_packet(conn))
            return;
        if (!skt_stream_put(&conn->out, &t->body, &t->sent.stream_from, &t->sent.stream_len)) {
            if (t->body.p == t->packet + SKT_XFER_HEAD)
                return; /* even an empty packet is too small, or no memory: later */
            close_packet(conn, true);
            continue;
        }
        asks(conn);
    }
}

/* ACK, CREDIT, PING: small, and worth more to both ends than what they cost the path. */
static void put_control(struct skt_conn *conn, skt_time now)
{
    struct conn_train *t = &conn->train;
    bool data = data_may_go(conn), stream = skt_stream_waits(&conn->out);
    bool must = conn->acks.due <= now || conn->in.tell || conn->ping;

    if (!must && !(data && (stream || conn->blocks)))
        return;
    if (path_left(conn) < t->size || !open_packet(conn, t->size))
        return;
    if (conn->acks.due != SKT_NEVER)
        put_ack(conn);
    if (conn->in.tell && skt_stream_credit(&conn->in, &t->body))
        asks(conn)->credit = true;
    if (conn->ping)
        put_ping(conn);
    if (conn->sent.timeouts && t->sent.state == SKT_SENT_OUT) { /* what asks whether anybody is there must be small */
        close_packet(conn, false);
        t->alone = true;
        return;
    }
    if (data && stream && skt_stream_put(&conn->out, &t->body, &t->sent.stream_from, &t->sent.stream_len)) {
        asks(conn);
        put_stream(conn);
    }
}

/* --- trains of one packet --- */

/* A CONFIRM that did not arrive, or not in time, has taken with it all that was sent behind it. */
static void send_early_again(struct skt_conn *conn, skt_time now)
{
    struct skt_sent_news news = { 0 };

    skt_sent_give_up(&conn->sent, now, &news);
    news.lost = 0; /* the path may be innocent */
    conn_news(conn, now, &news);
}

static bool put_shake(struct skt_conn *conn, skt_time now)
{
    struct conn_train *t = &conn->train;
    /* A receiver that closes at once: without its CONFIRM nobody reads why. */
    bool may = conn->state <= CONN_REFUSES || (conn->state == CONN_CLOSES && !conn->sender);

    if (conn->shake.due > now || !may || skt_left(t->room) < SKT_XFER_MIN)
        return false;
    if (conn->shake.state == SKT_SHAKE_CONFIRMS && conn->shake.sent)
        send_early_again(conn, now);
    t->alone = true;
    skt_shake_put(&conn->shake, now, &t->room);
    return true;
}

/* What was said last goes with the first CLOSE, as far as it fits: SUM, or what failed. Nothing of it goes again. */
static void put_last_words(struct skt_conn *conn, size_t close)
{
    struct conn_train *t = &conn->train;
    struct skt_room room = { .p = t->body.p, .end = t->body.end - close };
    uint64_t from;
    uint16_t len;

    if (conn->state == CONN_CLOSES && !conn->closes && skt_left(t->body) > close &&
        skt_stream_put(&conn->out, &room, &from, &len))
        t->body.p = room.p;
}

static bool put_close(struct skt_conn *conn, skt_time now)
{
    struct conn_train *t = &conn->train;
    struct skt_xfer_frame frame = {
        .kind = SKT_XFER_CLOSE, .code = conn->closed.code, .bytes = skt_span_str(conn->closed.text)
    };

    if (conn->close_at > now || path_left(conn) < t->size || !open_packet(conn, t->size))
        return false;
    if (conn->state == CONN_PARTS || skt_left(t->body) < CLOSE_HEAD + skt_len(frame.bytes))
        frame.bytes = skt_span_of(NULL, 0); /* it knows why, or must do without */
    put_last_words(conn, CLOSE_HEAD + skt_len(frame.bytes));
    skt_xfer_put_frame(&t->body, &frame);
    close_packet(conn, false);
    t->alone = true;
    conn->close_at = ++conn->closes < CLOSES ? now + skt_sent_pto(&conn->sent) : SKT_NEVER;
    if (conn->state == CONN_PARTS)
        conn->state = CONN_OVER;
    return true;
}

static bool has_room_for_huge(const struct skt_conn *conn, uint32_t size)
{
    return conn->rate >= HUGE_RATE && skt_cc_window(conn->cc) >= 2 * (uint64_t)CONN_HUGE * size;
}

static bool put_mtu_probe(struct skt_conn *conn, skt_time now)
{
    struct conn_train *t = &conn->train;
    uint32_t size = skt_mtu_want(&conn->mtu, now);

    if (!size || conn->state != CONN_OPEN)
        return false;
    if (conn->unproven || (size > SKT_MTU_JUMBO && !has_room_for_huge(conn, size)) || !window_allows(conn, size) ||
        !open_packet(conn, size)) {
        conn->mtu.next = now + BLOCKED;
        return false;
    }
    put_ping(conn);
    t->sent.probe = true;
    skt_mtu_probing(&conn->mtu, size);
    close_packet(conn, true);
    t->alone = true;
    return true;
}

/* --- the clock --- */

static void on_timeout(struct skt_conn *conn, skt_time now)
{
    struct skt_sent_news news = { 0 };

    if (++conn->sent.timeouts < SKT_LOST_ALL) {
        skt_sent_probe(&conn->sent);
    } else {
        skt_sent_give_up(&conn->sent, now, &news);
        skt_cc_timeout(conn->cc, now);
        news.lost = 0; /* skt_cc_timeout has said it */
    }
    conn_news(conn, now, &news);
    conn->probes = 2;
    conn->ping = true;
    conn->sent.last_at = now;
}

/* Who was held up, by a disk or a signal, first reads what came meanwhile. */
static bool is_silent(struct skt_conn *conn, skt_time now)
{
    if (now - conn->looked > HELD_UP)
        conn->patience = now + READ_FOR;
    conn->looked = now;
    return now >= conn->patience &&
           (now - conn->heard >= conn->silence || (conn->prove_until && now >= conn->prove_until));
}

void conn_clock(struct skt_conn *conn, skt_time now)
{
    struct skt_sent_news news = { 0 };

    if (conn->state > CONN_OPEN) {
        if (now >= conn->close_until)
            conn->state = CONN_OVER;
        return;
    }
    if (conn->state == CONN_SHAKES && now >= conn->deadline && !conn->prove_until)
        conn_fail(conn, now, SKT_XFER_SILENT, skt_shake_is_put_off(&conn->shake) ? -EBUSY : -ETIMEDOUT, "");
    if (conn->state == CONN_SHAKES && conn->prove_until && (now >= conn->prove_until || now >= conn->deadline))
        conn_fail(conn, now, SKT_XFER_SILENT, -ECONNREFUSED, "");
    if (conn->state == CONN_OPEN && is_silent(conn, now))
        conn_fail(conn, now, SKT_XFER_SILENT, -ETIMEDOUT, "");
    if (conn->state > CONN_OPEN)
        return;
    if (conn->sent.loss_at <= now) {
        skt_sent_late(&conn->sent, now, &news);
        conn_news(conn, now, &news);
    }
    if (conn->state == CONN_SHAKES) /* CONFIRM is repeated, and what came behind it */
        return;
    if (skt_sent_timeout(&conn->sent) <= now)
        on_timeout(conn, now);
    if (now - conn->heard >= conn->silence / 3 && now - conn->pinged >= conn->silence / 3)
        conn->ping = true;
}

/* --- trains --- */

/* Less was sent than might have gone, as there was no more or we came too late: what is measured now says nothing of the
 * path. */
static void note_limited(struct skt_conn *conn)
{
    struct skt_sent *sent = &conn->sent;

    if (sent->inflight + conn->train.size + conn->overhead <= skt_cc_window(conn->cc))
        sent->limited = sent->delivered + sent->inflight + 1;
}

/* To an unproven address goes what may go, and be it little: a peer that says little must be able to prove it. */
static uint32_t train_size(const struct skt_conn *conn)
{
    uint64_t left = path_left(conn);

    if (left >= conn->mtu.now)
        return conn->mtu.now;
    return left < LEAST ? LEAST : (uint32_t)left;
}

bool skt_conn_train(struct skt_conn *conn, skt_time now, struct skt_room room, bool blocks)
{
    struct conn_train *t = &conn->train;
    uint64_t rate;

    conn->now = now;
    conn->blocks = blocks && conn->state == CONN_OPEN;
    if (conn->state > CONN_OPEN && conn->close_until == SKT_NEVER)
        conn->close_until = now + conn_keep(conn);
    conn_clock(conn, now);
    *t = (struct conn_train){ .room = room, .begin = room.p, .size = train_size(conn) };
    if (conn->state == CONN_OVER)
        return false;
    if (put_shake(conn, now))
        return true;
    if (conn->state > CONN_OPEN)
        return conn->keyed && put_close(conn, now);
    if (!conn->keyed || put_mtu_probe(conn, now))
        return conn->keyed;
    rate = skt_cc_rate(conn->cc);
    conn->pace.rtt = conn->sent.rtt_min;
    t->credit = skt_pace_credit(&conn->pace, now, rate, t->size + conn->overhead);
    if (t->credit > SKT_PACE_TRAIN + conn->overhead)
        t->credit = SKT_PACE_TRAIN + conn->overhead;
    if (conn->pace.missed)
        note_limited(conn);
    put_control(conn, now);
    if (t->n || (t->packet && (t->body.p > t->packet + SKT_XFER_HEAD || conn->blocks)))
        return true;
    t->packet = NULL;
    if (!blocks && !skt_stream_waits(&conn->out))
        note_limited(conn);
    return false;
}

size_t skt_conn_block_room(struct skt_conn *conn)
{
    struct conn_train *t = &conn->train;

    if (conn->state != CONN_OPEN || t->alone || t->full)
        return 0;
    /* The open packet was opened for what is small: data asks again. */
    if (t->packet && (skt_left(t->body) < SKT_XFER_BLOCK_HEAD + BLOCK_LEAST || !skt_sent_room(&conn->sent, 1)))
        close_packet(conn, true);
    if ((!t->packet && !open_data_packet(conn)) || (t->sent.state == SKT_SENT_NONE && !data_may_go(conn))) {
        t->full = true;
        return 0;
    }
    return skt_left(t->body) - SKT_XFER_BLOCK_HEAD;
}

void skt_conn_block(
    struct skt_conn *conn, struct skt_conn_piece piece, uint32_t file, uint64_t offset, struct skt_span bytes)
{
    struct conn_train *t = &conn->train;

    fetch_tail(t); /* of the block before */
    skt_xfer_put_block_head(&t->body, file, offset, skt_len(bytes));
    t->body.p += skt_len(bytes);
    t->tail = bytes;
    (void)skt_sent_piece(&conn->sent, &piece); /* block_room has made room */
    asks(conn)->pieces++;
}

size_t skt_conn_sealed(struct skt_conn *conn, skt_time now, uint32_t *ret_seg, struct skt_addr *ret_peer)
{
    struct conn_train *t = &conn->train;
    size_t len;

    close_packet(conn, false);
    if (!t->alone && !t->full)
        note_limited(conn);
    len = (size_t)(t->room.p - t->begin);
    if (!len)
        return 0;
    *ret_seg = t->n > 1 ? t->size : 0;
    *ret_peer = conn->peer;
    return len;
}

/* --- when --- */

/* What is due and could not go the last time is tried again in a while: nothing may spin. */
static void sooner(const struct skt_conn *conn, skt_time *at, skt_time due)
{
    if (due <= conn->now)
        due = conn->now + BLOCKED;
    if (due < *at)
        *at = due;
}

skt_time skt_conn_wake(const struct skt_conn *conn)
{
    skt_time at = SKT_NEVER;

    if (conn->state == CONN_OVER)
        return SKT_NEVER;
    if (conn->state <= CONN_REFUSES)
        sooner(conn, &at, conn->shake.due);
    if (conn->state > CONN_OPEN) {
        sooner(conn, &at, conn->close_until);
        if (conn->state != CONN_REFUSES)
            sooner(conn, &at, conn->close_at);
        if (conn->state == CONN_CLOSES && !conn->closes) /* what failed in a train: 3 PTO may be less than BLOCKED */
            sooner(conn, &at, conn->now + SKT_MS);
        return at;
    }
    if (conn->state == CONN_SHAKES)
        sooner(conn, &at, conn->prove_until && conn->prove_until < conn->deadline ? conn->prove_until : conn->deadline);
    if (!conn->keyed)
        return at;
    if (conn->sent.told_first < conn->sent.told_next || conn->tell_closed)
        sooner(conn, &at, conn->now + 1); /* its user has not heard all */
    sooner(conn, &at, conn->acks.due);
    sooner(conn, &at, conn->sent.loss_at);
    if (conn->state == CONN_OPEN) {
        skt_time since = conn->heard > conn->pinged ? conn->heard : conn->pinged;

        sooner(conn, &at, skt_sent_timeout(&conn->sent));
        sooner(conn, &at, skt_mtu_wake(&conn->mtu));
        sooner(conn, &at, conn->heard + conn->silence);
        if (conn->prove_until)
            sooner(conn, &at, conn->prove_until);
        sooner(conn, &at, since + conn->silence / 3);
    }
    if ((conn->blocks || skt_stream_waits(&conn->out)) && window_allows(conn, conn->mtu.now))
        sooner(conn, &at, skt_pace_ready(&conn->pace, skt_cc_rate(conn->cc), conn->mtu.now + conn->overhead));
    return at;
}
