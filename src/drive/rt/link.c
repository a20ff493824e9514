/* link: the table of links: slots with generations, the lists of a turn, interest, timers, and the end of a link. */
#include "drive/rt/inside.h"

#include "base/text.h"
#include "drive/dns.h"
#include "drive/tap.h"
#include "drive/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    CHUNK = LINKS_A_CHUNK,
    SLOTS_OF_OURS = 4, /* to be stopped, for the resolver, for the alarm, and the reserved one */
    TIMERS_SPARE = 4096,
    GEN_MASK = (1 << (32 - SKT_LINK_BITS)) - 1,
};

struct link *link_at(const struct skt_rt *rt, uint32_t slot) { return &rt->chunks[slot / CHUNK][slot % CHUNK]; }

struct link *link_of(struct skt_rt *rt, skt_link id)
{
    uint32_t slot = skt_slot(id);
    struct link *l = slot && slot < rt->n_slots ? link_at(rt, slot) : NULL;

    return l && l->what != FREE && !l->gone && l->gen == id >> SKT_LINK_BITS ? l : NULL;
}

skt_link link_id(const struct link *l) { return (uint32_t)l->gen << SKT_LINK_BITS | l->slot; }

/* One more chunk of free slots; slot 0 is nobody's. */
static int more_slots(struct skt_rt *rt)
{
    uint32_t n = rt->n_slots / CHUNK, max = rt->conf.max_links + 1 + SLOTS_OF_OURS;
    struct link *chunk;

    if (rt->n_slots >= max || rt->n_slots >= SKT_LINKS_MAX)
        return -ENOSPC;
    chunk = calloc(CHUNK, sizeof *chunk);
    if (!chunk)
        return -ENOMEM;
    rt->chunks[n] = chunk;
    rt->n_slots += CHUNK;
    for (uint32_t i = CHUNK; i-- > 0;) {
        struct link *l = &chunk[i];
        l->slot = n * CHUNK + i;
        l->gen = 1;
        if (!l->slot || l->slot >= max)
            continue;
        l->next_dirty = rt->free_head;
        rt->free_head = l->slot;
    }
    return 0;
}

int link_new(struct skt_rt *rt, int engine, enum what what, struct link **ret_link)
{
    bool counts = what != INNER && what != RESERVED;
    struct link *l;
    int r;

    if (counts && rt->n_links >= rt->conf.max_links)
        return -ENOSPC;
    if (!rt->free_head && (r = more_slots(rt)))
        return r;
    l = link_at(rt, rt->free_head);
    rt->free_head = l->next_dirty;
    *l = (struct link){ .slot = l->slot, .gen = l->gen, .fd = -1, .out = -1, .what = what, .engine = (uint8_t)engine };
    l->heard = rt->now;
    rt->n_links += counts;
    *ret_link = l;
    return 0;
}

skt_link link_reserve(struct skt_rt *rt)
{
    struct link *l;

    if (!rt->fresh && !link_new(rt, 0, RESERVED, &l))
        rt->fresh = l->slot;
    return rt->fresh && rt->n_links < rt->conf.max_links ? link_id(link_at(rt, rt->fresh)) : 0;
}

struct link *link_claim(struct skt_rt *rt, skt_link id)
{
    struct link *l = link_of(rt, id);

    if (!l || l->what != RESERVED)
        return NULL;
    rt->fresh = 0;
    rt->n_links++;
    l->heard = rt->now;
    return l;
}

struct extra *link_extra(struct link *l)
{
    if (!l->x)
        l->x = calloc(1, sizeof *l->x);
    return l->x;
}

/* --- interest: changed during the turn, told to the kernel once at its end --- */

void link_want(struct skt_rt *rt, struct link *l, unsigned events)
{
    l->want = (uint16_t)events;
    if (l->want == l->have && l->polled)
        return;
    if (l->changed)
        return;
    l->changed = true;
    l->next_changed = rt->changed;
    rt->changed = l->slot;
}

/* A regular file is ready whenever asked: epoll refuses it, and each turn looks at it instead. */
static bool poll_always(struct skt_rt *rt, struct link *l, bool out)
{
    bool listed = l->always || l->out_always;

    if (!listed && rt->n_always == (int)(sizeof rt->always / sizeof *rt->always))
        return false;
    if (!listed)
        rt->always[rt->n_always++] = l->slot;
    l->always |= !out || l->out == l->fd;
    l->out_always |= out || l->out == l->fd;
    return true;
}

