/* flood: numbered datagrams one way, and who counts them.
 *   flood send ADDRESS PORT COUNT RATE SIZE     COUNT of them, RATE a second (0: as fast as it goes)
 *   flood sink PORT COUNT SECONDS               until COUNT have come, or none for SECONDS; prints what came */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 32, SLOT = 2048, BUFFER = 64 << 20 };

static uint8_t bytes[BATCH][SLOT];
static struct iovec iov[BATCH];
static struct mmsghdr msgs[BATCH];

static void slots(size_t size)
{
    for (int i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = size };
        msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
    }
}

static int flood_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), big = BUFFER;

    if (fd < 0)
        bench_die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big))
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    return fd;
}

static int send_all(char **argv)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)bench_number(argv[1], 1, 65535)) };
    uint32_t count = bench_number(argv[2], 1, UINT32_MAX), rate = bench_number(argv[3], 0, UINT32_MAX);
    uint32_t sent = 0;
    int fd = flood_socket();
    int64_t began;

    slots(bench_number(argv[4], 4, SLOT));
    if (inet_pton(AF_INET, argv[0], &to.sin_addr) != 1 || connect(fd, (struct sockaddr *)&to, sizeof to))
        bench_die("%s", argv[0]);
    began = bench_now();
    while (sent < count) {
        uint32_t n = count - sent < BATCH ? count - sent : BATCH;
        int r;

        while (rate && bench_now() - began < (int64_t)((double)sent * 1e9 / rate)) {
        }
        for (uint32_t i = 0; i < n; i++) {
            uint32_t number = htonl(sent + i);
            memcpy(bytes[i], &number, sizeof number);
        }
        r = sendmmsg(fd, msgs, n, 0);
        if (r < 0 && errno != EINTR && errno != ENOBUFS && errno != ECONNREFUSED)
            bench_die("sendmmsg");
        sent += r > 0 ? (uint32_t)r : 0;
    }
    printf("sent=%u rate=%.0f\n", sent, sent / ((double)(bench_now() - began) / 1e9));
    return 0;
}

static int sink(char **argv)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)bench_number(argv[0], 1, 65535)) };
    uint32_t count = bench_number(argv[1], 1, UINT32_MAX), came = 0, wrong = 0, twice = 0, late = 0, next = 0;
    int patience = (int)bench_number(argv[2], 1, 3600) * 1000, fd = flood_socket();
    uint8_t *seen = bench_alloc(count);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    int64_t first = 0, last = 0;

    slots(SLOT);
    if (bind(fd, (struct sockaddr *)&at, sizeof at))
        bench_die("bind");
    while (came < count && poll(&p, 1, patience) > 0) {
        int n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);

        last = bench_now();
        first = first ? first : last;
        for (int i = 0; i < n; i++) {
            uint32_t number;
            memcpy(&number, bytes[i], sizeof number);
            number = ntohl(number);
            if (msgs[i].msg_len < sizeof number || number >= count) {
                wrong++;
                continue;
            }
            twice += seen[number];
            late += number < next;
            next = number + 1;
            came += !seen[number];
            seen[number] = 1;
        }
    }
    printf("came=%u lost=%u twice=%u late=%u wrong=%u rate=%.0f\n", came, count - came, twice, late, wrong,
        last > first ? came / ((double)(last - first) / 1e9) : 0);
    free(seen);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 7 && !strcmp(argv[1], "send"))
        return send_all(argv + 2);
    if (argc == 5 && !strcmp(argv[1], "sink"))
        return sink(argv + 2);
    fprintf(stderr, "usage: flood send ADDRESS PORT COUNT RATE SIZE | flood sink PORT COUNT SECONDS\n");
    return 2;
}
