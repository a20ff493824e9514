/* rt: the runtime: engines over epoll. Start reading at skt_rt_step(): one turn. */
#include "drive/rt/inside.h"

#include "drive/dns.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- blocks: counted memory that reads and engines fill from the left; it starts again when nobody kept a piece --- */

static struct skt_buf *block_take(struct skt_rt *rt)
{
    return rt->n_spare_blocks ? rt->spare_blocks[--rt->n_spare_blocks] : skt_buf_new(BLOCK);
}

/* Our own reference goes; a block that nobody else holds is the next one used, while it is still in the cache. */
static void block_give(struct skt_rt *rt, struct skt_buf *buf)
{
    if (buf && buf->refs == 1 && rt->n_spare_blocks < (int)(sizeof rt->spare_blocks / sizeof *rt->spare_blocks))
        rt->spare_blocks[rt->n_spare_blocks++] = buf;
    else
        skt_buf_put(buf);
}

int block_room(struct skt_rt *rt, struct block *b, size_t n, struct skt_room *ret_room)
{
    if (b->buf && b->buf->refs == 1)
        b->off = 0;
    if (!b->buf || b->buf->size - b->off < n) {
        struct skt_buf *next = block_take(rt);
        if (!next)
            return -ENOMEM;
        block_give(rt, b->buf);
        *b = (struct block){ next, 0 };
    }
    *ret_room = skt_room_of(b->buf->data + b->off, b->buf->size - b->off);
    return 0;
}

void block_used(struct block *b, const uint8_t *end) { b->off = (uint32_t)(end - b->buf->data); }

/* --- engines --- */

/* The bytes of an output as a piece of a counted block; shared ones as they are. */
static void out_bytes(struct skt_rt *rt, struct link *l, struct skt_out *out)
{
    struct skt_buf *buf = out->kind == SKT_SHARE ? out->buf : rt->out.buf;
    struct skt_span bytes = out->share;
    int r;

    if (out->kind == SKT_DATA) {
        bytes = (struct skt_span){ .p = rt->out.buf->data + rt->out.off, .end = out->data.p };
        block_used(&rt->out, out->data.p);
    }
    if (l->what == DGRAM)
        r = dgram_send(rt, l, out, buf, bytes);
    else
        r = stream_add(rt, l, buf, bytes);
    if (r == -ENOBUFS)
        rt->stats.dropped_full++;
    if (r)
        link_gone(rt, l, r);
    else if (l->queue.bytes >= FLUSH_NOW && !l->full)
        stream_flush(rt, l); /* now, while it is in the cache */
}

/* The link meant, if it is this engine's and still takes outputs; else counted. */
static struct link *out_link(struct skt_rt *rt, int engine, skt_link id)
{
    struct link *l = link_of(rt, id);

    if (l && l->engine == engine && !l->closing && l->what != LINGERING && l->what != RESERVED)
        return l;
    rt->stats.stale++;
    return NULL;
}

static void out_share(struct skt_rt *rt, int engine, struct skt_out *out)
{
    for (uint32_t i = 0; i < out->also_n; i++) {
        struct link *l = out_link(rt, engine, out->also[i]);
        if (l)
            out_bytes(rt, l, out);
    }
}

static void out_open(struct skt_rt *rt, int engine, struct skt_out *out)
{
    struct link *l = link_claim(rt, out->link);
    const uint8_t *text = rt->out.buf->data + rt->out.off;
    size_t n = (size_t)(out->data.p - text);
    char where[512];
    int r;

    if (!l) {
        rt->stats.stale++;
        return;
    }
    if (n >= sizeof where)
        n = sizeof where - 1;
    memcpy(where, text, n);
    where[n] = 0;
    l->what = OPENING;
    l->engine = (uint8_t)engine;
    l->known = true;
    r = open_start(rt, l, where, &rt->engines[engine].open);
    if (r)
        link_gone(rt, l, r);
}

static void out_do(struct skt_rt *rt, int engine, struct skt_out *out)
{
    struct link *l, *from;
    int r;

    if (out->kind == SKT_OPEN) {
        out_open(rt, engine, out);
        return;
    }
    l = out_link(rt, engine, out->link);
    if (out->kind == SKT_SHARE) {
        if (l)
            out_bytes(rt, l, out);
        out_share(rt, engine, out);
        return;
    }
    if (!l)
        return;
    switch (out->kind) {
    case SKT_DATA: out_bytes(rt, l, out); break;
    case SKT_MOVE:
        from = link_of(rt, out->from);
        r = from && from->engine == engine ? move_start(rt, from, l, out->len) : -ESTALE;
        if (r)
            link_gone(rt, l, r);
        break;
    case SKT_EOF:
        l->out_eof = true;
        link_dirty(rt, l);
        break;
    case SKT_CLOSE: stream_close(rt, l, out->why); break;
    case SKT_SHARE:
    case SKT_OPEN:
    case SKT_FULL:
    case SKT_ROOM: assert(!"an engine cannot say that");
    }
}

