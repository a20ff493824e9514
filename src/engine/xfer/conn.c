/* conn: a conversation's life and what comes in. Start reading at skt_conn_recv(); what goes out is in connout.c. */
#include "engine/xfer/conn.h"

#include "engine/xfer/conninside.h"

#include <errno.h>
#include <stdlib.h>

enum { SKIP_FIRST = 256, SKIP_LEAST = 512, SKIP_SPREAD = 2048 };
#define DEADLINE_SENDER   (30 * SKT_SEC)
#define DEADLINE_RECEIVER (10 * SKT_SEC)
#define SILENCE           (30 * SKT_SEC)
#define REFUSE_FOR        (5 * SKT_SEC)

/* --- life --- */

static uint64_t seed_of(const uint8_t *chance)
{
    struct skt_span in = skt_span_of(chance + 48, 8);

    return skt_get_u64(&in);
}

static int begin(struct skt_conn *conn, const struct skt_conn_conf *conf, skt_time now)
{
    struct skt_shake_conf shake = { .crypt = conf->crypt,
        .sender = conf->sender,
        .mode = conf->mode,
        .secret = conf->secret,
        .chance = conf->chance,
        .ours = conf->conn,
        .init = conf->init };
    int r = skt_shake_init(&conn->shake, &shake, now);

    if (r)
        return r;
    conn->scratch = malloc(conn->scratch_size);
    return conn->scratch ? 0 : -ENOMEM;
}

int skt_conn_new(const struct skt_conn_conf *conf, skt_time now, struct skt_conn **ret_conn)
{
    struct skt_conn *conn = calloc(1, sizeof *conn);
    uint32_t most = conf->packet_max < SKT_XFER_MIN ? SKT_XFER_MIN : conf->packet_max;
    skt_time deadline = conf->deadline ? conf->deadline : conf->sender ? DEADLINE_SENDER : DEADLINE_RECEIVER;
    int r;

    if (!conn)
        return -ENOMEM;
    conn->crypt = conf->crypt;
    conn->plain = conf->plain;
    conn->sender = conf->sender;
    conn->deadline = now + deadline;
    conn->silence = conf->silence ? conf->silence : SILENCE;
    conn->peer = conf->peer;
    conn->rate_max = conf->rate_max;
    conn->overhead = conf->peer.family == SKT_IP6 ? 48 : 28;
    conn->scratch_size = most;
    conn->heard = conn->pinged = now;
    skt_random_init(&conn->random, seed_of(conf->chance));
    conn->skip_at = skt_random_below(&conn->random, SKIP_FIRST);
    skt_acks_init(&conn->acks);
    skt_sent_init(&conn->sent);
    skt_stream_out_init(&conn->out);
    skt_stream_in_init(&conn->in);
    /* Only who sends files gains by large packets. */
    skt_mtu_init(&conn->mtu, conf->sender ? most : SKT_XFER_MIN, now);
    r = begin(conn, conf, now);
    if (r) {
        skt_conn_free(conn);
        return r;
    }
    *ret_conn = conn;
    return 0;
}

void skt_conn_free(struct skt_conn *conn)
{
    if (!conn)
        return;
    skt_shake_done(&conn->shake);
    skt_seal_done(&conn->seal);
    skt_unseal_done(&conn->unseal);
    skt_acks_done(&conn->acks);
    skt_sent_done(&conn->sent);
    skt_stream_out_done(&conn->out);
    skt_stream_in_done(&conn->in);
    skt_cc_free(conn->cc);
    free(conn->scratch);
    free(conn);
}

bool skt_conn_open(const struct skt_conn *conn) { return conn->state == CONN_OPEN; }
bool skt_conn_is_put_off(const struct skt_conn *conn) { return skt_shake_is_put_off(&conn->shake); }
uint32_t skt_conn_number(const struct skt_conn *conn) { return conn->shake.ours; }
const struct skt_addr *skt_conn_peer(const struct skt_conn *conn) { return &conn->peer; }
bool skt_conn_say(struct skt_conn *conn, const struct skt_xfer_message *message)
{
    return skt_stream_say(&conn->out, message);
}
size_t skt_conn_say_room(const struct skt_conn *conn) { return skt_stream_say_room(&conn->out); }

