/* ref_mmsg PORT: UDP echo by recvmmsg and sendmmsg, 64 datagrams a call, of at most 2 KiB. */
#include "common.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SLOT = 2048 };

static char bytes[BATCH][SLOT];
static struct sockaddr_in from[BATCH];
static struct iovec iov[BATCH];
static struct mmsghdr msgs[BATCH];

int main(int argc, char **argv)
{
    int fd = bench_udp(bench_number(argv[1], 1, 65535), false);

    for (int i = 0; i < BATCH; i++) {
        iov[i].iov_base = bytes[i];
        msgs[i].msg_hdr = (struct msghdr){ .msg_name = &from[i], .msg_iov = &iov[i], .msg_iovlen = 1 };
    }
    for (;;) {
        int n;

        for (int i = 0; i < BATCH; i++) {
            iov[i].iov_len = SLOT;
            msgs[i].msg_hdr.msg_namelen = sizeof from[i];
        }
        n = recvmmsg(fd, msgs, BATCH, 0, NULL);
        if (n < 0) {
            struct pollfd p = { .fd = fd, .events = POLLIN };

            poll(&p, 1, -1);
            continue;
        }
        for (int i = 0; i < n; i++)
            iov[i].iov_len = msgs[i].msg_len;
        (void)sendmmsg(fd, msgs, (unsigned)n, 0); /* full: dropped, as UDP may */
    }
}