static void poll_set(struct skt_rt *rt, struct link *l, int fd, bool *polled, unsigned events)
{
    struct epoll_event ev = { .events = events, .data.u64 = link_id(l) };

    /* Without interest a peer's reset would still be reported, again and again: leave the set. */
    if (!events) {
        if (*polled)
            (void)epoll_ctl(rt->epoll, EPOLL_CTL_DEL, fd, NULL);
        *polled = false;
        return;
    }
    if (*polled) {
        if (epoll_ctl(rt->epoll, EPOLL_CTL_MOD, fd, &ev))
            link_gone(rt, l, -errno);
        return;
    }
    if (!epoll_ctl(rt->epoll, EPOLL_CTL_ADD, fd, &ev))
        *polled = true;
    else if (errno != EPERM || !poll_always(rt, l, fd == l->out))
        link_gone(rt, l, -errno);
}

static void want_apply(struct skt_rt *rt, struct link *l)
{
    bool in_polled = l->polled, out_polled = l->out_polled;

    if (l->gone || (l->want == l->have && l->polled == (l->want != 0)))
        return;
    if (l->fd >= 0 && !l->always)
        poll_set(rt, l, l->fd, &in_polled, l->out == l->fd ? l->want : l->want & ~EPOLLOUT);
    if (l->out >= 0 && l->out != l->fd && !l->out_always && !l->gone)
        poll_set(rt, l, l->out, &out_polled, l->want & EPOLLOUT);
    l->polled = in_polled;
    l->out_polled = out_polled;
    l->have = l->want;
}

void link_wants_apply(struct skt_rt *rt)
{
    while (rt->changed) {
        struct link *l = link_at(rt, rt->changed);
        rt->changed = l->next_changed;
        l->changed = false;
        want_apply(rt, l);
    }
}

void link_hold(struct skt_rt *rt, struct link *l)
{
    if (l->held)
        return;
    l->held = true;
    l->next_held = rt->held;
    rt->held = l->slot;
}

void link_dirty(struct skt_rt *rt, struct link *l)
{
    if (l->dirty)
        return;
    l->dirty = true;
    l->next_dirty = rt->dirty;
    rt->dirty = l->slot;
}

/* --- timers: an entry may be early, then it is put back with the right time; activity costs no heap operation --- */

uint32_t link_idle(skt_time idle)
{
    return idle > UINT32_MAX * SKT_MS ? UINT32_MAX : (uint32_t)((idle + SKT_MS - 1) / SKT_MS);
}

static skt_time due(const struct link *l)
{
    skt_time at = l->idle_ms ? l->heard + l->idle_ms * SKT_MS : SKT_NEVER;

    if (l->x && l->x->deadline && l->x->deadline < at)
        at = l->x->deadline;
    if (l->x && l->x->opening) {
        skt_time step = open_wake(l);
        at = step < at ? step : at;
    }
    return at;
}

static bool is_live(void *rt, uint32_t id) { return link_of(rt, id) != NULL; }

/* A link that is gone leaves its entry behind, which may be due only in hours: who connects again and again must not
 * fill the heap with them. They are thrown out when the heap has doubled: that costs a step an entry. */
int link_timer(struct skt_rt *rt, struct link *l)
{
    skt_time at = due(l);

    if (at == SKT_NEVER)
        return 0;
    l->timed = true;
    if (rt->timers.n >= rt->timers_full) {
        skt_heap_keep(&rt->timers, is_live, rt);
        rt->timers_full = rt->timers.n * 2 + TIMERS_SPARE;
    }
    return skt_heap_push(&rt->timers, at, link_id(l));
}

static void expired(struct skt_rt *rt, struct link *l)
{
    if (l->x && l->x->opening && l->x->deadline > rt->now) {
        open_step(rt, l);
        if (!l->gone)
            (void)link_timer(rt, l);
        return;
    }
    if (l->what == LISTENER) {
        listener_rested(rt, l);
        return;
    }
    if (l->what == LINGERING) {
        link_gone(rt, l, 0);
        return;
    }
    if (l->what == STREAM && !(l->x && l->x->deadline))
        rt->stats.dropped_idle++;
    if (l->what == OPENING)
        open_late(rt, l);
    else if (l->x && l->x->proxy)
        link_why_peer(rt, l, "talk to", "no PROXY header in time");
    else if (l->x && l->x->shaking)
        link_why_peer(rt, l, "TLS with", "no handshake in time");
    else
        link_why_peer(rt, l, "talk to", "silent for too long");
    link_gone(rt, l, -ETIMEDOUT);
}