bool skt_conn_begun_by(const struct skt_conn *conn, const struct skt_xfer_packet *init)
{
    return skt_shake_same(&conn->shake, init);
}

bool skt_conn_over(const struct skt_conn *conn, skt_time now)
{
    return conn->state == CONN_OVER || (conn->state > CONN_OPEN && now >= conn->close_until);
}

void skt_conn_stats(const struct skt_conn *conn, struct skt_xfer_stats *stats)
{
    stats->packets = conn->sent.packets_n;
    stats->packets_lost = conn->sent.lost_n;
    stats->bytes_sent = conn->bytes_sent;
    stats->packets_forged = conn->forged;
    stats->rtt = conn->sent.srtt;
    stats->rtt_min = conn->sent.rtt_min;
    stats->rate = conn->rate;
    stats->packet_size = conn->mtu.now;
    stats->aead = conn->crypt->name;
}

skt_time conn_keep(const struct skt_conn *conn) { return 3 * skt_sent_pto(&conn->sent); }

/* --- the end --- */

static void set_closed(struct skt_conn *conn, uint16_t code, int why, struct skt_span text)
{
    size_t n = skt_len(text) < sizeof conn->closed.text ? skt_len(text) : sizeof conn->closed.text - 1;

    conn->closed = (struct skt_conn_event){ .kind = SKT_CONN_CLOSED, .code = code, .why = why };
    if (n)
        memcpy(conn->closed.text, text.p, n);
    conn->tell_closed = true;
    conn->text = skt_span_of(NULL, 0);
}

/* Does the other end take SEALED? A receiver does behind our CONFIRM, before we hear of it. */
static bool is_heard(const struct skt_conn *conn)
{
    const struct skt_shake *shake = &conn->shake;

    return conn->state == CONN_OPEN ||
           (conn->sender && conn->keyed && shake->state == SKT_SHAKE_CONFIRMS && shake->sent);
}

void conn_fail(struct skt_conn *conn, skt_time now, uint16_t code, int why, const char *text)
{
    if (conn->state > CONN_OPEN)
        return;
    set_closed(conn, code, why, skt_span_str(text));
    conn->state = is_heard(conn) ? CONN_CLOSES : CONN_OVER;
    conn->seal.last = true;
    conn->close_at = now;
    conn->close_until = SKT_NEVER;
}

void skt_conn_close(struct skt_conn *conn, skt_time now, uint16_t code, const char *text)
{
    conn_fail(conn, now, code, 0, text ? text : "");
}

void skt_conn_prove(struct skt_conn *conn, skt_time now, skt_time least)
{
    skt_time wait = conn_keep(conn) > least ? conn_keep(conn) : least;

    if ((conn->state != CONN_OPEN && (conn->state != CONN_SHAKES || !conn->sender)) || conn->prove_until)
        return;
    conn->ping = conn->state == CONN_OPEN; /* the handshake asks by itself */
    conn->prove_until = now + wait;
}

static void on_close(struct skt_conn *conn, skt_time now, const struct skt_xfer_frame *frame)
{
    if (conn->state == CONN_CLOSES) { /* both have said it */
        conn->state = CONN_OVER;
        return;
    }
    set_closed(conn, frame->code, 0, frame->bytes);
    conn->closed.by_peer = true;
    conn->state = CONN_PARTS;
    conn->seal.last = true;
    conn->close_at = now;
    conn->close_until = SKT_NEVER;
}

static void broken(struct skt_conn *conn, skt_time now, int r)
{
    if (r == -ENOMEM)
        conn_fail(conn, now, SKT_XFER_NO_MEMORY, r, "no memory");
    else
        conn_fail(conn, now, SKT_XFER_BROKEN, -EPROTO, "the other end broke the protocol");
}

/* --- handshake --- */

