/* ref_uring_relay PORT [SLOT_BYTES]: the bare relay (of runs, lines may mix) on io_uring. What came in a turn is copied
 * once and counted; each link gets it by one gathered sendmsg, and all the sends of a turn enter the kernel by one
 * call. */
#include "common.h"
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ACCEPT = 1, RECV, SEND, SLOTS = 256, QUEUE = 64 /* pieces that wait for a link; above: dropped */ };

struct piece {
    uint32_t refs, n, from;
    uint8_t bytes[];
};

struct link {
    struct piece *queue[QUEUE];
    struct iovec iov[QUEUE];
    struct msghdr msg;
    uint32_t queued, in_flight; /* pieces; the first in_flight of the queue are with the kernel */
    bool open, listening, ended;
};

static struct uring uring;
static struct link *links[URING_FILES];
static uint32_t highest;
static struct piece *turn_pieces[SLOTS];
static uint32_t turn_count;

static uint64_t data_of(unsigned op, uint32_t file) { return (uint64_t)op << 32 | file; }

static void put_piece(struct piece *p)
{
    if (!--p->refs)
        free(p);
}

static void close_if_over(uint32_t file)
{
    struct link *l = links[file];

    if (!l->ended || l->listening || l->in_flight)
        return;
    for (uint32_t i = 0; i < l->queued; i++)
        put_piece(l->queue[i]);
    l->queued = 0;
    l->open = l->ended = false;
    uring_close(&uring, file);
}

static void end(uint32_t file)
{
    struct io_uring_sqe *sqe = uring_sqe(&uring);

    links[file]->ended = true;
    io_uring_prep_shutdown(sqe, (int)file, SHUT_RDWR); /* ends the receive that still runs */
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 0);
}

static void send_queued(uint32_t file)
{
    struct link *l = links[file];
    struct io_uring_sqe *sqe;

    if (l->in_flight || !l->queued || l->ended)
        return;
    for (uint32_t i = 0; i < l->queued; i++)
        l->iov[i] = (struct iovec){ l->queue[i]->bytes, l->queue[i]->n };
    l->in_flight = l->queued;
    l->msg = (struct msghdr){ .msg_iov = l->iov, .msg_iovlen = l->in_flight };
    sqe = uring_sqe(&uring);
    io_uring_prep_sendmsg(sqe, (int)file, &l->msg, MSG_NOSIGNAL | MSG_WAITALL); /* whole, or the link is broken */
    sqe->flags |= IOSQE_FIXED_FILE;
    io_uring_sqe_set_data64(sqe, data_of(SEND, file));
}

static void deliver_turn(void)
{
    for (uint32_t file = 0; turn_count && file <= highest; file++) {
        struct link *l = links[file];

        if (!l || !l->open || l->ended)
            continue;
        for (uint32_t i = 0; i < turn_count; i++) {
            if (turn_pieces[i]->from == file)
                continue;
            if (l->queued == QUEUE) {
                end(file);
                break;
            }
            turn_pieces[i]->refs++;
            l->queue[l->queued++] = turn_pieces[i];
        }
        send_queued(file);
    }
    for (uint32_t i = 0; i < turn_count; i++)
        put_piece(turn_pieces[i]);
    turn_count = 0;
}

static void on_accept(int listener, const struct io_uring_cqe *cqe)
{
    uint32_t file = (uint32_t)cqe->res;

    if (cqe->res >= 0) {
        if (!links[file])
            links[file] = bench_alloc(sizeof *links[file]);
        links[file]->open = links[file]->listening = true;
        highest = highest < file ? file : highest;
        uring_recv(&uring, file, data_of(RECV, file));
    }
    if (!(cqe->flags & IORING_CQE_F_MORE))
        uring_accept(&uring, listener, data_of(ACCEPT, 0));
}

static void on_recv(uint32_t file, const struct io_uring_cqe *cqe)
{
    struct link *l = links[file];
    uint32_t slot = uring_slot_of(cqe);

    l->listening = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->res > 0) {
        struct piece *p = bench_alloc(sizeof *p + (size_t)cqe->res);

        *p = (struct piece){ .refs = 1, .n = (uint32_t)cqe->res, .from = file };
        memcpy(p->bytes, uring_slot(&uring, slot), p->n);
        uring_give_back(&uring, slot);
        turn_pieces[turn_count++] = p;
        if (turn_count == SLOTS)
            deliver_turn();
    } else if (cqe->res != -ENOBUFS) {
        l->ended = true;
    }
    if (!l->listening && !l->ended) { /* each slot is given back at once: it may try again now */
        l->listening = true;
        uring_recv(&uring, file, data_of(RECV, file));
    }
    close_if_over(file);
}

static void on_sent(uint32_t file, const struct io_uring_cqe *cqe)
{
    struct link *l = links[file];

    for (uint32_t i = 0; i < l->in_flight; i++)
        put_piece(l->queue[i]);
    l->queued -= l->in_flight;
    memmove(l->queue, l->queue + l->in_flight, l->queued * sizeof l->queue[0]);
    l->in_flight = 0;
    if (cqe->res < 0 && !l->ended)
        end(file);
    send_queued(file);
    close_if_over(file);
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
    deliver_turn();
}

int main(int argc, char **argv)
{
    int listener = bench_listen(bench_number(argv[1], 1, 65535));

    uring_init(&uring, SLOTS, argc > 2 ? bench_number(argv[2], 256, 1 << 20) : 2048);
    uring_accept(&uring, listener, data_of(ACCEPT, 0));
    for (;;)
        turn(listener);
}
