/* proxy: the contract, the line that all share, and who is paired with whom. Start reading at impair_recv(). */
#include "engine/impair/proxy.h"

#include "base/random.h"

#include <errno.h>
#include <stdlib.h>

#include "base/banned.h"

/* --- pairs and their sides --- */

struct pair *impair_pair(struct skt_impair *m, skt_link link, bool *ret_side)
{
    const uint32_t *chunk = m->sides[skt_slot(link) / SIDES_A_CHUNK];
    uint32_t at = chunk ? chunk[skt_slot(link) % SIDES_A_CHUNK] : 0;

    if (!at || m->pairs[at / 2].side[at % 2].link != link)
        return NULL;
    *ret_side = at % 2;
    return &m->pairs[at / 2];
}

/* Doubles pairs, and asks with them: a pair asks once, so there is room. */
static int grow(struct skt_impair *m)
{
    uint32_t n = m->n_pairs ? m->n_pairs * 2 : 16;
    struct pair *pairs;
    uint32_t *asks;

    if (n > SKT_LINKS_MAX / 2)
        return -ENOSPC;
    pairs = realloc(m->pairs, n * sizeof *pairs);
    if (!pairs)
        return -ENOMEM;
    m->pairs = pairs;
    asks = realloc(m->asks, n * sizeof *asks);
    if (!asks)
        return -ENOMEM;
    m->asks = asks;
    for (uint32_t i = n; i-- > (m->n_pairs ? m->n_pairs : 1);) {
        m->pairs[i] = (struct pair){ .next_free = m->free_pair };
        m->free_pair = i;
    }
    m->n_pairs = n;
    return 0;
}

static bool is_hit(const struct skt_impair *m, uint32_t number)
{
    double dice = (double)(skt_hash64(m->seed, UINT64_MAX, 0, number) >> 11) * 0x1p-53;

    return dice >= m->conf.spare;
}

struct pair *impair_pair_new(struct skt_impair *m, skt_time now, skt_link near, const struct skt_addr *peer)
{
    struct pair *p;

    if (!m->free_pair && grow(m)) {
        m->refused++;
        return NULL;
    }
    p = &m->pairs[m->free_pair];
    m->free_pair = p->next_free;
    *p = (struct pair){ .used = true,
        .number = (uint32_t)++m->came,
        .since = now,
        .heard = now,
        .near = near,
        .peer = *peer,
        .wait_first = UINT32_MAX,
        .wait_last = UINT32_MAX };
    p->hit = is_hit(m, p->number);
    m->hit += p->hit;
    m->there++;
    streamline_init(&p->line[NEAR]);
    streamline_init(&p->line[FAR]);
    return p;
}

bool impair_side_set(struct skt_impair *m, struct pair *p, bool side, skt_link link)
{
    uint32_t **chunk = &m->sides[skt_slot(link) / SIDES_A_CHUNK];

    if (!*chunk && !(*chunk = calloc(SIDES_A_CHUNK, sizeof **chunk)))
        return false;
    (*chunk)[skt_slot(link) % SIDES_A_CHUNK] = (uint32_t)(p - m->pairs) * 2 + (uint32_t)side;
    p->side[side].link = link;
    return true;
}

void impair_side_drop(struct skt_impair *m, struct pair *p, bool side)
{
    skt_link link = p->side[side].link;

    if (link && m->sides[skt_slot(link) / SIDES_A_CHUNK])
        m->sides[skt_slot(link) / SIDES_A_CHUNK][skt_slot(link) % SIDES_A_CHUNK] = 0;
    p->side[side].link = 0;
}

void impair_pair_free(struct skt_impair *m, struct pair *p)
{
    impair_side_drop(m, p, NEAR);
    impair_side_drop(m, p, FAR);
    streamline_clear(m, p, NEAR);
    streamline_clear(m, p, FAR);
    for (uint32_t i = 0; i < m->n_asks; i++)
        if (m->asks[i] == p - m->pairs)
            m->asks[i--] = m->asks[--m->n_asks];
    *p = (struct pair){ .next_free = m->free_pair };
    m->free_pair = (uint32_t)(p - m->pairs);
    m->there--;
}