static void make_keys(struct skt_conn *conn, skt_time now)
{
    const char *ours = conn->sender ? "secret sender" : "secret receiver";
    const char *theirs = conn->sender ? "secret receiver" : "secret sender";
    struct skt_cc_conf cc = {
        .packet = SKT_XFER_MIN + conn->overhead, .rate_max = conn->rate_max, .rtt = conn->shake.rtt
    };
    int r;

    if (conn->keyed)
        return;
    r = skt_seal_init(&conn->seal, conn->crypt, conn->shake.prk, ours);
    if (!r && !(conn->cc = skt_cc_new(&cc, now)))
        r = -ENOMEM;
    if (!r)
        r = skt_unseal_init(&conn->unseal, conn->crypt, conn->shake.prk, theirs);
    if (r)
        conn_fail(conn, now, SKT_XFER_NO_MEMORY, r, "no memory");
    else
        conn->keyed = conn->tell_keyed = true;
}

static void on_shake(struct skt_conn *conn, skt_time now)
{
    struct skt_shake *shake = &conn->shake;

    if (shake->rtt && !conn->sent.srtt)
        skt_sent_rtt(&conn->sent, now, shake->rtt, 0);
    if (shake->state == SKT_SHAKE_CONFIRMS || shake->state == SKT_SHAKE_DONE)
        make_keys(conn, now);
    if (shake->state == SKT_SHAKE_DONE && conn->state == CONN_SHAKES) {
        conn->state = CONN_OPEN;
        conn->heard = conn->pinged = now;
        conn->mtu.next = now;
        conn->tell_open = true;
    }
    if (shake->state == SKT_SHAKE_FAILED && conn->state == CONN_SHAKES) {
        set_closed(conn, SKT_XFER_STOPPED, shake->why, skt_span_of(NULL, 0));
        conn->tell_spent = !conn->sender;
        conn->state = conn->sender ? CONN_OVER : CONN_REFUSES;
        conn->close_until = now + REFUSE_FOR;
    }
}

/* --- addresses --- */

/* The packet with the highest number came from elsewhere: a NAT has changed its mind, or somebody has sent a copy on. */
static void move(struct skt_conn *conn, const struct skt_addr *from)
{
    conn->peer = *from;
    conn->unproven = true;
    conn->path_in = conn->path_out = 0;
    conn->proven_from = conn->sent.next;
    conn->ping = true;
}

static void on_address(struct skt_conn *conn, uint64_t number, size_t bytes, const struct skt_addr *from)
{
    bool same = conn->peer.family == SKT_NOWHERE || !from || !memcmp(from, &conn->peer, sizeof *from);

    if (!same && !conn->sender && number == conn->acks.largest) {
        move(conn, from);
        same = true;
    }
    if (same && conn->unproven)
        conn->path_in += bytes;
}

/* --- packets --- */

/* Of the place, what a text of one block would fill. Who writes packets down wants them in one piece. */
static struct skt_room tail_of(const struct skt_conn *conn, const struct skt_conn_place *place, size_t len)
{
    bool fits = place && len > SKT_XFER_BLOCK_HEAD && len - SKT_XFER_BLOCK_HEAD <= skt_left(place->room);

    if (!fits || conn->state != CONN_OPEN || (conn->plain && conn->plain->on))
        return skt_room_of(NULL, 0);
    return skt_room_of(place->room.p, len - SKT_XFER_BLOCK_HEAD);
}

/* The packet's text is in two pieces: is it the one block that was guessed? Else the second comes to the first. */
static void on_tail(struct skt_conn *conn, const struct skt_conn_place *place, struct skt_room tail)
{
    uint8_t head[SKT_XFER_BLOCK_HEAD];
    struct skt_room room = skt_room_of(head, sizeof head);

    skt_xfer_put_block_head(&room, place->file, place->offset, skt_left(tail));
    if (!memcmp(conn->scratch, head, sizeof head)) {
        conn->placed = (struct skt_conn_place){ place->file, place->offset, tail };
        conn->text = skt_span_of(conn->scratch, 0);
    } else {
        memcpy(conn->scratch + sizeof head, tail.p, skt_left(tail));
    }
}

