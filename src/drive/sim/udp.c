/* udp: datagrams. Lost, doubled, overtaken, their borders kept; what waits in a socket comes in trains cut anywhere
 * between two datagrams. */
#include "drive/sim/inside.h"

#include <errno.h>
#include <stdlib.h>

enum { HEAD = 28, SOCKET_BYTES = 256 * 1024, TRAIN_MAX = 65507, TRAIN_SEGS = 64 };
#define READ_LATER (20 * SKT_US)
#define FULL_TIME  (5 * SKT_MS)

static bool same(const struct skt_addr *a, const struct skt_addr *b)
{
    return a->port == b->port && !memcmp(a->ip, b->ip, 4);
}

/* ---- out ---- */

/* One copy on its way. */
static void fly(
    struct sim *sim, const struct link *l, int host, uint16_t port, struct skt_span bytes, skt_time at, uint32_t flip)
{
    struct packet *p = sim_mem(NULL, 1, sizeof *p + skt_len(bytes));

    p->from = sim->hosts[l->host]->addr;
    p->from.port = l->port;
    p->host = host;
    p->port = port;
    p->len = (uint32_t)skt_len(bytes);
    if (p->len)
        memcpy(p->bytes, bytes.p, p->len);
    if (flip)
        p->bytes[(flip - 1) / 8] ^= (uint8_t)(1 << (flip - 1) % 8); /* as one that its checksum did not see */
    sim_at(sim, (struct event){ .at = at, .kind = EV_DATAGRAM, .packet = p });
}

static void tap_datagram(
    struct sim *sim, const struct link *l, const struct skt_addr *to, struct skt_span bytes, const char *note)
{
    struct skt_addr from = sim->hosts[l->host]->addr;

    if (!sim->tap)
        return;
    from.port = l->port;
    if (note)
        skt_tap_note(sim->tap, note);
    skt_tap_datagram(sim->tap, sim->now, sim->hosts[l->host]->iface, SKT_TAP_OUT, &from, to, bytes, 0);
}

/* The path also counts the headers. A bit that flips in them is seen by their checksums: that copy does not arrive. */
static uint32_t past_heads(struct skt_path_fate *fate)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < fate->copies; i++) {
        if (fate->flip[i] && fate->flip[i] <= HEAD * 8)
            continue;
        fate->at[n] = fate->at[i];
        fate->flip[n++] = fate->flip[i] ? fate->flip[i] - HEAD * 8 : 0;
    }
    return n;
}

/* The path decides; the capture tells what it decided. */
static void send_one(struct sim *sim, const struct link *l, const struct skt_addr *to, int host, struct skt_span bytes)
{
    struct wire *w = host < 0 ? NULL : sim_wire_of(sim, l->host, host);
    struct skt_path_fate fate = { 0 };

    if (w)
        fate = skt_path_pass(&w->path, sim->now, skt_len(bytes) + HEAD, w->index++);
    if (w && w->cut)
        fate.copies = 0;
    fate.copies = past_heads(&fate);
    sim->stats.datagrams++;
    sim->stats.datagrams_lost += !fate.copies;
    tap_datagram(sim, l, to, bytes,
        !fate.copies      ? "lost"
        : fate.copies > 1 ? "arrives twice"
        : fate.flip[0]    ? "arrives changed"
                          : NULL);
    for (uint32_t i = 0; i < fate.copies; i++)
        fly(sim, l, host, to->port, bytes, fate.at[i], fate.flip[i]);
}

void sim_udp_send(struct sim *sim, struct link *l, const struct skt_addr *to, struct skt_span bytes, uint32_t seg)
{
    int host = to->ip[0] == 127 ? l->host : sim_host_of(sim, to);

    do { /* an empty datagram is one as well */
        size_t n = seg && seg < skt_len(bytes) ? seg : skt_len(bytes);
        send_one(sim, l, to, host, skt_get_span(&bytes, n));
    } while (skt_len(bytes));
}

/* As when the device's queue is full: soon there is room again. */
void sim_udp_full(struct sim *sim, struct link *l)
{
    l->full = true;
    sim_at(sim, (struct event){ .at = sim->now + (skt_time)sim_below(sim, FULL_TIME),
                    .kind = EV_DRAIN,
                    .who = (uint32_t)l->host,
                    .gen = sim_link_id(l) });
    sim_tell_kind(sim, l, SKT_FULL, 0);
}

/* What waited goes out in order, then the engine hears of it. */
static void drain(struct sim *sim, struct link *l)
{
    struct piece *p;

    for (; (p = sim_queue_first(sim, l)); sim_queue_pop(l))
        sim_udp_send(sim, l, &p->to, p->bytes, p->seg);
    l->full = false;
    sim_tell_kind(sim, l, SKT_ROOM, 0);
}

/* ---- in ---- */

static void read_later(struct sim *sim, struct link *l)
{
    if (l->train_event)
        return;
    l->train_event = true;
    sim_at(sim, (struct event){ .at = sim->now + (skt_time)(sim_below(sim, 2) * sim_below(sim, READ_LATER)),
                    .kind = EV_TRAIN,
                    .who = (uint32_t)l->host,
                    .gen = sim_link_id(l) });
}

