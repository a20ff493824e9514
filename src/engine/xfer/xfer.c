/* xfer: the engine: what the driver and the verb call. Start reading at xfer_recv() and skt_xfer_next(); sessions are in
 * session.c, files in offer.c (sending) and take.c (receiving), the conversation in conn.c. */
#include <sockit/xfer.h>

#include "engine/xfer/inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* How long an end may be silent after something spoke against it: an ICMP error; or only that another sender brings a file of
 * the same name, and then who has a short break must not lose it. */
#define DOUBTED    SKT_SEC
#define WAITED_FOR (5 * SKT_SEC)
#define IDLE       (600 * SKT_SEC)

/* --- the contract --- */

/* The link is gone, and with it everybody who was there. */
static void on_gone(struct skt_xfer *x, int why)
{
    x->linked = false;
    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        struct session *s = x->sessions[i];

        if (!s)
            continue;
        xfer_closed(s, why ? why : -ENOTCONN, why == -ECONNREFUSED ? "" : "the socket is gone");
        skt_conn_free(s->conn);
        s->conn = s->desk.conn = NULL;
    }
}

/* Somebody says that the other end is not there any more. Is it? */
static void doubt(struct skt_xfer *x)
{
    for (uint32_t i = 0; i < x->conf.sessions; i++)
        if (x->sessions[i] && x->sessions[i]->conn)
            skt_conn_prove(x->sessions[i]->conn, x->now, DOUBTED);
    x->poke = true;
}

/* The handshake is in clear anyway; a conn gives what it seals and opens. */
static void show_clear(struct skt_xfer *x, bool sent, const struct skt_addr *peer, struct skt_span datagram)
{
    if (skt_len(datagram) && *datagram.p != SKT_XFER_SEALED)
        skt_plain_put(&x->plain, sent, peer, datagram, (struct skt_span){ 0 });
}

static void xfer_recv(void *self, skt_time now, struct skt_in *in)
{
    struct skt_xfer *x = self;

    x->now = now;
    if (!x->linked || in->link != x->link) {
        in->data.p = in->data.end;
        return;
    }
    switch (in->kind) {
    case SKT_DATA:
        do {
            size_t n = in->seg && in->seg < skt_len(in->data) ? in->seg : skt_len(in->data);
            struct skt_span datagram = skt_get_span(&in->data, n);
            show_clear(x, false, in->peer, datagram);
            xfer_packet(x, datagram, in->peer);
        } while (skt_len(in->data));
        break;
    case SKT_FULL: x->full = true; break;
    case SKT_ROOM: x->full = false; break;
    case SKT_CLOSE: on_gone(x, in->why); break;
    case SKT_EOF: doubt(x); break;
    case SKT_OPEN:
    case SKT_SHARE:
    case SKT_MOVE: break; /* nothing to do */
    }
}

static bool send_answer(struct skt_xfer *x, struct skt_out *out)
{
    struct answer *a = &x->answers[x->first_answer];

    if (!x->n_answers)
        return false;
    out->link = x->link;
    out->kind = SKT_DATA;
    out->peer = a->to;
    skt_put(&out->data, skt_span_of(a->bytes, a->len));
    x->first_answer = (x->first_answer + 1) % ANSWERS;
    x->n_answers--;
    return true;
}

/* Those of whom nothing is left to tell. */
static void sweep(struct skt_xfer *x)
{
    for (uint32_t i = 0; i < x->conf.sessions; i++)
        if (x->sessions[i] && !x->conf.send && xfer_over(x, x->sessions[i])) {
            xfer_session_free(x->sessions[i]);
            x->sessions[i] = NULL;
        }
}

static bool next_out(struct skt_xfer *x, struct skt_out *out)
{
    if (send_answer(x, out))
        return true;
    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        struct session *s = x->sessions[(x->turn_out + i) % x->conf.sessions];

        if (s && xfer_train(x, s, out)) {
            x->turn_out = (x->turn_out + i + 1) % x->conf.sessions;
            return true;
        }
    }
    return false;
}

static bool xfer_send(void *self, skt_time now, struct skt_out *out)
{
    struct skt_xfer *x = self;
    const uint8_t *begin = out->data.p;

    x->now = now;
    if (!x->linked || x->full)
        return false;
    if (x->conf.send && !x->sessions[0]->conn && !x->sessions[0]->closed && xfer_begin(x))
        return false;
    if (next_out(x, out)) {
        show_clear(x, true, &out->peer, (struct skt_span){ .p = begin, .end = out->data.p });
        return true;
    }
    sweep(x);
    x->poke = false;
    return false;
}

