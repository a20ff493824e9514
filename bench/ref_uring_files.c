/* ref_uring_files PORT FILE hot|direct: what ref_files does, on io_uring: the read of the block is one more request of
 * the same ring. */
#include "common.h"
#include "uring.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { ACCEPT = 1, RECV, READ, SEND, BLOCK = 4096, REQUEST = 256, LINKS = 4096 };

struct request {
    char bytes[REQUEST];
    uint32_t n;
};

static struct uring uring;
static struct request requests[LINKS];
static uint8_t *blocks_read; /* a block for each link */
static int file;
static uint64_t blocks, seed;

static uint64_t data_of(unsigned op, uint32_t link) { return (uint64_t)op << 32 | link; }

static void listen_to(uint32_t link)
{
    struct io_uring_sqe *sqe = uring_sqe(&uring);

    io_uring_prep_recv(sqe, (int)link, requests[link].bytes, REQUEST, 0);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, data_of(RECV, link));
}

static void read_block(uint32_t link)
{
    struct io_uring_sqe *sqe = uring_sqe(&uring);

    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    io_uring_prep_read(sqe, file, blocks_read + (size_t)link * BLOCK, BLOCK, (seed >> 33) % blocks * BLOCK);
    io_uring_sqe_set_data64(sqe, data_of(READ, link));
}

static void reply(uint32_t link)
{
    struct io_uring_sqe *sqe = uring_sqe(&uring);

    io_uring_prep_send(sqe, (int)link, requests[link].bytes, requests[link].n, MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, data_of(SEND, link));
}

/* One request of a link at a time: receive, read, send, and again. */
static void on_done(unsigned op, uint32_t link, int result)
{
    if (op == READ && result != BLOCK)
        bench_die("read gave %d", result);
    if (result <= 0) {
        uring_close(&uring, link);
        return;
    }
    switch (op) {
    case RECV:
        requests[link].n = (uint32_t)result;
        read_block(link);
        break;
    case READ: reply(link); break;
    case SEND: listen_to(link); break;
    }
}

static void turn(int listener)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_submit_and_wait(&uring.ring, 1);
    io_uring_for_each_cqe(&uring.ring, head, cqe)
    {
        unsigned op = (unsigned)(cqe->user_data >> 32);

        n++;
        if (op == ACCEPT && cqe->res >= 0 && cqe->res < LINKS)
            listen_to((uint32_t)cqe->res);
        else if (op > ACCEPT)
            on_done(op, (uint32_t)cqe->user_data, cqe->res);
        if (op == ACCEPT && !(cqe->flags & IORING_CQE_F_MORE))
            uring_accept(&uring, listener, data_of(ACCEPT, 0));
    }
    io_uring_cq_advance(&uring.ring, n);
}

int main(int argc, char **argv)
{
    struct stat st;
    int listener;

    if (argc != 4)
        bench_die("usage: PORT FILE hot|direct");
    file = open(argv[2], O_RDONLY | O_CLOEXEC | (!strcmp(argv[3], "direct") ? O_DIRECT : 0));
    if (file < 0 || fstat(file, &st) || st.st_size < BLOCK)
        bench_die("%s", argv[2]);
    blocks = (uint64_t)st.st_size / BLOCK;
    blocks_read = aligned_alloc(BLOCK, (size_t)LINKS * BLOCK);
    uring_init(&uring, 0, 0);
    listener = bench_listen(bench_number(argv[1], 1, 65535));
    uring_accept(&uring, listener, data_of(ACCEPT, 0));
    for (;;)
        turn(listener);
}