/* Nobody is there: a connected socket hears of it, as by ICMP. */
static void unreachable(struct sim *sim, const struct packet *p)
{
    int from = sim_host_of(sim, &p->from);
    struct link *l = sim_bound(sim, from, true, p->from.port);
    struct wire *back = sim_wire_of(sim, p->host, from);

    sim->stats.datagrams_lost++;
    if (l && l->peer.family && l->peer.port == p->port && !back->cut)
        sim_at(sim, (struct event){ .at = sim->now + back->path.conf.delay,
                        .kind = EV_CLOSED,
                        .who = (uint32_t)from,
                        .gen = sim_link_id(l),
                        .why = -ECONNREFUSED });
}

/* Into the socket of that port, if it has room: else it is lost, as in a kernel. */
static void on_datagram(struct sim *sim, struct packet *p)
{
    struct link *l = sim_bound(sim, p->host, true, p->port);

    if (!l)
        unreachable(sim, p);
    if (!l || (l->peer.family && !same(&l->peer, &p->from)) || l->in_bytes + p->len > SOCKET_BYTES) {
        sim->stats.datagrams_lost += l != NULL;
        free(p);
        return;
    }
    p->next = NULL;
    *l->in_end = p;
    l->in_end = &p->next;
    l->in_bytes += p->len;
    if (!l->held)
        read_later(sim, l);
}

static void packet_take(struct link *l, struct skt_room *room)
{
    struct packet *p = l->in;

    skt_put(room, skt_span_of(p->bytes, p->len));
    l->in_bytes -= p->len;
    l->in = p->next;
    if (!l->in)
        l->in_end = &l->in;
    free(p);
}

/* How many packets of those that wait come in one train, and their bytes. */
static uint32_t train_len(struct sim *sim, const struct link *l, size_t *ret_bytes)
{
    const struct packet *first = l->in, *p = first;
    size_t bytes = 0;
    uint32_t n = 0;

    do {
        bytes += p->len;
        n++;
        if (p->len < first->len || !p->len)
            break; /* the last of a train may be shorter */
        p = p->next;
    } while (p && n < TRAIN_SEGS && p->len && p->len <= first->len && bytes + p->len <= TRAIN_MAX &&
             same(&p->from, &first->from) && sim_below(sim, 8));
    *ret_bytes = bytes;
    return n;
}

/* Takes them out of the socket, as one read with GRO does. */
static void train_make(struct sim *sim, struct link *l)
{
    size_t bytes;
    uint32_t n = train_len(sim, l, &bytes);
    struct skt_room room;

    l->train_seg = l->in->len;
    l->train_from = l->in->from;
    l->train_at = 0;
    l->train = skt_buf_new(bytes);
    if (!l->train)
        abort();
    room = skt_room_of(l->train->data, bytes);
    while (n--)
        packet_take(l, &room);
}

/* What the engine left with hold comes again, from the border of the datagram in which it stopped; without, it is lost. */
static void offer_train(struct sim *sim, struct link *l)
{
    struct skt_buf *buf = l->train;
    uint32_t at = l->train_at, n = buf->size - at;
    struct skt_addr peer = l->train_from;
    struct skt_in in = { .kind = SKT_DATA, .data = skt_span_of(buf->data + at, n), .peer = &peer };
    size_t took;
    skt_link id = sim_link_id(l);
    int host = l->host;

    in.seg = n > l->train_seg ? l->train_seg : 0;
    in.buf = sim_below(sim, 2) ? buf : NULL;
    l->train = NULL;
    sim_recv(sim, l, &in);
    took = n - skt_len(in.data);
    if (in.hold) {
        sim_hold(sim, l);
        if (took < n) {
            l->train_at = at + (uint32_t)(in.seg ? took / in.seg * in.seg : 0);
            l->train = skt_buf_ref(buf);
        }
    }
    skt_buf_put(buf);
    sim_pump(sim, host);
    l = sim_link_of(sim, host, id);
    if (l && !l->held && l->in)
        read_later(sim, l);
}

/* The engine did something: it may want what it held, or else what came meanwhile. */
void sim_udp_offer(struct sim *sim, struct link *l)
{
    if (l->train)
        offer_train(sim, l);
    else if (l->in)
        read_later(sim, l);
}

void sim_udp_drop(struct link *l)
{
    while (l->in) {
        struct packet *p = l->in;
        l->in = p->next;
        free(p);
    }
    l->in_end = &l->in;
    skt_buf_put(l->train);
    l->train = NULL;
}

static void opened(struct sim *sim, struct link *l)
{
    struct skt_addr peer = l->peer;
    struct skt_in in = { .kind = SKT_OPEN, .peer = &peer };

    sim->stats.opened++;
    sim_tell(sim, l, &in);
}

void sim_udp_event(struct sim *sim, const struct event *e)
{
    struct link *l;

    if (e->kind == EV_DATAGRAM) {
        on_datagram(sim, e->packet);
        return;
    }
    l = sim_link_of(sim, (int)e->who, e->gen);
    if (!l)
        return;
    if (e->kind == EV_DRAIN) {
        drain(sim, l);
        return;
    }
    if (e->side) {
        opened(sim, l);
        return;
    }
    l->train_event = false;
    if (l->held || !l->in)
        return;
    train_make(sim, l);
    offer_train(sim, l);
}