/* Does all that the engine wants now. Not re-entered: what an output makes known to the engine (a link that broke) is
 * received at once, and what it wants about that comes in the loop that is running. */
static void pump(struct skt_rt *rt, int engine)
{
    const struct skt_engine *e = &rt->engines[engine].engine;
    __attribute__((uninitialized)) skt_link also[ALSO_MAX];

    rt->engines[engine].active = true;
    if (rt->engines[engine].pumping)
        return;
    rt->engines[engine].pumping = true;
    rt->engines[engine].stalled = false;
    for (;;) {
        __attribute__((uninitialized)) struct skt_out out; /* what send may leave out is set below; a message has two */

        out.kind = SKT_DATA;
        out.seg = 0;
        out.share = (struct skt_span){ 0 };
        out.peer = (struct skt_addr){ 0 };
        out.why = 0;
        out.also = also;
        out.also_n = 0;
        out.also_max = ALSO_MAX;
        out.link = link_reserve(rt);
        if (block_room(rt, &rt->out, READ_MAX, &out.data)) { /* more than was promised: a datagram of any size */
            rt->again = rt->engines[engine].stalled = true;  /* no memory: try in the next turn */
            break;
        }
        if (!e->ops->send(e->self, rt->now, &out))
            break;
        out_do(rt, engine, &out);
    }
    rt->engines[engine].pumping = false;
}

void tell(struct skt_rt *rt, struct link *l, struct skt_in *in)
{
    const struct skt_engine *e = &rt->engines[l->engine].engine;

    in->link = link_id(l);
    e->ops->recv(e->self, rt->now, in);
    pump(rt, l->engine);
}

void tell_kind(struct skt_rt *rt, struct link *l, enum skt_kind kind, int why)
{
    struct skt_in in = { .kind = kind, .why = why };

    if (kind == SKT_CLOSE) /* who came and went within this turn was there for some time, too */
        rt->now = wait_clock();
    tell(rt, l, &in);
}

/* --- a turn --- */

static skt_time wake_at(const struct skt_rt *rt)
{
    skt_time at = SKT_NEVER, t;
    uint32_t id;

    if (rt->n_links && skt_heap_top(&rt->timers, &t, &id)) /* else entries of links that are gone */
        at = t;
    for (int i = 0; i < rt->n_engines; i++) {
        const struct skt_engine *e = &rt->engines[i].engine;
        t = e->ops->wake(e->self);
        at = t < at ? t : at;
    }
    if (rt->dns) {
        t = skt_dns_wake(rt->dns, rt->now);
        at = t < at ? t : at;
    }
    return at;
}

static unsigned files_events(const struct link *l)
{
    return l->want & ((l->always ? EPOLLIN : 0) | (l->out_always ? EPOLLOUT : 0));
}

static bool files_wanted(const struct skt_rt *rt)
{
    for (int i = 0; i < rt->n_always; i++)
        if (files_events(link_at(rt, rt->always[i])))
            return true;
    return false;
}

static void inner_event(struct skt_rt *rt, struct link *l)
{
    uint64_t n;

    if (l->slot == rt->dns_slot) {
        skt_dns_step(rt->dns, rt->now);
        open_dns(rt);
    } else if (l->slot == rt->alarm_slot) {
        wait_alarmed(rt);
    } else {
        (void)!read(rt->stop_fd, &n, sizeof n); /* only to make it unreadable; `stopped` has the news */
    }
}

static void event(struct skt_rt *rt, const struct epoll_event *ev)
{
    struct link *l = link_of(rt, (skt_link)ev->data.u64);

    if (!l)
        return;
    switch ((enum what)l->what) {
    case LISTENER: listener_event(rt, l); break;
    case DGRAM: dgram_event(rt, l, ev->events); break;
    case STREAM:
    case LINGERING: stream_event(rt, l, ev->events); break;
    case OPENING: open_event(rt, l, (uint32_t)(ev->data.u64 >> 32), ev->events); break;
    case INNER: inner_event(rt, l); break;
    case FREE:
    case RESERVED: break;
    }
}

/* Regular files are ready always, epoll will not have them. */
static void files_ready(struct skt_rt *rt)
{
    for (int i = 0; i < rt->n_always; i++) {
        struct link *l = link_at(rt, rt->always[i]);
        if (!l->gone && files_events(l))
            stream_event(rt, l, files_events(l));
    }
}

