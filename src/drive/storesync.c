/* storesync: a thread that waits for the disk. */
#include "drive/storesync.h"

#include <time.h>

enum { QUICK = 20 * SKT_MS }; /* so long the loop itself waits: it will hardly be noticed, and most are quicker */

void skt_storesync_init(struct skt_storesync *sync, struct skt_store *store)
{
    *sync = (struct skt_storesync){ .store = store };
}

/* It touches nothing of the store but the descriptor of its directory, which stays. */
static void *work(void *self)
{
    struct skt_storesync *sync = self;

    sync->result = skt_store_do(sync->store, &(struct skt_xfer_event){ .kind = SKT_XFER_SYNC });
    return NULL;
}

static bool start(struct skt_storesync *sync)
{
    sync->running = !pthread_create(&sync->thread, NULL, work, sync);
    return sync->running;
}

static void wait_a_little(struct skt_storesync *sync)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until); /* is always there */
    until.tv_nsec += QUICK;
    until.tv_sec += until.tv_nsec / SKT_SEC;
    until.tv_nsec %= SKT_SEC;
    sync->running = pthread_clockjoin_np(sync->thread, NULL, CLOCK_MONOTONIC, &until);
}

bool skt_storesync_ask(struct skt_storesync *sync, uint32_t job)
{
    bool next = skt_storesync_busy(sync);

    if (sync->n[next] == SKT_STORESYNC_JOBS || (!next && !start(sync)))
        return false;
    sync->jobs[next][sync->n[next]++] = job;
    if (!next)
        wait_a_little(sync);
    return true;
}

/* All of this syncfs are answered. What was written since is for another one. */
static void turn(struct skt_storesync *sync)
{
    memcpy(sync->jobs[0], sync->jobs[1], sync->n[1] * sizeof sync->jobs[0][0]);
    sync->n[0] = sync->n[1];
    sync->n[1] = 0;
    if (sync->n[0] && !start(sync))
        (void)work(sync); /* nobody to do it for us */
}

bool skt_storesync_next(struct skt_storesync *sync, uint32_t *ret_job, int64_t *ret_result)
{
    if (sync->running && pthread_tryjoin_np(sync->thread, NULL))
        return false;
    sync->running = false;
    if (!sync->n[0])
        return false;
    *ret_job = sync->jobs[0][--sync->n[0]];
    *ret_result = sync->result;
    if (!sync->n[0])
        turn(sync);
    return true;
}

void skt_storesync_done(struct skt_storesync *sync)
{
    if (sync->running)
        (void)pthread_join(sync->thread, NULL); /* it is there */
    sync->running = false;
}
