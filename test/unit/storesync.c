/* drive/storesync.c: with a disk that takes as long as the test likes. The store's calls of syncfs come here. */
#include "test.h"

#include "drive/storesync.h"
#include "storeworld.h"

#include <semaphore.h>
#include <time.h>

static sem_t disk; /* a syncfs each */
static int n_syncs, fails;

int syncfs(int fd)
{
    while (sem_wait(&disk))
        ;
    n_syncs++;
    errno = fails;
    return fails ? -1 : 0;
}

static struct skt_store *store;
static struct skt_storesync sync_;

static void begin(void)
{
    n_syncs = fails = 0;
    assert_int_equal(sem_init(&disk, 0, 0), 0);
    assert_int_equal(skt_store_new("in", &(struct skt_store_conf){ 0 }, &store), 0);
    skt_storesync_init(&sync_, store);
}

static void end(void)
{
    skt_storesync_done(&sync_);
    skt_store_free(store);
}

/* The next answer, within ten seconds. */
static int64_t answer(uint32_t *ret_job)
{
    int64_t result = 0;

    for (int i = 0; !skt_storesync_next(&sync_, ret_job, &result); i++) {
        assert_true(i < 10000);
        (void)nanosleep(&(struct timespec){ .tv_nsec = SKT_MS }, NULL);
    }
    return result;
}

static void a_quick_disk_is_waited_for(void **state)
{
    uint32_t job;
    int64_t result;

    begin();
    assert_int_equal(sem_post(&disk), 0);
    assert_true(skt_storesync_ask(&sync_, 7));
    assert_int_equal(answer(&job), 0);
    assert_int_equal(job, 7);
    assert_false(skt_storesync_busy(&sync_) || skt_storesync_next(&sync_, &job, &result));
    end();
}

static void a_slow_disk_does_not_hold_us_up(void **state)
{
    uint32_t job, seen = 0;
    int64_t result;

    begin();
    assert_true(skt_storesync_ask(&sync_, 1));
    assert_true(skt_storesync_busy(&sync_));
    assert_false(skt_storesync_next(&sync_, &job, &result));
    assert_true(skt_storesync_ask(&sync_, 2)); /* what these wrote may have come too late for the first */
    assert_true(skt_storesync_ask(&sync_, 3));
    assert_int_equal(sem_post(&disk), 0);
    assert_int_equal(answer(&job), 0);
    assert_int_equal(job, 1);
    assert_true(skt_storesync_busy(&sync_));
    assert_false(skt_storesync_next(&sync_, &job, &result));
    assert_int_equal(sem_post(&disk), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(answer(&job), 0);
        seen |= 1U << job;
    }
    assert_int_equal(seen, 1U << 2 | 1U << 3);
    assert_int_equal(n_syncs, 2);
    assert_false(skt_storesync_busy(&sync_));
    end();
}

static void a_disk_that_fails_is_told_to_all_of_it(void **state)
{
    uint32_t job;

    begin();
    fails = EIO;
    assert_true(skt_storesync_ask(&sync_, 1));
    assert_int_equal(sem_post(&disk), 0);
    assert_int_equal(answer(&job), -EIO);
    fails = 0;
    assert_int_equal(sem_post(&disk), 0);
    assert_true(skt_storesync_ask(&sync_, 2));
    assert_int_equal(answer(&job), 0);
    end();
}

static void what_waits_has_a_cap_and_an_end(void **state)
{
    begin();
    assert_true(skt_storesync_ask(&sync_, 1));
    for (uint32_t i = 0; i < SKT_STORESYNC_JOBS; i++)
        assert_true(skt_storesync_ask(&sync_, 2 + i));
    assert_false(skt_storesync_ask(&sync_, 1000));
    assert_int_equal(sem_post(&disk), 0);
    end(); /* with one under way */
    assert_int_equal(n_syncs, 1);
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_quick_disk_is_waited_for), W(a_slow_disk_does_not_hold_us_up), W(a_disk_that_fails_is_told_to_all_of_it),
    W(what_waits_has_a_cap_and_an_end))
