/* ref_uring PORT [SLOT_BYTES]: the echo on io_uring, as good as we know how: multishot accept and receive, a buffer ring
 * whose slots are sent as they are, one send in flight on a stream (several may overtake each other). */
#include "common.h"
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ACCEPT = 1, RECV, SEND, POOL_BYTES = 2 << 20, SLOTS_MIN = 64, NONE = UINT16_MAX };

struct conn {
    uint16_t first, last; /* slots to send, in order; NONE: nothing */
    uint32_t sent;        /* bytes of the first */
    bool listening, sending, ended;
};

static struct uring uring;
static struct conn conns[URING_FILES];
static struct {
    uint32_t n;
    uint16_t next;
} * slots;                               /* by number */
static uint32_t *starved, starved_count; /* whose receive ended because no slot was free */

static uint64_t data_of(unsigned op, uint32_t file) { return (uint64_t)op << 32 | file; }

static void listen_to(uint32_t file)
{
    conns[file].listening = true;
    uring_recv(&uring, file, data_of(RECV, file));
}

/* A close while a request holds the socket neither cancels it nor sends FIN: it waits until both are over. */
static void close_if_over(uint32_t file)
{
    struct conn *c = &conns[file];

    if (!c->ended || c->listening || c->sending)
        return;
    for (uint16_t s = c->first, next; s != NONE; s = next) {
        next = slots[s].next;
        uring_give_back(&uring, s);
    }
    c->first = NONE;
    c->ended = false;
    uring_close(&uring, file);
}

static void send_first(uint32_t file)
{
    struct conn *c = &conns[file];
    struct io_uring_sqe *sqe;

    if (c->sending || c->first == NONE)
        return;
    sqe = uring_sqe(&uring);
    io_uring_prep_send(sqe, (int)file, uring_slot(&uring, c->first) + c->sent, slots[c->first].n - c->sent,
        MSG_NOSIGNAL | MSG_WAITALL);
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, data_of(SEND, file));
    c->sending = true;
}

static void on_accept(int listener, const struct io_uring_cqe *cqe)
{
    if (cqe->res >= 0) {
        conns[cqe->res] = (struct conn){ .first = NONE };
        listen_to((uint32_t)cqe->res);
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        uring_accept(&uring, listener, data_of(ACCEPT, 0));
}

static void on_recv(uint32_t file, const struct io_uring_cqe *cqe)
{
    struct conn *c = &conns[file];
    uint16_t slot = (uint16_t)uring_slot_of(cqe);

    c->listening = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res > 0) {
        slots[slot].n = (uint32_t)cqe->res;
        slots[slot].next = NONE;
        if (c->first == NONE)
            c->first = slot;
        else
            slots[c->last].next = slot;
        c->last = slot;
        send_first(file);
        if (!c->listening)
            listen_to(file);
    } else if (cqe->res == -ENOBUFS) {
        starved[starved_count++] = file;
        c->listening = true; /* it will */
    } else {
        c->ended = true;
        close_if_over(file);
    }
}

static void on_sent(uint32_t file, const struct io_uring_cqe *cqe)
{
    struct conn *c = &conns[file];
    uint16_t slot = c->first;

    c->sending = false;
    if (cqe->res < 0) {
        c->ended = true; /* the peer is gone: its receive ends too */
        close_if_over(file);
        return;
    }
    c->sent += (uint32_t)cqe->res;
    if (c->sent == slots[slot].n) {
        c->first = slots[slot].next;
        c->sent = 0;
        uring_give_back(&uring, slot);
    }
    send_first(file);
    close_if_over(file);
}

/* Slots came back in this turn: those who found none may try again. */
static void feed_starved(void)
{
    uint32_t n = starved_count;

    starved_count = 0;
    for (uint32_t i = 0; i < n; i++)
        listen_to(starved[i]);
}

static void turn(int listener)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;

    io_uring_submit_and_wait(&uring.ring, 1);
    io_uring_for_each_cqe(&uring.ring, head, cqe)
    {
        uint32_t file = (uint32_t)cqe->user_data;

        switch (cqe->user_data >> 32) {
        case ACCEPT: on_accept(listener, cqe); break;
        case RECV: on_recv(file, cqe); break;
        case SEND: on_sent(file, cqe); break;
        }
        n++;
    }
    io_uring_cq_advance(&uring.ring, n);
    if (starved_count)
        feed_starved();
}

int main(int argc, char **argv)
{
    uint32_t slot_bytes = argc > 2 ? bench_number(argv[2], 256, 1 << 20) : 2048, count = POOL_BYTES / slot_bytes;
    int listener = bench_listen(bench_number(argv[1], 1, 65535));

    count = count < SLOTS_MIN ? SLOTS_MIN : count;
    while (count & (count - 1))
        count &= count - 1;
    uring_init(&uring, count, slot_bytes);
    slots = bench_alloc(count * sizeof *slots);
    starved = bench_alloc(URING_FILES * sizeof *starved);
    uring_accept(&uring, listener, data_of(ACCEPT, 0));
    for (;;)
        turn(listener);
}