static void on_sealed(struct skt_conn *conn, skt_time now, struct skt_span datagram,
    const struct skt_xfer_packet *packet, const struct skt_addr *from, const struct skt_conn_place *place)
{
    size_t len = skt_len(datagram) - SKT_XFER_HEAD - SKT_XFER_TAG;
    struct skt_room tail = tail_of(conn, place, len);
    int r;

    if (!conn->keyed || conn->shake.state != SKT_SHAKE_DONE || conn->state == CONN_OVER || len > conn->scratch_size ||
        !skt_acks_fresh(&conn->acks, packet->number))
        return;
    if (!skt_unseal_tail(
            &conn->unseal, now, conn_keep(conn), packet->epoch, packet->number, datagram, conn->scratch, tail)) {
        conn->forged++;
        return;
    }
    if ((r = skt_acks_got(&conn->acks, now, packet->number))) {
        broken(conn, now, r);
        return;
    }
    conn->heard = now;
    conn->prove_until = 0;
    on_address(conn, packet->number, skt_len(datagram), from);
    conn->text = skt_span_of(conn->scratch, len);
    skt_plain_put(conn->plain, false, from, skt_span_of(datagram.p, SKT_XFER_HEAD), conn->text);
    conn->bytes = skt_len(datagram);
    conn->asks = false;
    conn->placed.room = skt_room_of(NULL, 0);
    if (skt_left(tail))
        on_tail(conn, place, tail);
}

void skt_conn_recv(struct skt_conn *conn, skt_time now, struct skt_span datagram, const struct skt_xfer_packet *packet,
    const struct skt_addr *from, const struct skt_conn_place *place)
{
    if (packet->version != SKT_XFER_VERSION)
        return;
    if (packet->type == SKT_XFER_SEALED) {
        on_sealed(conn, now, datagram, packet, from, place);
        return;
    }
    /* What is not sealed is believed only from where it was expected; the receiver's conversations have no other. */
    if (conn->sender && from && conn->peer.family != SKT_NOWHERE && memcmp(from, &conn->peer, sizeof *from) != 0)
        return;
    conn->prove_until = conn->state == CONN_SHAKES ? 0 : conn->prove_until;
    if (from && conn->state == CONN_SHAKES && skt_conn_begun_by(conn, packet))
        conn->peer = *from; /* the gate has seen a cookie of that address */
    if (skt_shake_recv(&conn->shake, now, packet))
        on_shake(conn, now);
}

/* --- what became of what was sent --- */

static void on_arrived(struct skt_conn *conn, skt_time now, uint64_t number, const struct skt_sent_packet *p)
{
    int r = p->stream_len ? skt_stream_acked(&conn->out, p->stream_from, p->stream_len) : 0;

    if (r)
        broken(conn, now, r);
    skt_seal_acked(&conn->seal, number);
    skt_acks_known(&conn->acks, p->ack);
    if (conn->unproven && number >= conn->proven_from)
        conn->unproven = false;
    if (p->probe)
        skt_mtu_probed(&conn->mtu, now, number, p->size, true);
    if (p->probe || skt_mtu_arrived(&conn->mtu, now, number, p->size))
        skt_cc_packet(conn->cc, conn->mtu.now + conn->overhead);
}

static void on_lost(struct skt_conn *conn, skt_time now, uint64_t number, const struct skt_sent_packet *p)
{
    int r = p->stream_len ? skt_stream_lost(&conn->out, p->stream_from, p->stream_len) : 0;

    if (r)
        broken(conn, now, r);
    if (p->credit)
        conn->in.tell = true;
    if (p->probe)
        skt_mtu_probed(&conn->mtu, now, number, p->size, false);
    else if (skt_mtu_lost(&conn->mtu, now, number, p->size))
        skt_cc_packet(conn->cc, conn->mtu.now + conn->overhead);
}

