#pragma once
/* A directory of the test's own, and the events of an engine by hand. */
#include <sockit/xfer.h>
#include "drive/file/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char world_dir[64];
static char world_was[4096];

static int world_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path); /* what is below it went before */
}

static int world_open_up(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return kind == FTW_D || kind == FTW_DNR ? chmod(path, 0700) : 0;
}

/* Paths are relative to it from now on. */
static int world_up(void **state)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(world_dir, sizeof world_dir, "%.40s/sockit-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return !getcwd(world_was, sizeof world_was) || !mkdtemp(world_dir) || chdir(world_dir);
}

static int world_down(void **state)
{
    (void)nftw(world_dir, world_open_up, 32, FTW_PHYS);
    return chdir(world_was) || nftw(world_dir, world_remove, 32, FTW_DEPTH | FTW_PHYS);
}

/* ---- files ---- */

static inline void world_write(const char *path, const void *bytes, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_true(write(fd, bytes, n) == (ssize_t)n);
    assert_false(close(fd));
}

static inline void world_text(const char *path, const char *text) { world_write(path, text, strlen(text)); }

static inline void is_text(const char *path, const char *text)
{
    char is[8192] = { 0 };
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        fail_msg("%s: %s", path, strerror(errno));
    assert_true(read(fd, is, sizeof is - 1) == (ssize_t)strlen(text));
    assert_string_equal(is, text);
    close(fd);
}

static inline struct stat stat_of(const char *path)
{
    struct stat st;

    if (lstat(path, &st))
        fail_msg("%s: %s", path, strerror(errno));
    return st;
}

static inline bool is_there(const char *path)
{
    struct stat st;

    return !lstat(path, &st);
}

/* Exchanges two names as fast as it can, until it is ended. */
static inline pid_t exchange_forever(const char *a, const char *b)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (!pid)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion fails here */
    while (!pid) {
        if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE))
            _exit(1); /* not on this file system */
    }
    return pid;
}

static inline bool end_exchange(pid_t pid)
{
    int status;

    return !kill(pid, SIGKILL) && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status);
}

/* ---- a receiver ---- */

enum { MODE = 0640 };
static const int64_t MTIME = 1234567890123456789; /* 2009-02-13 23:31:30.123456789 */

static inline struct skt_store *store_at(const char *dir, struct skt_store_conf conf)
{
    struct skt_store *store;

    assert_int_equal(skt_store_new(dir, &conf, &store), 0);
    return store;
}

static inline int64_t make_kind(struct skt_store *store, enum skt_xfer_kind kind, uint32_t session, uint32_t file,
    const char *path, uint64_t size, const char *target)
{
    struct skt_xfer_meta meta = { .kind = (uint8_t)kind,
        .mode = MODE,
        .mtime = MTIME,
        .size = size,
        .data = size,
        .path = skt_span_str(path),
        .target = skt_span_str(target) };
    struct skt_xfer_event event = { .kind = SKT_XFER_MAKE, .session = session, .file = file, .meta = &meta };

    return skt_store_do(store, &event);
}

static inline int64_t make(struct skt_store *store, uint32_t file, const char *path, uint64_t size)
{
    return make_kind(store, SKT_XFER_FILE, 0, file, path, size, "");
}

/* A file of which its sender says that it has so much. */
static inline int64_t make_sparse(
    struct skt_store *store, uint32_t file, const char *path, uint64_t size, uint64_t data)
{
    struct skt_xfer_meta meta = {
        .kind = SKT_XFER_FILE, .mode = MODE, .mtime = MTIME, .size = size, .data = data, .path = skt_span_str(path)
    };

    return skt_store_do(store, &(struct skt_xfer_event){ .kind = SKT_XFER_MAKE, .file = file, .meta = &meta });
}

static inline int64_t write_bytes(
    struct skt_store *store, uint32_t session, uint32_t file, uint64_t offset, const void *bytes, size_t n)
{
    return skt_store_do(store, &(struct skt_xfer_event){ .kind = SKT_XFER_WRITE,
                                   .session = session,
                                   .file = file,
                                   .offset = offset,
                                   .len = n,
                                   .data = bytes ? skt_span_of(bytes, n) : (struct skt_span){ 0 } });
}

static inline int64_t write_text(struct skt_store *store, uint32_t file, uint64_t offset, const char *text)
{
    return write_bytes(store, 0, file, offset, text, strlen(text));
}

static inline int64_t write_zeros(struct skt_store *store, uint32_t file, uint64_t offset, uint64_t n)
{
    return write_bytes(store, 0, file, offset, NULL, n);
}

static inline int64_t read_bytes(struct skt_store *store, uint32_t file, uint64_t offset, void *to, size_t n)
{
    return skt_store_do(
        store, &(struct skt_xfer_event){
                   .kind = SKT_XFER_READ, .file = file, .offset = offset, .len = n, .room = skt_room_of(to, n) });
}

static inline int64_t ask(struct skt_store *store, enum skt_xfer_event_kind kind, uint32_t session, uint32_t file)
{
    return skt_store_do(store, &(struct skt_xfer_event){ .kind = kind, .session = session, .file = file });
}

static inline int64_t finish(struct skt_store *store, uint32_t file) { return ask(store, SKT_XFER_FINISH, 0, file); }
static inline int64_t drop_file(struct skt_store *store, uint32_t file) { return ask(store, SKT_XFER_DROP, 0, file); }
