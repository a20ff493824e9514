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

enum { MIB = 1024 * 1024 };

static inline struct skt_span text_of(const char *text) { return skt_span_str(text); }

/* What a thread of the test does with its end. */
static inline pthread_t in_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    return thread;
}

/* What goes through a connection in a thread. */
struct bulk {
    struct skt_sock *sock;
    uint8_t *bytes;
    int r;
};

static inline void *send_bulk(void *arg)
{
    struct bulk *b = arg;

    b->r = skt_send_all(b->sock, skt_span_of(b->bytes, MIB), SOON);
    return NULL;
}

static inline void wants_line(struct skt_sock *s, const char *want)
{
    struct skt_span line;

    assert_int_equal(skt_recv_line(s, &line, SOON), 1);
    if (!skt_span_is(line, want))
        fail_msg("'%.*s' instead of '%s'", (int)skt_len(line), (const char *)line.p, want);
}
