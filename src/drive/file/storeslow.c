/* storeslow: a thread that waits for the disk. Start reading at skt_storeslow_do(). */
#include "drive/file/storeslow.h"

#include "base/blake3.h"
#include "drive/file/storeinside.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { QUICK = 20 * SKT_MS }; /* so long the loop itself waits: it will hardly be noticed, and most are quicker */
#define SMALL SKT_GROUP       /* bytes that are copied at once: as much as one WRITE has */

enum state { WAITS, UNDER_WAY, ANSWERED };

struct waiting {
    struct skt_xfer_event event; /* its meta is not there any more: who waits has none */
    enum state state;
    int64_t result;
};

struct skt_storeslow {
    struct skt_store *store;
    pthread_t thread;
    bool running; /* there is one; what it does is of the events UNDER_WAY */
    bool copying; /* else it is a syncfs */
    atomic_bool stop;
    struct store_copy copy;
    int result;                                    /* the thread's */
    uint32_t n, done;                              /* that wait; of them answered */
    struct waiting waiting[SKT_STORESLOW_WAITING]; /* in the order in which they came */
};

int skt_storeslow_new(struct skt_store *store, struct skt_storeslow **ret_slow)
{
    struct skt_storeslow *slow = calloc(1, sizeof *slow);

    if (!slow)
        return -ENOMEM;
    slow->store = store;
    *ret_slow = slow;
    return 0;
}

/* ---- the thread ---- */

static void *work(void *self)
{
    struct skt_storeslow *slow = self;

    slow->result = slow->copying                   ? store_leave_copy(&slow->copy, &slow->stop)
                   : syncfs(slow->store->base.dir) ? -errno
                                                   : 0;
    return NULL;
}

static void start(struct skt_storeslow *slow, bool copying)
{
    slow->copying = copying;
    slow->running = !pthread_create(&slow->thread, NULL, work, slow);
    if (!slow->running)
        (void)work(slow); /* nobody to do it for us */
}

static void wait_a_little(struct skt_storeslow *slow)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* is always there */
    until.tv_nsec += QUICK;
    until.tv_sec += until.tv_nsec / SKT_SEC;
    until.tv_nsec %= SKT_SEC;
    if (slow->running)
        slow->running = pthread_clockjoin_np(slow->thread, NULL, CLOCK_MONOTONIC, &until);
}

static void wait_for_it(struct skt_storeslow *slow)
{
    if (slow->running)
        (void)pthread_join(slow->thread, NULL); /* it is there */
    slow->running = false;
}

/* ---- what waits ---- */

static void answer(struct skt_storeslow *slow, struct waiting *w, int64_t result)
{
    w->state = ANSWERED;
    w->result = result;
    slow->done++;
}

static bool is_of(const struct waiting *w, uint64_t key)
{
    return w->state != ANSWERED && w->event.kind != SKT_XFER_SYNC && store_key(&w->event) == key;
}

/* The thread has ended: what was under way is answered, or may be done now. */
static void end_task(struct skt_storeslow *slow)
{
    int r = slow->result;

    for (uint32_t i = 0; i < slow->n; i++) {
        struct waiting *w = &slow->waiting[i];

        if (w->state != UNDER_WAY)
            continue;
        if (slow->copying) {
            struct store_work *file = store_work_get(slow->store, store_key(&w->event));

            assert(file); /* who began it is not answered, and so not gone */
            r = store_leave_end(slow->store, file, &slow->copy, r);
            for (uint32_t k = i; r && k < slow->n; k++)
                if (is_of(&slow->waiting[k], store_key(&w->event)))
                    answer(slow, &slow->waiting[k], r);
            if (!r)
                w->state = WAITS;
            return;
        }
        answer(slow, w, r);
    }
}

/* All of them: what they wrote is there before it begins. */
static void begin_sync(struct skt_storeslow *slow)
{
    for (uint32_t i = 0; i < slow->n; i++)
        if (slow->waiting[i].state == WAITS && slow->waiting[i].event.kind == SKT_XFER_SYNC)
            slow->waiting[i].state = UNDER_WAY;
    start(slow, false);
}

