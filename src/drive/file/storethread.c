/* storethread: a thread that does what a store is asked for. Start reading at work(). */
#include "drive/file/storethread.h"

#include <sockit/rt.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

/* What was asked, and then what came of it. As many as the engine has jobs, and files to drop. */
struct request {
    struct request *next;
    struct skt_xfer_event event;
    struct skt_xfer_meta meta; /* of MAKE: the engine's own goes with its next event */
    int64_t result;
    uint8_t names[];
};

struct line {
    struct request *first, **end;
};

struct skt_storethread {
    struct skt_store *store; /* the thread's, while it is busy or something is in asked */
    struct skt_rt *rt;
    pthread_t thread;
    bool running;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more;  /* something was asked */
    pthread_cond_t idle;
    struct line asked, answered;
    bool busy, stopped, over;
    struct request *mine; /* answers that the loop has taken: its own */
};

/* --- lines --- */

static void line_init(struct line *l) { *l = (struct line){ NULL, &l->first }; }

static void line_put(struct line *l, struct request *q)
{
    q->next = NULL;
    *l->end = q;
    l->end = &q->next;
}

static struct request *line_get(struct line *l)
{
    struct request *q = l->first;

    l->first = q->next;
    if (!l->first)
        l->end = &l->first;
    return q;
}

static void free_all(struct request *q)
{
    for (struct request *next; q; q = next) {
        next = q->next;
        free(q);
    }
}

/* --- the thread --- */

static int64_t result_of(struct skt_store *store, const struct skt_xfer_event *event, bool stopped)
{
    return stopped && event->job ? -ECANCELED : skt_store_do(store, event);
}

/* With the lock held; it is let go of while the disk works. */
static void work_one(struct skt_storethread *t)
{
    struct request *q = line_get(&t->asked);
    bool stopped = t->stopped, first;

    t->busy = true;
    (void)pthread_mutex_unlock(&t->lock);
    q->result = result_of(t->store, &q->event, stopped);
    (void)pthread_mutex_lock(&t->lock);
    t->busy = false;
    if (!q->event.job) {
        free(q);
        return;
    }
    first = !t->answered.first;
    line_put(&t->answered, q);
    if (first && t->rt) /* else the loop has been told, and takes them all */
        skt_rt_wake(t->rt);
}

static void *work(void *self)
{
    struct skt_storethread *t = self;

    (void)pthread_mutex_lock(
        &t->lock); /* of these calls none can fail: nothing is shared between processes or robust */
    while (!t->over) {
        if (t->asked.first) {
            work_one(t);
        } else {
            (void)pthread_cond_signal(&t->idle);
            (void)pthread_cond_wait(&t->more, &t->lock);
        }
    }
    (void)pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* --- the loop's side --- */

/* The names of MAKE go with it; all else in an event is the engine's until it is answered. */
static struct request *request_new(const struct skt_xfer_event *event)
{
    const struct skt_xfer_meta *meta = event->kind == SKT_XFER_MAKE ? event->meta : NULL;
    size_t n = meta ? skt_len(meta->path) : 0, m = meta ? skt_len(meta->target) : 0;
    struct request *q = malloc(sizeof *q + n + m);

    if (!q)
        return NULL;
    q->event = *event;
    q->event.meta = NULL;
    if (!meta)
        return q;
    q->meta = *meta;
    memcpy(q->names, meta->path.p, n);
    if (m)
        memcpy(q->names + n, meta->target.p, m);
    q->meta.path = skt_span_of(q->names, n);
    q->meta.target = skt_span_of(q->names + n, m);
    q->event.meta = &q->meta;
    return q;
}

static bool start(struct skt_storethread *t)
{
    if (!t->running)
        t->running = !pthread_create(&t->thread, NULL, work, t);
    return t->running;
}

/* Nobody to do it for us: behind all that was asked before. */
static int64_t do_now(struct skt_storethread *t, const struct skt_xfer_event *event)
{
    (void)pthread_mutex_lock(&t->lock);
    while (t->running && (t->busy || t->asked.first))
        (void)pthread_cond_wait(&t->idle, &t->lock);
    (void)pthread_mutex_unlock(&t->lock);
    return result_of(t->store, event, t->stopped);
}

bool skt_storethread_do(struct skt_storethread *t, const struct skt_xfer_event *event, int64_t *ret_result)
{
    struct request *q = start(t) ? request_new(event) : NULL;

    if (!q) {
        *ret_result = do_now(t, event);
        return true;
    }
    (void)pthread_mutex_lock(&t->lock);
    if (!t->asked.first && !t->busy)
        (void)pthread_cond_signal(&t->more);
    line_put(&t->asked, q);
    (void)pthread_mutex_unlock(&t->lock);
    return false;
}

static void take_answers(struct skt_storethread *t)
{
    (void)pthread_mutex_lock(&t->lock);
    t->mine = t->answered.first;
    line_init(&t->answered);
    (void)pthread_mutex_unlock(&t->lock);
}

bool skt_storethread_next(struct skt_storethread *t, uint32_t *ret_job, int64_t *ret_result)
{
    struct request *q;

    if (!t->mine && t->running)
        take_answers(t);
    q = t->mine;
    if (!q)
        return false;
    *ret_job = q->event.job;
    *ret_result = q->result;
    t->mine = q->next;
    free(q);
    return true;
}

void skt_storethread_stop(struct skt_storethread *t)
{
    (void)pthread_mutex_lock(&t->lock);
    t->stopped = true;
    (void)pthread_mutex_unlock(&t->lock);
    skt_store_stop(t->store); /* a copy under way is not needed any more */
}

/* --- life --- */

struct skt_storethread *skt_storethread_new(struct skt_store *store, struct skt_rt *rt)
{
    struct skt_storethread *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->store = store;
    t->rt = rt;
    line_init(&t->asked);
    line_init(&t->answered);
    (void)pthread_mutex_init(&t->lock, NULL); /* without attributes they cannot fail here */
    (void)pthread_cond_init(&t->more, NULL);
    (void)pthread_cond_init(&t->idle, NULL);
    return t;
}

void skt_storethread_free(struct skt_storethread *t)
{
    if (!t)
        return;
    skt_storethread_stop(t);
    (void)pthread_mutex_lock(&t->lock);
    t->over = true;
    (void)pthread_cond_signal(&t->more);
    (void)pthread_mutex_unlock(&t->lock);
    if (t->running)
        (void)pthread_join(t->thread, NULL); /* it is there */
    free_all(t->asked.first);
    free_all(t->answered.first);
    free_all(t->mine);
    (void)pthread_mutex_destroy(&t->lock);
    (void)pthread_cond_destroy(&t->more);
    (void)pthread_cond_destroy(&t->idle);
    free(t);
}