/* Datagrams beyond jumbo frames are for windows of many: a path that holds few, as a small socket does, loses them. */
static void fit_packets(struct skt_conn *conn, skt_time now)
{
    if (conn->mtu.now <= SKT_MTU_JUMBO || skt_cc_window(conn->cc) >= (uint64_t)CONN_HUGE * conn->mtu.now)
        return;
    skt_mtu_lower(&conn->mtu, now, SKT_MTU_JUMBO);
    skt_cc_packet(conn->cc, conn->mtu.now + conn->overhead);
}

/* Called for each news, so that nothing is taken off the queue of what was told before its control part is done. */
void conn_news(struct skt_conn *conn, skt_time now, const struct skt_sent_news *news)
{
    struct skt_sent *sent = &conn->sent;
    struct skt_cc_sample sample = { .now = now,
        .acked = news->acked,
        .lost = news->lost,
        .inflight = sent->inflight,
        .delivered = sent->delivered,
        .prior = news->prior,
        .rate = news->rate,
        .app_limited = news->limited,
        .rtt = news->rtt,
        .rtt_min = sent->rtt_min };

    for (; conn->settled < sent->told_next; conn->settled++) {
        struct skt_sent_told told = sent->told[conn->settled & (2 * (uint64_t)sent->size - 1)];
        const struct skt_sent_packet *p = skt_sent_at(sent, told.number);

        if (told.acked)
            on_arrived(conn, now, told.number, p);
        else
            on_lost(conn, now, told.number, p);
    }
    if (news->rate)
        conn->rate = news->rate;
    if (news->acked || news->lost)
        skt_cc_acked(conn->cc, &sample);
    fit_packets(conn, now);
}

static void on_ack(struct skt_conn *conn, skt_time now, const struct skt_xfer_ack *ack)
{
    struct skt_sent_news news = { 0 };

    if (skt_sent_ack(&conn->sent, now, ack, conn->acks.gap, &news)) {
        conn_fail(conn, now, SKT_XFER_LIED, -EPROTO, "a packet was acknowledged that was never sent");
        return;
    }
    if (news.any)
        conn->probes = 0;
    conn_news(conn, now, &news);
}

/* --- frames --- */

static void owe(struct skt_conn *conn, skt_time now, bool at_once)
{
    skt_time delay = conn->sent.srtt / 8 > SKT_MS ? conn->sent.srtt / 8 : SKT_MS;

    if (conn->asks && !at_once)
        return;
    skt_acks_owe(&conn->acks, now, delay, conn->asks ? 0 : conn->bytes, at_once);
    conn->asks = true;
}

/* True: it is an event. */
static bool on_frame(
    struct skt_conn *conn, skt_time now, const struct skt_xfer_frame *frame, struct skt_conn_event *ret_event)
{
    int r;

    switch ((enum skt_xfer_frame_kind)frame->kind) {
    case SKT_XFER_PAD: return false;
    case SKT_XFER_PING: owe(conn, now, true); return false;
    case SKT_XFER_ACK: on_ack(conn, now, &frame->ack); return false;
    case SKT_XFER_STREAM:
        owe(conn, now, false);
        if ((r = skt_stream_got(&conn->in, frame->offset, frame->bytes)))
            broken(conn, now, r);
        return false;
    case SKT_XFER_CREDIT:
        owe(conn, now, false);
        if (conn->out.credit < frame->offset)
            conn->out.credit = frame->offset;
        return false;
    case SKT_XFER_BLOCK:
        owe(conn, now, false);
        if (conn->sender) {
            broken(conn, now, -EPROTO);
            return false;
        }
        ret_event->kind = SKT_CONN_BLOCK;
        ret_event->file = frame->file;
        ret_event->offset = frame->offset;
        ret_event->bytes = frame->bytes;
        return true;
    case SKT_XFER_CLOSE: on_close(conn, now, frame); return false;
    }
    return false;
}