void link_timers_due(struct skt_rt *rt)
{
    skt_time at;
    uint32_t id;

    while (skt_heap_top(&rt->timers, &at, &id) && at <= rt->now) {
        struct link *l = link_of(rt, id);
        skt_heap_pop(&rt->timers);
        if (!l)
            continue;
        if (due(l) <= rt->now)
            expired(rt, l);
        else
            (void)link_timer(rt, l); /* the slot it left is free: cannot fail */
    }
}

/* --- the end --- */

void link_why(struct skt_rt *rt, const struct link *l, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(rt->why_of, sizeof rt->why_of, fmt, ap);
    va_end(ap);
    rt->why_link = link_id(l);
}

/* Of a stream, by its peer: an error is told with its stage and whose it is. */
void link_why_peer(struct skt_rt *rt, const struct link *l, const char *stage, const char *why)
{
    struct skt_addr peer;
    char text[80] = "the peer";
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    if (!skt_rt_peer(rt, link_id(l), &peer) && peer.family != SKT_LOCAL) {
        skt_put_addr(&room, &peer);
        *room.p = 0;
    }
    link_why(rt, l, "%s %s: %s", stage, text, why);
}

void link_gone(struct skt_rt *rt, struct link *l, int why)
{
    if (l->gone)
        return;
    if (l->x && l->x->move)
        move_end(rt, l, why ? why : -ECANCELED);
    if (l->x && l->x->feeder) {
        struct link *from = link_of(rt, l->x->feeder);
        if (from)
            move_end(rt, from, why ? why : -EPIPE);
    }
    if (l->gone)
        return;
    tapped_close(rt, l, why);
    tlslink_gone(rt, l, why);
    l->gone = true;
    l->next_gone = rt->gone;
    rt->gone = l->slot;
    if (l->known)
        tell_kind(rt, l, SKT_CLOSE, why);
}

static void close_fds(struct skt_rt *rt, struct link *l)
{
    if (l->out >= 0 && l->out != l->fd)
        close(l->out);
    if (l->fd >= 0)
        close(l->fd);
}

void link_free(struct skt_rt *rt, struct link *l)
{
    if (l->x) {
        skt_tls_session_free(l->x->tls);
        queue_done(&l->x->cipher);
        open_free(rt, l->x);
        listener_free(l->x);
        dgram_free(l->x);
        free(l->x->flow);
        free(l->x->move);
        free(l->x->head);
        free(l->x);
    }
    queue_done(&l->queue);
    skt_buf_put(l->rest.buf);
    close_fds(rt, l);
}

static void always_drop(struct skt_rt *rt, uint32_t slot)
{
    for (int i = 0; i < rt->n_always; i++)
        if (rt->always[i] == slot)
            rt->always[i--] = rt->always[--rt->n_always];
}

static void held_drop(struct skt_rt *rt, uint32_t slot)
{
    uint32_t *at = &rt->held;

    while (*at != slot)
        at = &link_at(rt, *at)->next_held;
    *at = link_at(rt, slot)->next_held;
}

void link_reap_next(struct skt_rt *rt)
{
    while (rt->gone) {
        struct link *l = link_at(rt, rt->gone);
        uint32_t slot = l->slot;
        uint16_t gen = (l->gen + 1) & GEN_MASK;

        rt->gone = l->next_gone;
        assert(!l->dirty && !l->changed); /* their lists were walked just before */
        if (l->held)
            held_drop(rt, slot);
        rt->n_links -= l->what != INNER && l->what != RESERVED;
        if (l->via)
            listener_left(rt, l);
        if (l->always || l->out_always)
            always_drop(rt, slot);
        if (l->x && l->x->child)
            children_add(rt, l);
        link_free(rt, l);
        *l = (struct link){ .slot = slot, .gen = gen ? gen : 1, .what = FREE, .next_dirty = rt->free_head };
        rt->free_head = slot;
    }
}