/* Begins what this one waits for. False: nothing any more, it is answered. */
static bool begin_task(struct skt_storeslow *slow, struct waiting *w)
{
    struct store_work *file = store_work_get(slow->store, store_key(&w->event));
    int r;

    if (w->event.kind == SKT_XFER_SYNC) {
        begin_sync(slow);
        return true;
    }
    if (!store_is_leaving(slow->store, &w->event)) {
        answer(slow, w, skt_store_do(slow->store, &w->event));
        return false;
    }
    r = atomic_load(&slow->stop) ? -ECANCELED : store_leave_begin(slow->store, file, &slow->copy);
    if (r) {
        answer(slow, w, r);
        return false;
    }
    w->state = UNDER_WAY;
    start(slow, true);
    return true;
}

static bool is_under_way(const struct skt_storeslow *slow)
{
    for (uint32_t i = 0; i < slow->n; i++)
        if (slow->waiting[i].state == UNDER_WAY)
            return true;
    return false;
}

/* What has ended is ended; what can begin begins. patient: a quick disk is waited for. */
static void turn(struct skt_storeslow *slow, bool patient)
{
    if (slow->running && !pthread_tryjoin_np(slow->thread, NULL))
        slow->running = false;
    if (!slow->running && is_under_way(slow))
        end_task(slow);
    for (uint32_t i = 0; i < slow->n && !slow->running; i++) {
        if (slow->waiting[i].state != WAITS || !begin_task(slow, &slow->waiting[i]))
            continue;
        if (patient)
            wait_a_little(slow);
        if (!slow->running) {
            end_task(slow);
            i--; /* that one may be done now; 0 wraps, and back */
        }
    }
}

/* ---- events ---- */

static bool has_to_wait(struct skt_storeslow *slow, const struct skt_xfer_event *event)
{
    struct store_work *file;

    if (event->kind == SKT_XFER_SYNC)
        return true;
    if (event->kind != SKT_XFER_WRITE && event->kind != SKT_XFER_FINISH)
        return false;
    for (uint32_t i = 0; i < slow->n; i++)
        if (is_of(&slow->waiting[i], store_key(event)))
            return true;
    file = store_work_get(slow->store, store_key(event));
    return file && file->size > SMALL && store_is_leaving(slow->store, event);
}

/* All places are taken, by those who are answered too. */
static bool is_full(const struct skt_storeslow *slow) { return slow->n == SKT_STORESLOW_WAITING; }

bool skt_storeslow_do(struct skt_storeslow *slow, const struct skt_xfer_event *event, int64_t *ret_result)
{
    if (!has_to_wait(slow, event)) {
        *ret_result = skt_store_do(slow->store, event);
        return true;
    }
    if (is_full(slow)) {
        for (wait_for_it(slow); slow->done < slow->n; wait_for_it(slow))
            turn(slow, false);
        *ret_result = skt_store_do(slow->store, event);
        return true;
    }
    slow->waiting[slow->n++] = (struct waiting){ .event = *event };
    turn(slow, true);
    return false;
}

bool skt_storeslow_next(struct skt_storeslow *slow, uint32_t *ret_job, int64_t *ret_result)
{
    uint32_t i = 0;

    turn(slow, false);
    if (!slow->done)
        return false;
    while (slow->waiting[i].state != ANSWERED)
        i++;
    *ret_job = slow->waiting[i].event.job;
    *ret_result = slow->waiting[i].result;
    slow->n--;
    slow->done--;
    memmove(&slow->waiting[i], &slow->waiting[i + 1], (slow->n - i) * sizeof slow->waiting[0]);
    return true;
}

bool skt_storeslow_busy(const struct skt_storeslow *slow) { return slow->n; }

void skt_storeslow_stop(struct skt_storeslow *slow) { atomic_store(&slow->stop, true); }

void skt_storeslow_free(struct skt_storeslow *slow)
{
    if (!slow)
        return;
    skt_storeslow_stop(slow);
    wait_for_it(slow);
    if (is_under_way(slow))
        end_task(slow);
    free(slow);
}