void impair_ask(struct skt_impair *m, struct pair *p)
{
    p->asked = true;
    m->asks[m->n_asks++] = (uint32_t)(p - m->pairs);
}

void impair_close(struct skt_impair *m, struct pair *p, bool side, int why)
{
    uint8_t how = why < 0 ? 2 : 1;

    if (!p->side[side].link || p->side[side].closing >= how)
        return;
    p->side[side].closing = how;
    (void)skt_outbox_close(&m->box, p->side[side].link, why);
}

skt_time impair_entry(struct way *w, skt_time now, skt_time at)
{
    at = at < w->last ? w->last : at;
    at = at < now ? at : now;
    w->last = at;
    return at;
}

/* --- events --- */

static void event(struct skt_impair *m, const struct skt_impair_event *ev)
{
    if (m->n_events == EVENTS_MAX) { /* the verb does not listen: the oldest goes */
        m->first = (m->first + 1) % EVENTS_MAX;
        m->n_events--;
    }
    m->events[(m->first + m->n_events++) % EVENTS_MAX] = *ev;
}

void impair_tell(struct skt_impair *m, const struct pair *p, enum skt_impair_what what, skt_time now, int why)
{
    m->failed += what == SKT_IMPAIR_FAILED;
    event(m, &(struct skt_impair_event){ .what = what,
                 .link = what == SKT_IMPAIR_FAILED ? p->side[FAR].link : p->near,
                 .number = p->number,
                 .peer = p->peer,
                 .hit = p->hit,
                 .target = what == SKT_IMPAIR_FAILED || p->guilty == FAR,
                 .up = p->bytes[NEAR],
                 .down = p->bytes[FAR],
                 .stayed = now - p->since,
                 .why = why });
}

bool skt_impair_next(struct skt_impair *m, struct skt_impair_event *ret_event)
{
    if (!m->n_events)
        return false;
    *ret_event = m->events[m->first];
    m->first = (m->first + 1) % EVENTS_MAX;
    m->n_events--;
    return true;
}

/* --- the line --- */

/* What is bad has words. */
static bool is_clean(const struct skt_path_conf *conf)
{
    char text[SKT_NETEM_TEXT];
    struct skt_room room = skt_room_of(text, sizeof text);

    skt_put_netem(&room, conf);
    return !room.bad && skt_span_is((struct skt_span){ .p = (uint8_t *)text, .end = room.p }, "clear");
}

static bool has_toxics(const struct skt_impair_conf *c)
{
    return c->reset_after || c->reset_bytes || c->limit_bytes || c->slow_close || c->slice || c->blackhole;
}

/* What holds at this time of the profile. */
static void apply(struct skt_impair *m, skt_time now)
{
    skt_time next = SKT_NEVER;
    const struct skt_netem *netem = skt_profile_at(m->profile, now - m->start, &next);

    for (int i = 0; i < 2; i++) {
        m->way[i].path.conf = netem->way[i];
        m->way[i].clean = is_clean(&netem->way[i]);
    }
    m->change = next == SKT_NEVER ? SKT_NEVER : m->start + next;
}

static void line_tick(struct skt_impair *m, skt_time now)
{
    if (!m->started && m->profile) {
        m->started = true;
        m->start = now;
        apply(m, now);
    }
    while (m->change <= now) {
        apply(m, now);
        event(m, &(struct skt_impair_event){ .what = SKT_IMPAIR_CHANGED });
    }
    if (m->room_at <= now)
        m->room_at = SKT_NEVER;
    if (m->conf.every && m->count_at == SKT_NEVER)
        m->count_at = now + m->conf.every;
    if (m->count_at <= now) {
        m->count_at += m->conf.every;
        if (m->count_at <= now) /* held up: what was missed is not made up for */
            m->count_at = now + m->conf.every;
        event(m, &(struct skt_impair_event){ .what = SKT_IMPAIR_COUNTS });
    }
}

