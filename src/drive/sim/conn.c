/* conn: how a connection of the simulation begins and ends. What it carries is in tcp.c. */
#include "drive/sim/inside.h"

#include <errno.h>
#include <stdlib.h>

enum { HEAD = 40, TRIES_MAX = 15, BUFFER_MIN = 4096 };
#define SYN_RETRY  SKT_SEC
#define RTO        (200 * SKT_MS)
#define KEEP_ALIVE (60 * SKT_SEC)

/* Its events know it by number and generation, so that those of an old connection mean nothing to the next. */
static struct conn *conn_new(struct sim *sim)
{
    struct conn *c;

    if (sim->n_free_conns) {
        c = sim->conns[sim->free_conns[--sim->n_free_conns]];
    } else {
        sim->conns = sim_mem(sim->conns, sim->n_conns + 1, sizeof(struct conn *));
        sim->free_conns = sim_mem(sim->free_conns, sim->n_conns + 1, sizeof *sim->free_conns);
        c = sim->conns[sim->n_conns] = sim_mem(NULL, 1, sizeof *c);
        c->index = sim->n_conns++;
    }
    *c = (struct conn){ .index = c->index, .gen = c->gen + 1, .used = true };
    return c;
}

static void pipes_done(struct conn *c)
{
    for (int i = 0; i < 2; i++) {
        free(c->pipe[i].bytes.p);
        free(c->pipe[i].segs);
    }
}

void sim_tcp_free(struct conn *c)
{
    if (c->used)
        pipes_done(c);
    free(c);
}

static void conn_done(struct sim *sim, struct conn *c)
{
    if (!c->used)
        return;
    pipes_done(c);
    c->used = false;
    sim->free_conns[sim->n_free_conns++] = c->index;
}

static struct event conn_event(const struct conn *c, enum event_kind kind, uint8_t side, skt_time at)
{
    return (struct event){ .at = at, .kind = (uint8_t)kind, .side = side, .who = c->index, .gen = c->gen };
}

/* When a packet that is sent until it arrives does so; false: never. */
static bool arrives(struct sim *sim, struct wire *w, skt_time *ret_at)
{
    skt_time at = sim->now;

    for (int i = 0; i < TRIES_MAX; i++, at += RTO << (i < 6 ? i : 6)) {
        struct skt_path_fate fate = skt_path_pass(&w->path, at, HEAD, w->index++);
        if (!fate.copies || fate.flip[0])
            continue;
        *ret_at = fate.at[0];
        return true;
    }
    return false;
}

/* A word of the handshake or a reset, for that side. A reset that never arrives is noticed by keep-alive. */
static void send_event(struct sim *sim, struct conn *c, enum event_kind kind, uint8_t to)
{
    skt_time at;

    bool will = arrives(sim, c->pipe[!to].wire, &at);

    if (!will && kind == EV_RESET)
        at = sim->now + KEEP_ALIVE; /* then it finds out for itself */
    if (will || kind == EV_RESET)
        sim_at(sim, conn_event(c, kind, to, at));
}

/* A word for the other side that meets a cut comes later. */
static bool put_off(struct sim *sim, const struct conn *c, const struct event *e)
{
    struct event later = *e;

    if (!c->pipe[!e->side].wire->cut || (e->kind == EV_RESET && e->why == TRIES_MAX))
        return false;
    later.at = sim->now + SYN_RETRY;
    if (later.why++ < TRIES_MAX)
        sim_at(sim, later);
    return true;
}

/* ---- the beginning ---- */

/* Buffers are drawn, not configured: a test meets small and big ones. */
static void pipe_init(struct sim *sim, struct pipe *p, int from, int to)
{
    const struct sim_conf *conf = &sim->conf;

    p->wire = sim_wire_of(sim, from, to);
    p->back = sim_wire_of(sim, to, from);
    p->send_buf = conf->send_buf ? conf->send_buf : (uint32_t)BUFFER_MIN << sim_below(sim, 7);
    p->recv_buf = conf->recv_buf ? conf->recv_buf : (uint32_t)BUFFER_MIN << sim_below(sim, 7);
    p->window = p->told_window = p->recv_buf;
}

/* Nothing of it is told before the next event: the engine, or the test, has still to learn the link's name. */
void sim_tcp_open(struct sim *sim, struct link *l, int to, uint16_t port)
{
    struct conn *c = conn_new(sim);

    c->host[0] = l->host;
    c->host[1] = to;
    c->link[0] = l;
    l->conn = c->index;
    l->side = 0;
    c->addr[0] = sim->hosts[l->host]->addr;
    c->addr[0].port = sim_free_port(sim, l->host);
    c->addr[1] = sim->hosts[to]->addr;
    c->addr[1].port = port;
    c->tear = sim->conf.whole ? 0 : (uint8_t)((uint8_t[]){ 0, 0, 0, 1, 1, 2 }[sim_below(sim, 6)]);
    pipe_init(sim, &c->pipe[0], l->host, to);
    pipe_init(sim, &c->pipe[1], to, l->host);
    sim_at(sim, conn_event(c, EV_PATIENCE, 0, sim->now + sim->conf.patience));
    if (!sim_chance(sim, sim->conf.hang))
        send_event(sim, c, EV_SYN, 1);
}

/* At the other host: who listens there is looked up now, not when it was sent. */
static void on_syn(struct sim *sim, struct conn *c)
{
    if (sim_bound(sim, c->host[1], false, c->addr[1].port))
        send_event(sim, c, EV_SYNACK, 0);
    else
        send_event(sim, c, EV_REFUSED, 0);
}

