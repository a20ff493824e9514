/* ref_uring_scan SECONDS PORT...: the bare connect scan on io_uring: connect and close are one chain, and a window of
 * chains enters the kernel by one call. */
#include "common.h"
#include "scan.h"
#include "uring.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct uring uring;
static struct scan scan;
static struct sockaddr_in to[SCAN_WINDOW]; /* the kernel reads it until the connect is over */

static void begin(uint32_t slot)
{
    int fd = scan_socket(0);
    struct io_uring_sqe *sqe;

    to[slot] = scan_next(&scan);
    if (io_uring_sq_space_left(&uring.ring) < 2) /* a chain must not be cut by a submit */
        io_uring_submit(&uring.ring);
    sqe = uring_sqe(&uring);
    io_uring_prep_connect(sqe, fd, (struct sockaddr *)&to[slot], sizeof to[slot]);
    sqe->flags |= IOSQE_IO_HARDLINK; /* close it also when it was refused */
    io_uring_sqe_set_data64(sqe, slot + 1);
    sqe = uring_sqe(&uring);
    io_uring_prep_close(sqe, fd);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    io_uring_sqe_set_data64(sqe, 0);
}

int main(int argc, char **argv)
{
    uring_init(&uring, 0, 0);
    scan_init(&scan, argc - 1, argv + 1);
    for (uint32_t i = 0; i < SCAN_WINDOW; i++)
        begin(i);
    while (!scan_over(&scan)) {
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;

        io_uring_submit_and_wait(&uring.ring, 1);
        io_uring_for_each_cqe(&uring.ring, head, cqe)
        {
            n++;
            if (!cqe->user_data)
                continue;
            scan_told(&scan, -cqe->res);
            begin((uint32_t)cqe->user_data - 1);
        }
        io_uring_cq_advance(&uring.ring, n);
    }
    scan_print(&scan);
    return 0;
}
