/* drive/file/storeslow.c, storeleave.c: with a disk that takes as long as the test likes. The store's calls of syncfs and of copying come here. */
#include "test.h"

#include "drive/file/storeslow.h"
#include "storeworld.h"

#include <semaphore.h>
#include <time.h>

#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static sem_t disk; /* a syncfs or a copied piece each */
static int n_syncs, n_copies, fails;

int syncfs(int fd)
{
    while (sem_wait(&disk))
        ;
    n_syncs++;
    errno = fails;
    return fails ? -1 : 0;
}

ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *to_at, size_t n, unsigned flags)
{
    while (sem_wait(&disk))
        ;
    n_copies++;
    errno = fails;
    return fails ? -1 : syscall(SYS_copy_file_range, from, at, to, to_at, n, flags);
}

/* No file system here can share: FICLONE is what takes no time. */
int ioctl(int fd, unsigned long what, ...)
{
    va_list ap;
    void *arg;

    if (what == FICLONE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    va_start(ap, what);
    arg = va_arg(ap, void *);
    va_end(ap);
    return (int)syscall(SYS_ioctl, fd, what, arg);
}

static struct skt_store *store;
static struct skt_storeslow *slow;

static void begin(void)
{
    n_syncs = n_copies = fails = 0;
    assert_int_equal(sem_init(&disk, 0, 0), 0);
    assert_int_equal(skt_store_new("in", &(struct skt_store_conf){ .overwrite = true, .keep_free = 4096 }, &store), 0);
    assert_int_equal(skt_storeslow_new(store, &slow), 0);
}

static void end(void)
{
    skt_storeslow_free(slow);
    skt_store_free(store);
}

static bool asked(enum skt_xfer_event_kind kind, uint32_t job, uint32_t file)
{
    int64_t result;

    return !skt_storeslow_do(slow, &(struct skt_xfer_event){ .kind = kind, .job = job, .file = file }, &result);
}

static bool asked_sync(uint32_t job) { return asked(SKT_XFER_SYNC, job, 0); }

/* The next answer, within ten seconds. */
static int64_t answer(uint32_t *ret_job)
{
    int64_t result = 0;

    for (int i = 0; !skt_storeslow_next(slow, ret_job, &result); i++) {
        assert_true(i < 10000);
        (void)nanosleep(&(struct timespec){ .tv_nsec = SKT_MS }, NULL);
    }
    return result;
}

static bool answers(uint32_t job, int64_t result)
{
    uint32_t is;
    int64_t r = answer(&is);

    return is == job && r == result;
}

static bool is_answered(void)
{
    uint32_t job;
    int64_t result;

    return skt_storeslow_next(slow, &job, &result);
}

/* ---- SYNC ---- */

static void a_quick_disk_is_waited_for(void **state)
{
    begin();
    assert_int_equal(sem_post(&disk), 0);
    assert_true(asked_sync(7));
    assert_true(answers(7, 0));
    assert_false(skt_storeslow_busy(slow) || is_answered());
    end();
}

static void a_slow_disk_does_not_hold_us_up(void **state)
{
    uint32_t job, seen = 0;

    begin();
    assert_true(asked_sync(1));
    assert_true(skt_storeslow_busy(slow));
    assert_false(is_answered());
    assert_true(asked_sync(2)); /* what these wrote may have come too late for the first */
    assert_true(asked_sync(3));
    assert_int_equal(sem_post(&disk), 0);
    assert_true(answers(1, 0));
    assert_true(skt_storeslow_busy(slow));
    assert_false(is_answered());
    assert_int_equal(sem_post(&disk), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(answer(&job), 0);
        seen |= 1U << job;
    }
    assert_int_equal(seen, 1U << 2 | 1U << 3);
    assert_int_equal(n_syncs, 2);
    assert_false(skt_storeslow_busy(slow));
    end();
}

static void a_disk_that_fails_is_told_to_all_of_it(void **state)
{
    begin();
    fails = EIO;
    assert_true(asked_sync(1));
    assert_int_equal(sem_post(&disk), 0);
    assert_true(answers(1, -EIO));
    fails = 0;
    assert_int_equal(sem_post(&disk), 0);
    assert_true(asked_sync(2));
    assert_true(answers(2, 0));
    end();
}

static void what_waits_has_a_cap_and_an_end(void **state)
{
    int64_t result = 1;

    begin();
    for (uint32_t i = 0; i < SKT_STORESLOW_WAITING; i++)
        assert_true(asked_sync(i));
    for (int i = 0; i < 3; i++)
        assert_int_equal(sem_post(&disk), 0);
    assert_true(skt_storeslow_do(slow, &(struct skt_xfer_event){ .kind = SKT_XFER_SYNC, .job = 1000 }, &result));
    assert_int_equal(result, 0);
    assert_int_equal(n_syncs, 3);
    for (uint32_t i = 0; i < SKT_STORESLOW_WAITING; i++)
        assert_true(answers(i, 0));
    assert_true(asked_sync(1));
    assert_int_equal(sem_post(&disk), 0);
    end(); /* with one under way */
    assert_int_equal(n_syncs, 4);
}

/* ---- a file that is replaced ---- */

enum { LARGE = 3 << 20 };

/* A file of `fill` is there, and one of the same length comes. */
static void begin_large(uint32_t file, const char *path, char fill, uint64_t comes)
{
    char *bytes = malloc(LARGE);

    memset(bytes, fill, LARGE);
    world_write(path, bytes, LARGE);
    free(bytes);
    assert_int_equal(make(store, file, path + 3, comes), 1);
}

static bool asked_write(uint32_t job, uint32_t file, uint64_t at, const char *text)
{
    int64_t result;

    return !skt_storeslow_do(slow,
        &(struct skt_xfer_event){
            .kind = SKT_XFER_WRITE, .job = job, .file = file, .offset = at, .data = skt_span_str(text) },
        &result);
}

static char byte_at(const char *path, off_t at)
{
    int fd = open(path, O_RDONLY);
    char c = 0;

    assert_true(fd >= 0 && pread(fd, &c, 1, at) == 1);
    close(fd);
    return c;
}

static void a_large_file_is_copied_beside_the_loop(void **state)
{
    int64_t result;
    char is[4];

    begin();
    begin_large(1, "in/a", 'o', LARGE);
    assert_true(asked_write(11, 1, 0, "new"));
    assert_true(skt_storeslow_busy(slow) && !is_answered());
    assert_true(asked_write(12, 1, 1 << 20, "too"));           /* behind it */
    assert_int_equal(read_bytes(store, 1, 2 << 20, is, 4), 4); /* comparing goes on */
    assert_memory_equal(is, "oooo", 4);
    assert_int_equal(make(store, 2, "b", 1), 0); /* and so do other files */
    assert_true(skt_storeslow_do(
        slow, &(struct skt_xfer_event){ .kind = SKT_XFER_WRITE, .file = 2, .data = skt_span_str("x") }, &result));
    assert_int_equal(result, 0);
    assert_int_equal(sem_post(&disk), 0);
    assert_true(answers(11, 0) && answers(12, 0));
    assert_int_equal(n_copies, 1);
    assert_int_equal(byte_at("in/a", 0), 'o');
    assert_true(skt_storeslow_do(slow, &(struct skt_xfer_event){ .kind = SKT_XFER_FINISH, .file = 1 }, &result));
    assert_int_equal(result, 0);
    assert_true(byte_at("in/a", 2) == 'w' && byte_at("in/a", 3) == 'o' && byte_at("in/a", 1 << 20) == 't');
    assert_true(byte_at("in/a", LARGE - 1) == 'o' && stat_of("in/a").st_size == LARGE);
    end();
}

static void a_file_of_which_only_the_length_differs_is_copied_so_too(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE - 1);
    assert_true(asked(SKT_XFER_FINISH, 5, 1));
    assert_int_equal(sem_post(&disk), 0);
    assert_true(answers(5, 0));
    assert_int_equal(stat_of("in/a").st_size, LARGE - 1);
    end();
}

