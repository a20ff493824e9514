/* ccworld: flows that share one bottleneck, and the time in which they do. Start reading at ccw_run(). */
#include "ccinside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 1 << 20 };

/* ---- events ---- */

void ccw_at(struct ccw *w, skt_time when, struct event e)
{
    uint32_t id = w->free_event;

    if (id)
        w->free_event = w->events[id].next_free;
    else
        id = ++w->events_n;
    assert(id < EVENTS);
    w->events[id] = e;
    if (skt_heap_push(&w->heap, when > w->now ? when : w->now, id))
        abort();
}

void ccw_wake(struct ccw *w, struct flow *f, skt_time when)
{
    if (f->timer && f->timer <= when && w->now < f->timer)
        return;
    f->timer = when;
    ccw_at(w, when, (struct event){ .what = WAKE, .flow = f->index });
}

/* ---- the path ---- */

static struct skt_path_conf path_of(const struct ccw_conf *c, bool there)
{
    struct skt_path_conf p = there ? c->more : (struct skt_path_conf){ 0 };
    uint64_t bdp = c->rate_bytes * (uint64_t)c->rtt / (uint64_t)SKT_SEC;

    p.delay = c->rtt / 2;
    if (c->loss > 0)
        p.loss = c->loss;
    if (there && c->rate_bytes) {
        p.rate_bytes = c->rate_bytes;
        p.queue_bytes = c->queue_bytes ? c->queue_bytes : bdp > 128 << 10 ? bdp : 128 << 10;
    }
    return p;
}

static void step(struct ccw *w, const struct ccw_step *s)
{
    w->there.conf.delay = w->back.conf.delay = s->delay;
    w->there.conf.loss = w->back.conf.loss = s->loss;
    w->there.conf.rate_bytes = s->rate_bytes ? s->rate_bytes : w->there.conf.rate_bytes;
    w->dead = s->dead;
}

void ccw_pass(struct ccw *w, bool there, struct event e, size_t len, skt_time more)
{
    struct skt_path *path = there ? &w->there : &w->back;
    uint64_t index = there ? w->index_there++ : w->index_back++;
    struct skt_path_fate fate = skt_path_pass(path, w->now, len, index);

    for (uint32_t i = 0; i < fate.copies && !w->dead; i++) {
        skt_time when = fate.at[i] + more;
        if (!there && w->conf.gather)
            when = (when / w->conf.gather + 1) * w->conf.gather;
        ccw_at(w, when, e);
    }
}

/* ---- the world ---- */

struct ccw *ccw_new(const struct ccw_conf *conf)
{
    struct ccw *w = calloc(1, sizeof *w);
    struct skt_path_conf there = path_of(conf, true), back = path_of(conf, false);

    if (!w)
        return NULL;
    w->conf = *conf;
    w->events = calloc(EVENTS, sizeof *w->events);
    skt_path_init(&w->there, &there, conf->seed, 0);
    skt_path_init(&w->back, &back, conf->seed, 1);
    if (!w->events || skt_heap_init(&w->heap, EVENTS)) {
        free(w->events);
        free(w);
        return NULL;
    }
    for (uint32_t i = 0; i < conf->flows; i++) {
        struct flow *f = &w->flow[i];
        *f = (struct flow){ .conf = conf->flow[i], .index = i };
        f->payload = f->conf.kind == CCW_OURS ? CCW_PAYLOAD : CCW_TCP_PAYLOAD;
        f->chunks = (f->conf.bytes + f->payload - 1) / f->payload;
        ccw_wake(w, f, f->conf.start);
    }
    for (uint32_t i = 0; i < conf->steps; i++)
        ccw_at(w, conf->step[i].at, (struct event){ .what = STEP, .n = i });
    return w;
}

void ccw_free(struct ccw *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->conf.flows; i++) {
        ccf_done(&w->flow[i]);
    }
    skt_path_done(&w->there);
    skt_path_done(&w->back);
    skt_heap_done(&w->heap);
    free(w->events);
    free(w);
}

static void happen(struct ccw *w, const struct event *e)
{
    struct flow *f = &w->flow[e->flow];

    switch (e->what) {
    case WAKE: ccf_run(w, f); break;
    case DATA: ccf_data(w, f, e->n); break;
    case ACK: ccf_ack(w, f, e->n, e->delay); break;
    case ACK_TIMER: ccf_ack_timer(w, f); break;
    case STEP: step(w, &w->conf.step[e->n]); break;
    }
}

static void trace(struct ccw *w)
{
    uint64_t queue;
    uint32_t packets;

    if (!w->conf.trace || w->now < w->told)
        return;
    w->told = w->now + w->conf.trace;
    skt_path_occupancy(&w->there, w->now, &queue, &packets);
    printf("%7.3f q%5.1fms drop %6lu", (double)w->now / 1e9,
        w->there.conf.rate_bytes ? (double)queue * 1e3 / (double)w->there.conf.rate_bytes : 0,
        (unsigned long)w->there.dropped);
    for (uint32_t i = 0; i < w->conf.flows; i++) {
        const struct flow *f = &w->flow[i];
        printf(" | %-7s w%6lu in%6lu %7.2f Mb rtt %5.1f/%5.1f %8.2f MB", f->cc ? skt_cc_state(f->cc) : "tcp",
            (unsigned long)(f->began ? ccf_window(f) / CCW_WIRE : 0), (unsigned long)(f->inflight / CCW_WIRE),
            f->cc ? (double)skt_cc_rate(f->cc) * 8e-6 : 0, (double)f->srtt / 1e6, (double)f->rtt_min / 1e6,
            (double)f->result.payload / 1e6);
    }
    printf("\n");
}

static bool all_done(const struct ccw *w)
{
    for (uint32_t i = 0; i < w->conf.flows; i++)
        if (!w->flow[i].done)
            return false;
    return true;
}

void ccw_run(struct ccw *w, skt_time until)
{
    skt_time when;
    uint32_t id;

    while (!all_done(w) && skt_heap_top(&w->heap, &when, &id) && when <= until) {
        struct event e = w->events[id];
        skt_heap_pop(&w->heap);
        w->events[id].next_free = w->free_event;
        w->free_event = id;
        w->now = when;
        trace(w);
        happen(w, &e);
    }
    if (!all_done(w))
        w->now = until;
}

skt_time ccw_now(const struct ccw *w) { return w->now; }
struct skt_cc *ccw_cc(const struct ccw *w, uint32_t flow) { return w->flow[flow].cc; }

struct ccw_result ccw_result(const struct ccw *w, uint32_t flow)
{
    const struct flow *f = &w->flow[flow];
    struct ccw_result r = f->result;

    r.done = f->done;
    r.took = (f->done ? f->done_at : w->now) - f->conf.start;
    r.queue_mean = f->got_n ? f->queue_sum / (double)f->got_n : 0;
    return r;
}