/* After the end only CLOSE counts, and any packet asks for ours again. */
static void after_the_end(struct skt_conn *conn, skt_time now)
{
    struct skt_xfer_frame frame;

    if (conn->state == CONN_CLOSES && skt_len(conn->text))
        conn->close_at = now;
    while (conn->state == CONN_CLOSES && skt_xfer_get_frame(&conn->text, &frame))
        if (frame.kind == SKT_XFER_CLOSE)
            conn->state = CONN_OVER;
    conn->text = skt_span_of(NULL, 0);
}

/* The next event of the packet in hand. */
static bool next_frame(struct skt_conn *conn, skt_time now, struct skt_conn_event *ret_event)
{
    struct skt_xfer_frame frame;

    while (conn->state == CONN_OPEN && skt_xfer_get_frame(&conn->text, &frame)) {
        if (on_frame(conn, now, &frame, ret_event))
            return true;
        if (frame.kind == SKT_XFER_STREAM || frame.kind == SKT_XFER_ACK)
            return false; /* they may have made other events */
    }
    if (conn->text.bad)
        broken(conn, now, -EPROTO);
    return false;
}

/* --- events --- */

/* The block that is in its place already. */
static bool next_placed(struct skt_conn *conn, skt_time now, struct skt_conn_event *ret_event)
{
    struct skt_room room = conn->placed.room;
    struct skt_xfer_frame frame = { .kind = SKT_XFER_BLOCK,
        .file = conn->placed.file,
        .offset = conn->placed.offset,
        .bytes = skt_span_of(room.p, skt_left(room)) };

    conn->placed.room = skt_room_of(NULL, 0);
    return skt_left(room) && conn->state == CONN_OPEN && on_frame(conn, now, &frame, ret_event);
}

/* Pieces of what was settled, one by one. */
static bool next_piece(struct skt_conn *conn, struct skt_conn_event *ret_event)
{
    struct skt_sent *sent = &conn->sent;
    const struct skt_sent_packet *p;

    while (!conn->pieces || conn->piece == skt_sent_at(sent, conn->piece_of.number)->pieces) {
        conn->pieces = skt_sent_told(sent, &conn->piece_of);
        conn->piece = 0;
        if (!conn->pieces)
            return false;
    }
    p = skt_sent_at(sent, conn->piece_of.number);
    ret_event->kind = conn->piece_of.acked ? SKT_CONN_ACKED : SKT_CONN_LOST;
    ret_event->piece = sent->pieces[(p->piece + conn->piece++) & (sent->pieces_size - 1)];
    return true;
}

static bool next_message(struct skt_conn *conn, skt_time now, struct skt_conn_event *ret_event)
{
    int r = skt_stream_next(&conn->in, &ret_event->message);

    if (r < 0)
        broken(conn, now, r);
    ret_event->kind = SKT_CONN_MESSAGE;
    return r > 0;
}

static bool take(bool *flag)
{
    bool was = *flag;

    *flag = false;
    return was;
}

bool skt_conn_next(struct skt_conn *conn, skt_time now, struct skt_conn_event *ret_event)
{
    conn_clock(conn, now);
    if (take(&conn->tell_keyed) && conn->sender) {
        ret_event->kind = SKT_CONN_KEYED;
        return true;
    }
    if (take(&conn->tell_open)) {
        ret_event->kind = SKT_CONN_OPENED;
        return true;
    }
    if (take(&conn->tell_spent)) {
        ret_event->kind = SKT_CONN_SPENT;
        return true;
    }
    if (conn->state > CONN_OPEN)
        after_the_end(conn, now);
    while (conn->state <= CONN_OPEN) {
        if (next_piece(conn, ret_event) || next_message(conn, now, ret_event) || next_placed(conn, now, ret_event))
            return true;
        if (!skt_len(conn->text))
            break;
        if (next_frame(conn, now, ret_event))
            return true;
    }
    if (take(&conn->tell_closed)) {
        *ret_event = conn->closed;
        return true;
    }
    if (conn->state <= CONN_OPEN)
        skt_sent_forget(&conn->sent, now);
    return false;
}
