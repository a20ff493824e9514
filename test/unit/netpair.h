#pragma once
/* What the façade's tests share: two ends of a connection on loopback, and a clock that knows when the machine was busy. */
#include "test.h"

#include <sockit/net.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SOON skt_in(10 * SKT_SEC) /* what does happen on loopback happens long before */

static inline struct skt_sock *bound(const char *where)
{
    struct skt_sock *s = NULL;
    struct skt_err err;

    if (skt_bind(where, NULL, SOON, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

static inline struct skt_sock *dialled(const char *where)
{
    struct skt_sock *s = NULL;
    struct skt_err err;

    if (skt_dial(where, NULL, SOON, &s, &err))
        fail_msg("%s", err.text);
    return s;
}

/* An abstract Unix name that no other run of these tests has; valid until the next call. */
static inline const char *own(const char *scheme)
{
    static char where[64];
    static int n;

    snprintf(where, sizeof where, "%s@sockit-test-%d-%d", scheme, getpid(), n++);
    return where;
}

struct pair {
    struct skt_sock *listener, *client, *server;
};

static inline struct pair pair_on(const char *where)
{
    struct pair p = { .listener = bound(where) };

    p.client = dialled(skt_sock_local(p.listener));
    assert_int_equal(skt_accept(p.listener, SOON, &p.server), 0);
    return p;
}

static inline void pair_close(struct pair *p)
{
    skt_sock_close(p->client);
    skt_sock_close(p->server);
    skt_sock_close(p->listener);
}

/* ---- time ---- */

/* ns that this thread was ready to run and waited for a processor: the machine's fault, not ours. */
static inline skt_time run_delay(void)
{
    FILE *f = fopen("/proc/thread-self/schedstat", "re");
    long long ran = 0, waited = 0;

    if (f && fscanf(f, "%lld %lld", &ran, &waited) != 2)
        waited = 0;
    if (f)
        fclose(f);
    return waited;
}

struct stopwatch {
    skt_time at, delay;
};

static inline struct stopwatch start_watch(void) { return (struct stopwatch){ skt_now(), run_delay() }; }

/* It took `length`, and at most 100 ms more. */
static inline void took(struct stopwatch w, skt_time length)
{
    skt_time took = skt_now() - w.at, late = took - length - (run_delay() - w.delay);

    if (took < length || late > 100 * SKT_MS)
        fail_msg("%lld ms instead of %lld", (long long)(took / SKT_MS), (long long)(length / SKT_MS));
}

static inline void failed_at(const struct skt_err *err, enum skt_stage stage, int error)
{
    assert_int_equal(err->stage, stage);
    assert_int_equal(err->errno_, error);
}
