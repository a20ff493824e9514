#pragma once
#include <sockit/engine.h>

/* eyeballs: which of a name's addresses to try, and when (RFC 8305, happy eyeballs). Pure: it is told of attempts, it
 * makes none.
 *
 *   init; then, after each call and at wake: while (next(e, now, &i)) start a connect to e->addr[i];
 *   a connect fails: failed(e, now, i, why); it succeeds: won(e, i), then for each i below e->n with trying(e, i), cancel it.
 *   Over with success when won was called, with failure when all_failed(e): why(e, &i) is the error to tell. */
enum { SKT_EYEBALLS_MAX = 16 };

struct skt_eyeballs {
    uint32_t n, started, failed;
    skt_time delay, due; /* due: the next attempt starts then */
    bool over;           /* `winner` won */
    uint32_t winner;
    struct skt_addr addr[SKT_EYEBALLS_MAX]; /* interleaved by family, beginning with that of the first given */
    int why[SKT_EYEBALLS_MAX];              /* -errno of those that failed, else 0 */
};

/* addrs: in order of preference, as the resolver sorted them; more than SKT_EYEBALLS_MAX: the rest is left out.
 * delay: from one attempt to the next; 0: 250 ms (RFC 8305 section 8). At least 10 ms. */
void skt_eyeballs_init(struct skt_eyeballs *e, const struct skt_addr *addrs, uint32_t n, skt_time delay);
bool skt_eyeballs_next(struct skt_eyeballs *e, skt_time now, uint32_t *ret_i); /* start this attempt now */
skt_time skt_eyeballs_wake(const struct skt_eyeballs *e);                      /* SKT_NEVER: nothing left to start */
void skt_eyeballs_failed(struct skt_eyeballs *e, skt_time now, uint32_t i, int why); /* the next may start at once */
void skt_eyeballs_won(struct skt_eyeballs *e, uint32_t i);
bool skt_eyeballs_trying(const struct skt_eyeballs *e, uint32_t i); /* started, neither failed nor won */
bool skt_eyeballs_all_failed(const struct skt_eyeballs *e);
/* The error to tell when all failed, and whose it is: the first address's, unless it only says that this machine has no
 * way there (ENETUNREACH...) and a later one says more. n == 0: -ENOENT. */
int skt_eyeballs_why(const struct skt_eyeballs *e, uint32_t *ret_i);
