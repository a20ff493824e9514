/* uring: set-up of a ring, and the four requests that every io_uring reference makes. */
#include "uring.h"

#include "common.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ENTRIES = 4096, COMPLETIONS = 65536 /* more than connections: none overflows */ };

static void need(int result, const char *what)
{
    errno = result < 0 ? -result : 0;
    if (result < 0)
        bench_die("%s", what);
}

static void make_pool(struct uring *u)
{
    struct io_uring_buf_reg reg = { .ring_entries = u->slots, .bgid = URING_GROUP };
    size_t head = u->slots * sizeof(struct io_uring_buf);

    u->pool = mmap(NULL, head, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    u->bytes = mmap(NULL, (size_t)u->slots * u->slot_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (u->pool == MAP_FAILED || u->bytes == MAP_FAILED)
        bench_die("out of memory");
    reg.ring_addr = (uintptr_t)u->pool;
    io_uring_buf_ring_init(u->pool);
    need(io_uring_register_buf_ring(&u->ring, &reg, 0), "buffer ring");
    for (uint32_t i = 0; i < u->slots; i++)
        uring_give_back(u, i);
}

void uring_init(struct uring *u, uint32_t slots, uint32_t slot_bytes)
{
    struct io_uring_params params = {
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        .cq_entries = COMPLETIONS,
    };

    *u = (struct uring){ .slots = slots, .slot_bytes = slot_bytes };
    bench_raise_files();
    need(io_uring_queue_init_params(ENTRIES, &u->ring, &params), "io_uring");
    io_uring_register_ring_fd(&u->ring);
    need(io_uring_register_files_sparse(&u->ring, URING_FILES), "file table");
    if (slots)
        make_pool(u);
}

struct io_uring_sqe *uring_sqe(struct uring *u)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe(&u->ring)))
        io_uring_submit(&u->ring);
    return sqe;
}

void uring_give_back(struct uring *u, uint32_t slot)
{
    io_uring_buf_ring_add(
        u->pool, uring_slot(u, slot), u->slot_bytes, (uint16_t)slot, io_uring_buf_ring_mask(u->slots), 0);
    io_uring_buf_ring_advance(u->pool, 1);
}

void uring_accept(struct uring *u, int listener, uint64_t data)
{
    struct io_uring_sqe *sqe = uring_sqe(u);

    io_uring_prep_multishot_accept_direct(sqe, listener, NULL, NULL, 0);
    io_uring_sqe_set_data64(sqe, data);
}

void uring_recv(struct uring *u, uint32_t file, uint64_t data)
{
    struct io_uring_sqe *sqe = uring_sqe(u);

    io_uring_prep_recv_multishot(sqe, (int)file, NULL, 0, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = URING_GROUP;
    io_uring_sqe_set_data64(sqe, data);
}

void uring_close(struct uring *u, uint32_t file)
{
    struct io_uring_sqe *sqe = uring_sqe(u);

    io_uring_prep_close_direct(sqe, file);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 0);
}