static void flush_dirty(struct skt_rt *rt)
{
    while (rt->dirty) {
        struct link *l = link_at(rt, rt->dirty);
        rt->dirty = l->next_dirty;
        l->dirty = false;
        if (l->gone)
            continue;
        if (l->what == DGRAM)
            dgram_flush(rt, l);
        else
            stream_flush(rt, l);
    }
}

/* Engines that did something may want now what they left unread. Each link once; those left again stay for the next turn. */
static void offer_held(struct skt_rt *rt)
{
    uint32_t slot = rt->held;

    rt->held = 0;
    while (slot) {
        struct link *l = link_at(rt, slot);
        slot = l->next_held;
        l->held = false;
        if (l->gone)
            continue;
        if (rt->engines[l->engine].active) {
            l->what == DGRAM ? dgram_again(rt, l) : stream_again(rt, l);
        } else {
            l->held = true;
            l->next_held = rt->held;
            rt->held = l->slot;
        }
    }
}

static void turn_end(struct skt_rt *rt)
{
    flush_dirty(rt);
    offer_held(rt);
    for (int i = 0; i < rt->n_engines; i++)
        rt->engines[i].active = false;
    do {
        flush_dirty(rt);
        link_wants_apply(rt);
        if (!rt->dirty && !rt->changed) /* what an engine wanted about a link that would not be polled goes first */
            link_reap_next(rt);
    } while (rt->gone || rt->dirty || rt->changed);
}

int skt_rt_step(struct skt_rt *rt)
{
    struct epoll_event *ev = rt->events;
    int n;

    if (atomic_exchange(&rt->stopped, false))
        return -EINTR;
    rt->now = wait_clock();
    for (int i = 0; i < rt->n_engines; i++) {
        const struct skt_engine *e = &rt->engines[i].engine;
        if (!rt->turns_done || rt->engines[i].stalled || e->ops->wake(e->self) <= rt->now)
            pump(rt, i);
    }
    rt->turns_done = true;
    turn_end(rt);
    skt_time at = wake_at(rt);
    if (!rt->n_links && at == SKT_NEVER && !rt->again)
        return 0;
    n = wait_events(rt, ev, at, files_wanted(rt));
    if (n < 0 && errno != EINTR)
        return -errno;
    rt->again = false;
    rt->now = wait_clock();
    rt->stats.turns++;
    if (rt->n_children && rt->now >= rt->reap_at)
        children_reap(rt);
    for (int i = 0; i < n; i++)
        event(rt, &ev[i]);
    files_ready(rt);
    link_timers_due(rt);
    if (rt->dns && skt_dns_wake(rt->dns, rt->now) <= rt->now) {
        skt_dns_step(rt->dns, rt->now);
        open_dns(rt);
    }
    turn_end(rt);
    return atomic_exchange(&rt->stopped, false) ? -EINTR : 1;
}

/* --- life --- */

int rt_inner(struct skt_rt *rt, int fd, uint32_t *ret_slot)
{
    struct link *l;
    int r = link_new(rt, 0, INNER, &l);

    if (r)
        return r;
    if (epoll_ctl(rt->epoll, EPOLL_CTL_ADD, fd, &(struct epoll_event){ .events = EPOLLIN, .data.u64 = link_id(l) })) {
        r = -errno;
        link_gone(rt, l, r);
        return r;
    }
    l->fd = l->out = fd;
    l->want = l->have = EPOLLIN;
    l->polled = true;
    *ret_slot = l->slot;
    return 0;
}

int rt_dns(struct skt_rt *rt)
{
    int r;

    if (rt->dns)
        return 0;
    if ((r = skt_dns_new(NULL, &rt->dns)))
        return r;
    int fd = fcntl(skt_dns_fd(rt->dns), F_DUPFD_CLOEXEC, 3); /* the link closes its own */
    r = fd < 0 ? -errno : rt_inner(rt, fd, &rt->dns_slot);
    if (!r)
        return 0;
    if (fd >= 0)
        close(fd);
    skt_dns_free(rt->dns);
    rt->dns = NULL;
    return r;
}