static skt_time xfer_wake(const void *self)
{
    const struct skt_xfer *x = self;
    skt_time at = SKT_NEVER, due;

    if (!x->linked || x->full)
        return SKT_NEVER;
    if (x->poke || x->n_answers)
        return 0;
    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        const struct session *s = x->sessions[i];

        due = s && s->conn ? skt_conn_wake(s->conn) : SKT_NEVER;
        at = due < at ? due : at;
        due = s && s->take && s->conn ? skt_take_wake(s->take) : SKT_NEVER;
        at = due < at ? due : at;
        due = s && s->conn ? xfer_idle_until(x, s) : SKT_NEVER;
        at = due < at ? due : at;
    }
    return at;
}

static const struct skt_engine_ops xfer_ops = { xfer_recv, xfer_send, xfer_wake };

struct skt_engine skt_xfer_engine(struct skt_xfer *x) { return (struct skt_engine){ &xfer_ops, x }; }

void skt_xfer_link(struct skt_xfer *x, skt_link link, const struct skt_addr *to)
{
    x->link = link;
    x->linked = true;
    x->to = to ? *to : (struct skt_addr){ 0 };
    x->poke = true;
}

/* --- events --- */

static bool next_of_role(struct session *s, struct skt_xfer_event *ev)
{
    return (s->take && skt_take_next(s->take, ev)) || (s->offer && skt_offer_next(s->offer, ev));
}

/* Has the role let go of everything? */
static bool is_empty(const struct session *s)
{
    return (!s->take || skt_take_over(s->take)) && (!s->offer || skt_offer_over(s->offer));
}

static bool tell_session(
    struct skt_xfer *x, struct session *s, struct skt_xfer_event *ev, enum skt_xfer_event_kind kind)
{
    *ev = (struct skt_xfer_event){ .kind = kind, .session = s->desk.session };
    ev->peer = s->conn && !x->conf.send ? skt_conn_peer(s->conn) : &x->to;
    return true;
}

static bool next_of_session(struct skt_xfer *x, struct session *s, struct skt_xfer_event *ev)
{
    if (!s->told_put_off && s->conn && skt_conn_is_put_off(s->conn)) {
        s->told_put_off = true;
        return tell_session(x, s, ev, SKT_XFER_PUT_OFF);
    }
    if (s->opened && !s->told_open) {
        s->told_open = true;
        return tell_session(x, s, ev, SKT_XFER_OPEN_SESSION);
    }
    for (bool closed = !s->closed; closed != s->closed;) { /* again if that closed it: there is more to tell now */
        closed = s->closed;
        if (next_of_role(s, ev)) {
            ev->peer = NULL;
            return true;
        }
        xfer_settle(x, s);
    }
    if (!s->closed || s->told_closed || !is_empty(s))
        return false;
    s->told_closed = true;
    x->poke = true;
    if (!s->opened && !x->conf.send) /* a stranger's: nobody heard that it began */
        return false;
    tell_session(x, s, ev, SKT_XFER_CLOSED_SESSION);
    ev->why = s->why;
    ev->hash = s->agreed ? s->hash : NULL;
    memcpy(ev->text, s->text, sizeof ev->text);
    return true;
}

/* A packet for who writes a capture. */
static bool next_plain(struct skt_xfer *x, struct skt_xfer_event *ev)
{
    struct skt_plain_packet packet;

    if (!skt_plain_next(&x->plain, &packet))
        return false;
    x->plain_peer = packet.peer.family ? packet.peer : x->to;
    *ev = (struct skt_xfer_event){
        .kind = SKT_XFER_PLAIN, .data = packet.bytes, .peer = &x->plain_peer, .why = packet.sent
    };
    return true;
}

bool skt_xfer_next(struct skt_xfer *x, struct skt_xfer_event *ev)
{
    if (next_plain(x, ev))
        return true;
    if (x->wrong_told != x->wrong) {
        *ev = (struct skt_xfer_event){ .kind = SKT_XFER_SECRET_SPENT };
        (void)snprintf(ev->text, sizeof ev->text, "%u of %d guesses were wrong", ++x->wrong_told, GUESSES);
        return true;
    }
    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        struct session *s = x->sessions[(x->turn_event + i) % x->conf.sessions];

        if (s && next_of_session(x, s, ev)) {
            x->turn_event = (x->turn_event + i + 1) % x->conf.sessions;
            return true;
        }
    }
    return false;
}

/* Another session holds a file that this one brings: who was killed and began again should not wait for his own ghost. */
static void prove_others(struct skt_xfer *x, struct session *s)
{
    s->desk.busy = false;
    for (uint32_t i = 0; i < x->conf.sessions; i++)
        if (x->sessions[i] && x->sessions[i] != s && x->sessions[i]->conn)
            skt_conn_prove(x->sessions[i]->conn, x->now, WAITED_FOR);
}

void skt_xfer_answer(struct skt_xfer *x, uint32_t job, int64_t result)
{
    struct skt_job what;
    struct session *s;

    if (!skt_jobs_end(&x->jobs, job, &what))
        return;
    s = x->sessions[what.session]; /* is there: jobs hold it */
    s->desk.out--;
    s->desk.moved = x->now;
    if (s->take)
        skt_take_answer(s->take, &what, result);
    else
        skt_offer_answer(s->offer, &what, result);
    if (s->desk.busy)
        prove_others(x, s);
    xfer_settle(x, s);
    x->poke = true;
}