static void plan_break(struct sim *sim, struct conn *c)
{
    if (sim_chance(sim, sim->conf.cut))
        sim_at(sim, conn_event(c, EV_BREAK, (uint8_t)sim_below(sim, 2),
                        sim->now + (skt_time)sim_below(sim, (uint64_t)sim->conf.cut_within)));
}

/* What was sent to the link before it was open goes out now. */
static void opened(struct sim *sim, struct link *l, const struct skt_addr *peer, skt_link via)
{
    struct skt_in in = { .kind = SKT_OPEN, .peer = peer, .via = via };
    struct skt_addr copy = *peer; /* valid during the call, and no longer */

    in.peer = &copy;
    l->what = STREAM;
    sim->stats.opened++;
    if (l->pieces || l->out_eof)
        sim_dirty(sim, l);
    sim_tell(sim, l, &in);
}

static void on_synack(struct sim *sim, struct conn *c)
{
    skt_time at;

    if (!c->link[0] || c->link[0]->what != OPENING || !arrives(sim, c->pipe[0].wire, &at))
        return;
    c->pipe[0].last_at = at; /* data does not overtake the handshake */
    sim_at(sim, conn_event(c, EV_ACCEPT, 1, at));
    c->flow.iface = sim->hosts[c->host[0]]->iface;
    if (sim->tap)
        skt_tap_stream_open(sim->tap, sim->now, &c->flow, &c->addr[0], &c->addr[1], true, NULL);
    plan_break(sim, c);
    opened(sim, c->link[0], &c->addr[1], 0);
}

/* The handshake is over; out of links or memory the server resets what the client takes for open, as a kernel would. */
static void on_accept(struct sim *sim, struct conn *c)
{
    struct link *listener = sim_bound(sim, c->host[1], false, c->addr[1].port), *l = NULL;

    c->made = true;
    if (listener && !sim_chance(sim, sim->conf.no_memory))
        l = sim_link_new(sim, c->host[1], STREAM);
    if (!l) {
        sim->stats.refused++;
        sim_tcp_reset(sim, c, 1);
        return;
    }
    c->link[1] = l;
    l->conn = c->index;
    l->side = 1;
    opened(sim, l, &c->addr[0], sim_link_id(listener));
}

/* ---- the end ---- */

/* This side says RST, and the other hears of it. */
void sim_tcp_reset(struct sim *sim, struct conn *c, uint8_t side)
{
    if (c->reset)
        return;
    c->reset = true;
    if (sim->tap)
        skt_tap_stream_close(sim->tap, sim->now, &c->flow, side ? SKT_TAP_IN : SKT_TAP_OUT, true);
    if (c->link[!side])
        send_event(sim, c, EV_RESET, !side);
    else if (c->made && !c->link[side])
        conn_done(sim, c);
}

/* Nothing passes any more: each side finds out for itself, the sender first. */
void sim_tcp_lost(struct sim *sim, struct conn *c)
{
    c->reset = true;
    for (uint8_t side = 0; side < 2; side++)
        if (c->link[side])
            sim_at(sim, (struct event){ .at = sim->now + (skt_time)(side ? sim_below(sim, KEEP_ALIVE) : 0),
                            .kind = EV_CLOSED,
                            .who = (uint32_t)c->host[side],
                            .gen = sim_link_id(c->link[side]),
                            .why = -ETIMEDOUT });
    if (!c->link[0] && !c->link[1])
        conn_done(sim, c);
}

/* The other side may still read what this one sent before: the connection ends when both have left. */
void sim_tcp_gone(struct sim *sim, struct link *l, int why)
{
    struct conn *c = l->conn != NO_CONN ? sim->conns[l->conn] : NULL;

    if (!c)
        return;
    l->conn = NO_CONN;
    if (!c->reset && why < 0 && l->what == STREAM)
        sim_tcp_reset(sim, c, l->side);
    c->link[l->side] = NULL;
    c->left_at[l->side] = sim->now;
    if (l->what == OPENING || (!c->link[!l->side] && (c->made || c->reset)))
        conn_done(sim, c);
}

/* By chance of conf.cut: seen here at once, there when the path lets it. */
static void on_break(struct sim *sim, struct conn *c, uint8_t side)
{
    struct link *l = c->link[side];

    if (!l || c->reset)
        return;
    sim_tcp_reset(sim, c, side);
    sim_link_gone(sim, l, sim_below(sim, 2) ? -ECONNRESET : -ETIMEDOUT);
}

void sim_conn_event(struct sim *sim, struct conn *c, const struct event *e)
{
    struct link *l = c->link[e->side];

    if (e->kind == EV_PATIENCE) {
        if (l && l->what == OPENING)
            sim_link_gone(sim, l, -ETIMEDOUT);
        return;
    }
    if (e->kind == EV_BREAK) {
        on_break(sim, c, e->side);
        return;
    }
    if ((c->reset && e->kind != EV_RESET) || put_off(sim, c, e))
        return;
    if (e->kind == EV_SYN)
        on_syn(sim, c);
    else if (e->kind == EV_SYNACK)
        on_synack(sim, c);
    else if (e->kind == EV_ACCEPT)
        on_accept(sim, c);
    else if (e->kind == EV_REFUSED && l)
        sim_link_gone(sim, l, -ECONNREFUSED);
    else if (e->kind == EV_RESET && l)
        sim_link_gone(sim, l, -ECONNRESET);
}
