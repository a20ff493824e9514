#pragma once
#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* uring: a ring and its pool of receive buffers, as the io_uring references use them. One thread, completions run only
 * when it asks for them (SINGLE_ISSUER, DEFER_TASKRUN), accepted sockets live in the ring's own table. */
struct uring {
    struct io_uring ring;
    struct io_uring_buf_ring *pool;
    uint8_t *bytes;
    uint32_t slots, slot_bytes;
};

enum { URING_FILES = 16384, URING_GROUP = 0 };

void uring_init(struct uring *u, uint32_t slots /* power of two; 0: no pool */, uint32_t slot_bytes);
struct io_uring_sqe *uring_sqe(struct uring *u); /* never NULL: submits when the queue is full */
void uring_give_back(struct uring *u, uint32_t slot);
void uring_accept(struct uring *u, int listener, uint64_t data);
void uring_recv(struct uring *u, uint32_t file, uint64_t data); /* multishot, into the pool */
void uring_close(struct uring *u, uint32_t file);               /* no completion when it succeeds */
static inline uint8_t *uring_slot(struct uring *u, uint32_t slot) { return u->bytes + (size_t)slot * u->slot_bytes; }
static inline uint32_t uring_slot_of(const struct io_uring_cqe *cqe) { return cqe->flags >> IORING_CQE_BUFFER_SHIFT; }