int skt_xfer_offer(struct skt_xfer *x, const struct skt_xfer_meta *meta)
{
    struct session *s = x->sessions[0];
    int r;

    if (!x->conf.send || !s->offer)
        return -EINVAL;
    r = skt_offer_entry(s->offer, meta);
    x->poke = true;
    return r;
}

void skt_xfer_totals(struct skt_xfer *x, uint64_t files, uint64_t bytes)
{
    x->files = files;
    x->bytes = bytes;
}

void skt_xfer_shut(struct skt_xfer *x) { x->shut = true; }

void skt_xfer_stop(struct skt_xfer *x)
{
    x->stopped = true;
    x->poke = true;
    for (uint32_t i = 0; i < x->conf.sessions; i++) {
        struct session *s = x->sessions[i];

        if (!s || s->closed)
            continue;
        skt_desk_close(&s->desk, SKT_XFER_STOPPED, "stopped by the user");
        xfer_settle(x, s);
        xfer_closed(s, -ECANCELED, s->desk.text); /* if it had not begun */
    }
}

bool skt_xfer_stats(const struct skt_xfer *x, uint32_t session, struct skt_xfer_stats *ret_stats)
{
    const struct session *s = session < x->conf.sessions ? x->sessions[session] : NULL;

    if (!s)
        return false;
    *ret_stats = s->desk.stats;
    if (s->conn)
        skt_conn_stats(s->conn, ret_stats);
    return true;
}

/* --- life --- */

static void wipe_secret(struct skt_xfer *x)
{
    if (x->secret)
        explicit_bzero(x->secret, SECRET_MAX);
    x->secret_len = 0;
}

int skt_xfer_secret(struct skt_xfer *x, struct skt_span secret)
{
    if (x->locked)
        return -EKEYREVOKED;
    if (skt_len(secret) > SECRET_MAX)
        return -EINVAL;
    wipe_secret(x);
    if (skt_len(secret))
        memcpy(x->secret, secret.p, skt_len(secret));
    x->secret_len = skt_len(secret);
    return 0;
}

static void defaults(struct skt_xfer_conf *c)
{
    if (!c->window)
        c->window = 64 << 20;
    if (!c->idle)
        c->idle = IDLE;
    if (!c->sessions)
        c->sessions = SESSIONS;
    if (c->sessions > SESSIONS_MAX)
        c->sessions = SESSIONS_MAX;
    if (c->send)
        c->sessions = 1;
    if (!c->max_files || c->max_files == UINT32_MAX)
        c->max_files = c->max_files ? UINT32_MAX - 1 : 1000000;
    if (!c->max_packet)
        c->max_packet = 65000;
}

static int init(struct skt_xfer *x)
{
    uint8_t chance[SKT_GATE_CHANCE];

    x->files = x->bytes = UINT64_MAX;
    x->sessions = calloc(x->conf.sessions, sizeof(struct session *));
    x->secret = malloc(SECRET_MAX);
    if (!x->sessions || !x->secret)
        return -ENOMEM;
    if (x->conf.send) {
        x->sessions[0] = calloc(1, sizeof *x->sessions[0]);
        if (!x->sessions[0])
            return -ENOMEM;
        x->sessions[0]->desk = (struct skt_desk){ .jobs = &x->jobs, .pool = &x->pool, .cells.pool = &x->pool };
    }
    xfer_draw(x, "gate", chance, sizeof chance);
    skt_gate_init(&x->gate, x->conf.crypt, x->conf.pair ? SKT_XFER_PAIR : SKT_XFER_KEY, chance);
    return skt_xfer_secret(x, x->conf.secret);
}

int skt_xfer_new(const struct skt_xfer_conf *conf, struct skt_xfer **ret_xfer)
{
    struct skt_xfer *x;
    int r;

    if (!conf->crypt || (conf->send && !skt_len(conf->secret)))
        return -EINVAL;
    x = calloc(1, sizeof *x);
    if (!x)
        return -ENOMEM;
    x->conf = *conf;
    defaults(&x->conf);
    x->plain.on = conf->plain;
    r = init(x);
    x->conf.secret = (struct skt_span){ 0 };
    if (r)
        skt_xfer_free(x);
    else
        *ret_xfer = x;
    return r;
}

void skt_xfer_free(struct skt_xfer *x)
{
    if (!x)
        return;
    for (uint32_t i = 0; x->sessions && i < x->conf.sessions; i++)
        xfer_session_free(x->sessions[i]);
    skt_jobs_done(&x->jobs, &x->pool);
    skt_pool_done(&x->pool);
    skt_plain_done(&x->plain);
    wipe_secret(x);
    free(x->secret);
    free(x->sessions);
    explicit_bzero(x, sizeof *x);
    free(x);
}
