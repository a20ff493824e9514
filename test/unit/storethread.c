/* drive/storethread.c, storeleave.c: with a disk that takes as long as the test likes. The store's calls of syncfs and of copying come here. */
#include "test.h"

#include "drive/file/storethread.h"
#include "storeworld.h"

#include <sockit/rt.h>

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
static struct skt_rt *rt;
static struct skt_storethread *thread;

static void begin(void)
{
    n_syncs = n_copies = fails = 0;
    assert_int_equal(sem_init(&disk, 0, 0), 0);
    assert_int_equal(skt_store_new("in", &(struct skt_store_conf){ .overwrite = true, .keep_free = 4096 }, &store), 0);
    assert_int_equal(skt_rt_new(NULL, &rt), 0);
    thread = skt_storethread_new(store, rt);
    assert_non_null(thread);
}

static void end(void)
{
    skt_storethread_free(thread);
    skt_rt_free(rt);
    skt_store_free(store);
}

/* Given to the thread, which answers later. */
static void give(const struct skt_xfer_event *event)
{
    int64_t result;

    assert_false(skt_storethread_do(thread, event, &result));
}

static void give_sync(uint32_t job) { give(&(struct skt_xfer_event){ .kind = SKT_XFER_SYNC, .job = job }); }

/* The next answer, for which the loop is woken within ten seconds. */
static int64_t answer(uint32_t job)
{
    int64_t result = 0;
    uint32_t whose = 0;

    for (int i = 0; !skt_storethread_next(thread, &whose, &result); i++) {
        assert_true(i < 10000);
        (void)nanosleep(&(struct timespec){ .tv_nsec = SKT_MS }, NULL);
    }
    assert_int_equal(whose, job);
    return result;
}

static bool answered(void)
{
    uint32_t job;
    int64_t result;

    return skt_storethread_next(thread, &job, &result);
}

static void a_file_goes_through_it_in_order(void **state)
{
    char name[] = "file";
    struct skt_xfer_meta meta = {
        .kind = SKT_XFER_FILE, .mode = 0644, .size = 5, .data = 5, .path = skt_span_str(name)
    };

    begin();
    assert_int_equal(sem_post(&disk), 0);
    assert_int_equal(sem_post(&disk), 0);
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_MAKE, .job = 1, .meta = &meta });
    memset(name, 'x', 4); /* valid until the next event is pulled, and that is now */
    meta.size = 0;
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_WRITE, .job = 2, .data = skt_span_str("bytes") });
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_FINISH, .job = 3 });
    give_sync(4);
    for (uint32_t job = 1; job <= 4; job++)
        assert_int_equal(answer(job), 0);
    is_text("in/file", "bytes");
    end();
}

static void a_slow_disk_holds_nobody_up(void **state)
{
    begin();
    for (uint32_t job = 1; job <= 3; job++)
        give_sync(job);
    assert_false(answered());
    for (uint32_t job = 1; job <= 3; job++) {
        assert_int_equal(sem_post(&disk), 0);
        assert_int_equal(answer(job), 0);
        assert_false(answered());
    }
    end();
}

/* An engine that has nothing to do for a minute. */
static void sleeper_recv(void *self, skt_time now, struct skt_in *in) {}
static bool sleeper_send(void *self, skt_time now, struct skt_out *out) { return false; }
static skt_time sleeper_wake(const void *self) { return *(const skt_time *)self; }

static void an_answer_wakes_the_loop(void **state)
{
    static const struct skt_engine_ops ops = { sleeper_recv, sleeper_send, sleeper_wake };
    skt_time began, until;

    begin();
    began = skt_rt_now(rt);
    until = began + 60 * SKT_SEC;
    assert_true(skt_rt_add(rt, (struct skt_engine){ &ops, &until }) >= 0);
    for (uint32_t job = 1; job <= 2; job++) {
        assert_int_equal(sem_post(&disk), 0);
        give_sync(job);
        assert_int_equal(skt_rt_step(rt), 1);
        assert_true(skt_rt_now(rt) - began < 30 * SKT_SEC);
        assert_int_equal(answer(job), 0);
    }
    end();
}

static void a_disk_that_fails_says_so(void **state)
{
    begin();
    fails = EIO;
    assert_int_equal(sem_post(&disk), 0);
    give_sync(1);
    assert_int_equal(answer(1), -EIO);
    fails = 0;
    assert_int_equal(sem_post(&disk), 0);
    give_sync(2);
    assert_int_equal(answer(2), 0);
    end();
}

