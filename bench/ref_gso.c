/* ref_gso PORT: a bare UDP echo of trains: GRO in, GSO out, one train a call. */
#include "common.h"

#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

static char bytes[65536];

/* The kernel told the length of a datagram of the train; 0: it was one datagram. */
static int segment_of(struct msghdr *m)
{
    int seg = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&seg, CMSG_DATA(c), sizeof seg);
    return seg;
}

static void set_segment(struct msghdr *m, char *control, uint16_t seg)
{
    struct cmsghdr *c;

    m->msg_control = control;
    m->msg_controllen = CMSG_SPACE(sizeof seg);
    c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof seg);
    memcpy(CMSG_DATA(c), &seg, sizeof seg);
}

int main(int argc, char **argv)
{
    int fd = bench_udp(bench_number(argv[1], 1, 65535), true);

    for (;;) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        struct sockaddr_in from;
        struct iovec iov = { bytes, sizeof bytes };
        struct msghdr m = { .msg_name = &from,
            .msg_namelen = sizeof from,
            .msg_iov = &iov,
            .msg_iovlen = 1,
            .msg_control = control,
            .msg_controllen = sizeof control };
        ssize_t n = recvmsg(fd, &m, 0);
        int seg;

        if (n < 0) {
            struct pollfd p = { .fd = fd, .events = POLLIN };

            poll(&p, 1, -1);
            continue;
        }
        iov.iov_len = (size_t)n;
        seg = segment_of(&m);
        m.msg_control = NULL;
        m.msg_controllen = 0;
        if (seg > 0 && seg < n)
            set_segment(&m, control, (uint16_t)seg);
        (void)sendmsg(fd, &m, 0); /* full: dropped, as UDP may */
    }
}