static void a_copy_that_fails_leaves_all_as_it_was(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    fails = ENOSPC;
    assert_true(asked_write(1, 1, 0, "new") && asked_write(2, 1, 9, "new"));
    assert_int_equal(sem_post(&disk), 0);
    assert_true(answers(1, -ENOSPC) && answers(2, -ENOSPC));
    assert_false(is_there("in/a.part-sockit"));
    assert_int_equal(drop_file(store, 1), 0);
    assert_int_equal(byte_at("in/a", 0), 'o');
    end();
}

static void nobody_waits_for_a_copy_that_is_not_needed(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    begin_large(2, "in/b", 'o', LARGE);
    assert_true(asked_write(1, 1, 0, "new") && asked_write(2, 2, 0, "new"));
    skt_storeslow_stop(slow);
    assert_int_equal(sem_post(&disk), 0); /* the piece that is under way */
    assert_true(answers(1, -ECANCELED) && answers(2, -ECANCELED));
    assert_false(is_there("in/a.part-sockit") || is_there("in/b.part-sockit"));
    end();
}

static void the_end_does_not_forget_a_copy(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    assert_true(asked_write(1, 1, 0, "new"));
    assert_int_equal(sem_post(&disk), 0);
    end();
    assert_false(is_there("in/a.part-sockit") && byte_at("in/a.part-sockit", 0) != 'o');
    assert_int_equal(byte_at("in/a", 0), 'o');
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_quick_disk_is_waited_for), W(a_slow_disk_does_not_hold_us_up), W(a_disk_that_fails_is_told_to_all_of_it),
    W(what_waits_has_a_cap_and_an_end), W(a_large_file_is_copied_beside_the_loop),
    W(a_file_of_which_only_the_length_differs_is_copied_so_too), W(a_copy_that_fails_leaves_all_as_it_was),
    W(nobody_waits_for_a_copy_that_is_not_needed), W(the_end_does_not_forget_a_copy))