void impair_take(struct skt_impair *m, struct skt_profile *profile)
{
    skt_time next;
    const struct skt_netem *netem = skt_profile_at(profile, 0, &next);

    if (!m->profile) /* the dice are thrown from the first seed on, whatever follows */
        m->seed = netem->seed;
    skt_profile_free(m->profile);
    m->profile = profile;
    m->started = false;
    for (int i = 0; i < 2; i++) {
        m->way[i].path.conf = netem->way[i];
        m->way[i].path.seed = m->seed;
        m->way[i].clean = is_clean(&netem->way[i]);
        m->way[i].still = m->way[i].clean && next == SKT_NEVER && !m->conf.changes && !has_toxics(&m->conf);
    }
    m->change = SKT_NEVER;
}

int skt_impair_network(struct skt_impair *m, struct skt_span text, const char *name, struct skt_room *why)
{
    const struct skt_netem base = { .seed = m->seed };
    struct skt_profile *profile;
    int r = skt_profile_new(text, name, &base, &profile, why);

    if (!r)
        impair_take(m, profile);
    return r;
}

/* --- the contract --- */

static void impair_recv(void *self, skt_time now, struct skt_in *in)
{
    struct skt_impair *m = self;

    line_tick(m, now);
    (m->conf.datagrams ? impair_flows_recv : impair_stream_recv)(m, now, in);
}

static bool send_ask(struct skt_impair *m, skt_time now, struct skt_out *out)
{
    while (m->n_asks) {
        struct pair *p = &m->pairs[m->asks[--m->n_asks]];
        if (!p->used || !p->asked || p->side[FAR].link)
            continue;
        if (out->link && impair_side_set(m, p, FAR, out->link)) {
            out->kind = SKT_OPEN;
            skt_put_str(&out->data, m->conf.to);
            return true;
        }
        if (m->conf.datagrams)
            impair_flows_refused(m, p, now, -ENFILE);
        else
            impair_stream_refused(m, p, -ENFILE);
    }
    return false;
}

/* What is released is limited by what the driver has taken: a round begins when the outbox is empty. */
static bool impair_send(void *self, skt_time now, struct skt_out *out)
{
    struct skt_impair *m = self;

    line_tick(m, now);
    if (!skt_outbox_count(&m->box)) {
        m->batch = 0;
        if (m->conf.datagrams)
            impair_flows_tick(m, now);
        else
            impair_stream_tick(m, now);
    }
    return send_ask(m, now, out) || skt_outbox_send(&m->box, out) ||
           (m->conf.datagrams && impair_flows_send(m, now, out));
}

static skt_time earlier(skt_time a, skt_time b) { return a < b ? a : b; }

static skt_time impair_wake(const void *self)
{
    const struct skt_impair *m = self;
    skt_time at = earlier(earlier(m->change, m->count_at), m->room_at), due;
    const struct gram *gram = m->conf.datagrams ? grams_top(&m->grams) : NULL;
    uint32_t id;

    if (skt_heap_top(&m->due, &due, &id))
        at = earlier(at, due);
    if (!m->started && m->profile) /* new: its time begins with the next call */
        at = 0;
    return gram ? earlier(at, gram->at) : at;
}

static const struct skt_engine_ops impair_ops = { impair_recv, impair_send, impair_wake };

struct skt_engine skt_impair_engine(struct skt_impair *m) { return (struct skt_engine){ &impair_ops, m }; }

/* --- counters --- */