int skt_rt_new(const struct skt_rt_conf *conf, struct skt_rt **ret_rt)
{
    struct skt_rt *rt = calloc(1, sizeof *rt);
    uint32_t slot;
    int r;

    if (!rt)
        return -ENOMEM;
    if (conf)
        rt->conf = *conf;
    if (!rt->conf.max_links)
        rt->conf.max_links = 16384;
    if (rt->conf.max_links > SKT_LINKS_MAX / 2)
        rt->conf.max_links = SKT_LINKS_MAX / 2;
    if (!rt->conf.queue_bytes)
        rt->conf.queue_bytes = 1 << 20;
    rt->now = wait_clock();
    rt->spin = spin_of(rt->conf.spin);
    rt->epoll = epoll_create1(EPOLL_CLOEXEC);
    rt->alarm_fd = -1;
    rt->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    rt->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    rt->chunks = calloc(SKT_LINKS_MAX / LINKS_A_CHUNK, sizeof *rt->chunks);
    r = rt->epoll < 0 || rt->stop_fd < 0 || rt->spare_fd < 0 ? -EMFILE : !rt->chunks ? -ENOMEM : 0;
    if (!r) /* two entries a link: idle, and a deadline that came later */
        r = skt_heap_init(&rt->timers, 2 * SKT_LINKS_MAX);
    if (!r)
        rt->stoppable = !(r = rt_inner(rt, rt->stop_fd, &slot));
    if (r) {
        skt_rt_free(rt);
        return r;
    }
    *ret_rt = rt;
    return 0;
}

void skt_rt_free(struct skt_rt *rt)
{
    if (!rt)
        return;
    for (uint32_t slot = 1; slot < rt->n_slots; slot++)
        if (link_at(rt, slot)->what != FREE)
            link_free(rt, link_at(rt, slot));
    for (uint32_t i = 0; rt->chunks && i < rt->n_slots / LINKS_A_CHUNK; i++)
        free(rt->chunks[i]);
    free(rt->chunks);
    free(rt->children);
    skt_dns_free(rt->dns);
    skt_heap_done(&rt->timers);
    skt_buf_put(rt->in.buf);
    skt_buf_put(rt->out.buf);
    while (rt->n_spare_blocks)
        skt_buf_put(rt->spare_blocks[--rt->n_spare_blocks]);
    while (rt->n_pipes) {
        close(rt->pipes[--rt->n_pipes][0]);
        close(rt->pipes[rt->n_pipes][1]);
    }
    if (!rt->stoppable && rt->stop_fd >= 0) /* else a link owned and closed it */
        close(rt->stop_fd);
    if (rt->spare_fd >= 0)
        close(rt->spare_fd);
    if (rt->epoll >= 0)
        close(rt->epoll);
    free(rt);
}

int skt_rt_add(struct skt_rt *rt, struct skt_engine engine)
{
    if (rt->n_engines == ENGINES_MAX)
        return -ENOSPC;
    rt->engines[rt->n_engines].engine = engine;
    return rt->n_engines++;
}

void skt_rt_set(struct skt_rt *rt, int engine, struct skt_engine with) { rt->engines[engine].engine = with; }

void skt_rt_open_defaults(struct skt_rt *rt, int engine, const struct skt_open_conf *conf)
{
    rt->engines[engine].open = *conf;
}

void skt_rt_stop(struct skt_rt *rt)
{
    uint64_t one = 1;

    atomic_store(&rt->stopped, true);
    (void)!write(rt->stop_fd, &one, sizeof one); /* a full counter wakes as well */
}

void skt_rt_wake(struct skt_rt *rt)
{
    uint64_t one = 1;

    (void)!write(rt->stop_fd, &one, sizeof one); /* the same */
}

skt_time skt_rt_now(const struct skt_rt *rt) { return rt->now; }

void skt_rt_stats(const struct skt_rt *rt, struct skt_rt_stats *ret_stats)
{
    *ret_stats = rt->stats;
    ret_stats->links = rt->n_links;
}

int skt_rt_local(struct skt_rt *rt, skt_link link, struct skt_addr *ret_addr)
{
    const struct link *l = link_of(rt, link);

    if (!l)
        return -ESTALE;
    *ret_addr = sock_local(l->fd);
    return ret_addr->family == SKT_NOWHERE ? -ENOTCONN : 0;
}

int skt_rt_peer(struct skt_rt *rt, skt_link link, struct skt_addr *ret_addr)
{
    const struct link *l = link_of(rt, link);

    if (!l)
        return -ESTALE;
    *ret_addr = l->x && l->x->peer.family ? l->x->peer : sock_peer(l->fd);
    return ret_addr->family == SKT_NOWHERE ? -ENOTCONN : 0;
}

int skt_rt_close(struct skt_rt *rt, skt_link link)
{
    struct link *l = link_of(rt, link);

    if (!l || l->what == LINGERING || l->closing)
        return -ESTALE;
    stream_close(rt, l, 0);
    return 0;
}

const char *skt_rt_why(struct skt_rt *rt, skt_link link) { return rt->why_link == link ? rt->why_of : ""; }
