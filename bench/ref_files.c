/* ref_files inline|pool PORT FILE hot|direct: each request of at most 256 bytes has one block of 4 KiB read at a random
 * place of FILE, and comes back. What a server does that reads files beside its sockets: by pread in the epoll loop, or
 * by a pool of 4 threads. direct: past the page cache, so that each read waits for the disk. */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EVENTS = 256, FILES = 65536, BLOCK = 4096, REQUEST = 256, THREADS = 4 };

struct request {
    size_t n;
    char bytes[REQUEST];
};

struct queue { /* of connections; one request at a time is on its way for each, so none can overflow */
    int fd[FILES];
    uint32_t first, count;
};

static struct request requests[FILES]; /* by descriptor */
static struct queue asked, answered;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more = PTHREAD_COND_INITIALIZER;
static int epoll, file, done_event;
static uint64_t blocks;
static bool pool;

static void put(struct queue *q, int fd) { q->fd[(q->first + q->count++) % FILES] = fd; }

static int take(struct queue *q)
{
    q->count--;
    return q->fd[q->first++ % FILES];
}

static void read_block(char *block, uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    if (pread(file, block, BLOCK, (off_t)((*seed >> 33) % blocks * BLOCK)) != BLOCK)
        bench_die("read");
}

static void reply(int fd) { (void)send(fd, requests[fd].bytes, requests[fd].n, MSG_NOSIGNAL); /* small: it fits */ }

static void *work(void *arg)
{
    char *block = aligned_alloc(BLOCK, BLOCK);
    uint64_t seed = (uintptr_t)arg + 1, one = 1;

    for (;;) {
        bool wake;
        int fd;

        pthread_mutex_lock(&lock);
        while (!asked.count)
            pthread_cond_wait(&more, &lock);
        fd = take(&asked);
        pthread_mutex_unlock(&lock);
        read_block(block, &seed);
        pthread_mutex_lock(&lock);
        wake = !answered.count;
        put(&answered, fd);
        pthread_mutex_unlock(&lock);
        if (wake && write(done_event, &one, sizeof one) < 0)
            bench_die("eventfd");
    }
    return NULL;
}

static void reply_answered(void)
{
    static int fds[FILES];
    uint32_t n = 0;
    uint64_t count;

    (void)!read(done_event, &count, sizeof count);
    pthread_mutex_lock(&lock);
    while (answered.count)
        fds[n++] = take(&answered);
    pthread_mutex_unlock(&lock);
    for (uint32_t i = 0; i < n; i++)
        reply(fds[i]);
}

static void on_request(int fd)
{
    static char *block;
    static uint64_t seed;
    ssize_t n = recv(fd, requests[fd].bytes, REQUEST, 0);

    if (n <= 0) {
        close(fd);
        return;
    }
    requests[fd].n = (size_t)n;
    if (pool) {
        pthread_mutex_lock(&lock);
        put(&asked, fd);
        pthread_cond_signal(&more);
        pthread_mutex_unlock(&lock);
        return;
    }
    if (!block)
        block = aligned_alloc(BLOCK, BLOCK);
    read_block(block, &seed);
    reply(fd);
}

static void watch(int fd)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

    if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
        bench_die("epoll_ctl");
}

static void open_all(char **argv)
{
    struct stat st;

    pool = !strcmp(argv[1], "pool");
    file = open(argv[3], O_RDONLY | O_CLOEXEC | (!strcmp(argv[4], "direct") ? O_DIRECT : 0));
    if (file < 0 || fstat(file, &st) || st.st_size < BLOCK)
        bench_die("%s", argv[3]);
    blocks = (uint64_t)st.st_size / BLOCK;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(done_event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    for (uintptr_t i = 0; pool && i < THREADS; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, work, (void *)i))
            bench_die("thread");
    }
}

int main(int argc, char **argv)
{
    static struct epoll_event ev[EVENTS];
    int listener;

    if (argc != 5)
        bench_die("usage: inline|pool PORT FILE hot|direct");
    bench_raise_files();
    open_all(argv);
    watch(listener = bench_listen(bench_number(argv[2], 1, 65535)));
    for (;;) {
        int n = epoll_wait(epoll, ev, EVENTS, -1);

        for (int i = 0; i < n; i++) {
            int fd = ev[i].data.fd;

            if (fd == done_event)
                reply_answered();
            else if (fd != listener)
                on_request(fd);
            else
                for (int c; (c = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0 && c < FILES;)
                    watch(c);
        }
    }
}