static void way_stats(struct way *w, skt_time now, struct skt_impair_way *ret)
{
    *ret = (struct skt_impair_way){ .in = w->in,
        .in_bytes = w->in_bytes,
        .out = w->out,
        .out_bytes = w->out_bytes,
        .lost = w->path.lost + w->lost,
        .dropped = w->path.dropped + w->dropped,
        .duplicated = w->path.copied,
        .corrupted = w->path.corrupted,
        .reordered = w->path.reordered,
        .resent = w->resent,
        .queue_peak = w->path.queue.peak_bytes,
        .line_bytes = w->bytes,
        .line_packets = w->packets,
        .error = { .n = w->lag.n,
            .mean = skt_lag_mean(&w->lag),
            .p50 = skt_lag_quantile(&w->lag, .5),
            .p99 = skt_lag_quantile(&w->lag, .99),
            .max = w->lag.max } };
    skt_path_occupancy(&w->path, now, &ret->queue_bytes, &ret->queue_packets);
}

void skt_impair_stats(struct skt_impair *m, skt_time now, struct skt_impair_stats *ret_stats)
{
    *ret_stats = (struct skt_impair_stats){
        .came = m->came, .hit = m->hit, .failed = m->failed, .refused = m->refused, .there = m->there
    };
    way_stats(&m->way[SKT_UP], now, &ret_stats->up);
    way_stats(&m->way[SKT_DOWN], now, &ret_stats->down);
}

/* --- life --- */

static void defaults(struct skt_impair_conf *c)
{
    if (!c->slice_delay)
        c->slice_delay = 100 * SKT_US;
    if (!c->line_bytes)
        c->line_bytes = 4 << 20;
    if (!c->total_bytes)
        c->total_bytes = 256 << 20;
    if (!c->max_datagrams)
        c->max_datagrams = 1 << 17;
    if (!c->max_flows)
        c->max_flows = 4096;
    if (!c->flow_idle)
        c->flow_idle = 60 * SKT_SEC;
}

static int init(struct skt_impair *m, const struct skt_impair_conf *conf)
{
    static const struct skt_path_conf nothing;

    m->conf = *conf;
    defaults(&m->conf);
    m->change = m->count_at = m->room_at = SKT_NEVER;
    for (uint32_t i = 0; i < 2; i++) {
        skt_path_init(&m->way[i].path, &nothing, 0, i);
        skt_lag_init(&m->way[i].lag);
        m->way[i].clean = true;
        m->way[i].still = !conf->changes && !has_toxics(conf);
    }
    skt_outbox_init(&m->box, 4096, 1 << 20);
    m->sides = calloc(SKT_LINKS_MAX / SIDES_A_CHUNK, sizeof *m->sides);
    if (!m->sides || skt_outbox_reserve(&m->box)) /* so that a close can always be asked for */
        return -ENOMEM;
    return conf->datagrams ? impair_flows_init(m) : skt_heap_init(&m->due, 4 * SKT_LINKS_MAX);
}

int skt_impair_new(const struct skt_impair_conf *conf, struct skt_impair **ret_impair)
{
    struct skt_impair *m;
    int r;

    if (!conf->to || !(conf->spare >= 0 && conf->spare <= 1))
        return -EINVAL;
    m = calloc(1, sizeof *m);
    r = m ? init(m, conf) : -ENOMEM;
    if (r)
        skt_impair_free(m);
    else
        *ret_impair = m;
    return r;
}

void skt_impair_free(struct skt_impair *m)
{
    if (!m)
        return;
    for (uint32_t i = 1; i < m->n_pairs; i++)
        if (m->pairs[i].used)
            impair_pair_free(m, &m->pairs[i]);
    for (uint32_t i = 0; m->sides && i < SKT_LINKS_MAX / SIDES_A_CHUNK; i++)
        free(m->sides[i]);
    free(m->sides);
    free(m->pairs);
    free(m->asks);
    impair_flows_done(m);
    skt_heap_done(&m->due);
    skt_profile_free(m->profile);
    skt_path_done(&m->way[0].path);
    skt_path_done(&m->way[1].path);
    skt_outbox_done(&m->box);
    free(m);
}