static void what_waits_when_it_is_stopped_is_not_done(void **state)
{
    begin();
    give_sync(1);
    give_sync(2);
    skt_storethread_stop(thread);
    assert_int_equal(sem_post(&disk), 0); /* of the first, if that was begun */
    (void)answer(1);
    assert_int_equal(answer(2), -ECANCELED);
    give_sync(3);
    assert_int_equal(answer(3), -ECANCELED);
    assert_true(n_syncs <= 1);
    end();
}

/* It neither waits for them nor loses their memory. */
static void it_ends_while_others_wait(void **state)
{
    begin();
    for (uint32_t job = 1; job <= 3; job++)
        give_sync(job);
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_CLOSED_SESSION });
    for (int i = 0; i < 3; i++)
        assert_int_equal(sem_post(&disk), 0); /* as quick as the thread may be */
    end();
}

/* ---- a file that is replaced ---- */

enum { LARGE = 3 << 20 };

/* A file of `fill` is there, and one of as many or fewer bytes comes. */
static void begin_large(uint32_t file, const char *path, char fill, uint64_t comes)
{
    char *bytes = malloc(LARGE);

    memset(bytes, fill, LARGE);
    world_write(path, bytes, LARGE);
    free(bytes);
    assert_int_equal(make(store, file, path + 3, comes), 1); /* the thread has not begun yet */
}

static void give_write(uint32_t job, uint32_t file, uint64_t at, const char *text)
{
    give(&(struct skt_xfer_event){
        .kind = SKT_XFER_WRITE, .job = job, .file = file, .offset = at, .data = skt_span_str(text) });
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
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    give_write(1, 1, 0, "new");
    give_write(2, 1, 1 << 20, "too");
    assert_false(answered());
    assert_int_equal(sem_post(&disk), 0);
    assert_int_equal(answer(1), 0);
    assert_int_equal(answer(2), 0);
    assert_int_equal(n_copies, 1);
    assert_int_equal(byte_at("in/a", 0), 'o');
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_FINISH, .job = 3, .file = 1 });
    assert_int_equal(answer(3), 0);
    assert_true(byte_at("in/a", 2) == 'w' && byte_at("in/a", 3) == 'o' && byte_at("in/a", 1 << 20) == 't');
    assert_true(byte_at("in/a", LARGE - 1) == 'o' && stat_of("in/a").st_size == LARGE);
    end();
}

static void a_file_of_which_only_the_length_differs_is_copied_so_too(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE - 1);
    give(&(struct skt_xfer_event){ .kind = SKT_XFER_FINISH, .job = 5, .file = 1 });
    assert_int_equal(sem_post(&disk), 0);
    assert_int_equal(answer(5), 0);
    assert_int_equal(stat_of("in/a").st_size, LARGE - 1);
    end();
}

static void a_copy_that_fails_leaves_all_as_it_was(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    fails = ENOSPC;
    assert_int_equal(sem_post(&disk), 0);
    give_write(1, 1, 0, "new");
    assert_int_equal(answer(1), -ENOSPC);
    assert_false(is_there("in/a.part-sockit"));
    assert_int_equal(byte_at("in/a", 0), 'o');
    end();
}

static void nobody_waits_for_a_copy_that_is_not_needed(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    begin_large(2, "in/b", 'o', LARGE);
    give_write(1, 1, 0, "new");
    give_write(2, 2, 0, "new");
    skt_storethread_stop(thread);
    assert_int_equal(sem_post(&disk), 0); /* the piece that is under way */
    assert_int_equal(answer(1), -ECANCELED);
    assert_int_equal(answer(2), -ECANCELED);
    assert_false(is_there("in/a.part-sockit") || is_there("in/b.part-sockit"));
    end();
}

static void the_end_does_not_forget_a_copy(void **state)
{
    begin();
    begin_large(1, "in/a", 'o', LARGE);
    give_write(1, 1, 0, "new");
    assert_int_equal(sem_post(&disk), 0);
    end();
    assert_false(is_there("in/a.part-sockit") && byte_at("in/a.part-sockit", LARGE - 1) != 'o');
    assert_int_equal(byte_at("in/a", 0), 'o');
}

#define W(name) cmocka_unit_test_setup_teardown(name, world_up, world_down)
RUN(W(a_file_goes_through_it_in_order), W(a_slow_disk_holds_nobody_up), W(an_answer_wakes_the_loop),
    W(a_disk_that_fails_says_so), W(what_waits_when_it_is_stopped_is_not_done), W(it_ends_while_others_wait),
    W(a_large_file_is_copied_beside_the_loop), W(a_file_of_which_only_the_length_differs_is_copied_so_too),
    W(a_copy_that_fails_leaves_all_as_it_was), W(nobody_waits_for_a_copy_that_is_not_needed),
    W(the_end_does_not_forget_a_copy))
