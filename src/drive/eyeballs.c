/* eyeballs: the race of connection attempts (RFC 8305). */
#include "drive/eyeballs.h"

#include <assert.h>
#include <errno.h>

enum { DELAY_MS = 250, DELAY_MIN_MS = 10 }; /* RFC 8305 section 8: recommended, and the least that may be */

/* The first from i on of the family (or not of it). n: none. */
static uint32_t seek(const struct skt_addr *addrs, uint32_t n, uint32_t i, uint8_t family, bool same)
{
    while (i < n && (addrs[i].family == family) != same)
        i++;
    return i;
}

/* RFC 8305 section 4: "interleave address families", with a First Address Family Count of 1. */
static void interleave(struct skt_eyeballs *e, const struct skt_addr *addrs, uint32_t n)
{
    uint8_t first = n ? addrs[0].family : SKT_NOWHERE;
    uint32_t at[2] = { seek(addrs, n, 0, first, true), seek(addrs, n, 0, first, false) };
    bool other = false;

    while (e->n < SKT_EYEBALLS_MAX && (at[0] < n || at[1] < n)) {
        if (at[other] >= n)
            other = !other;
        e->addr[e->n++] = addrs[at[other]];
        at[other] = seek(addrs, n, at[other] + 1, first, !other);
        other = !other;
    }
}

void skt_eyeballs_init(struct skt_eyeballs *e, const struct skt_addr *addrs, uint32_t n, skt_time delay)
{
    *e = (struct skt_eyeballs){ .delay = delay ? delay : DELAY_MS * SKT_MS, .due = INT64_MIN };
    if (e->delay < DELAY_MIN_MS * SKT_MS)
        e->delay = DELAY_MIN_MS * SKT_MS;
    interleave(e, addrs, n);
}

bool skt_eyeballs_next(struct skt_eyeballs *e, skt_time now, uint32_t *ret_i)
{
    if (e->over || e->started == e->n || now < e->due)
        return false;
    *ret_i = e->started++;
    e->due = now + e->delay;
    return true;
}

skt_time skt_eyeballs_wake(const struct skt_eyeballs *e) { return e->over || e->started == e->n ? SKT_NEVER : e->due; }

void skt_eyeballs_failed(struct skt_eyeballs *e, skt_time now, uint32_t i, int why)
{
    if (e->over || !skt_eyeballs_trying(e, i))
        return;
    assert(why < 0);
    e->why[i] = why;
    e->failed++;
    /* Only the newest holds back the next: an older one that fails late leaves the others their time. */
    if (i + 1 == e->started)
        e->due = now;
}

void skt_eyeballs_won(struct skt_eyeballs *e, uint32_t i)
{
    assert(i < e->started);
    if (e->over || e->why[i])
        return;
    e->over = true;
    e->winner = i;
}

bool skt_eyeballs_trying(const struct skt_eyeballs *e, uint32_t i)
{
    return i < e->started && !e->why[i] && !(e->over && i == e->winner);
}

bool skt_eyeballs_all_failed(const struct skt_eyeballs *e) { return !e->over && e->failed == e->n; }

/* Says something of this machine (no such family here, no route), not of the peer. */
static bool is_ours(int why)
{
    return why == -ENETUNREACH || why == -EADDRNOTAVAIL || why == -EAFNOSUPPORT || why == -ENETDOWN;
}

int skt_eyeballs_why(const struct skt_eyeballs *e, uint32_t *ret_i)
{
    uint32_t i = 0;

    if (!e->n)
        return -ENOENT;
    while (i < e->n && (!e->why[i] || is_ours(e->why[i])))
        i++;
    *ret_i = i < e->n ? i : 0;
    return e->why[*ret_i];
}
