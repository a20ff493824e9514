/* ref_scan SECONDS PORT...: a bare connect scan of ports on 127.0.0.1, 256 in flight, by non-blocking connect and
 * epoll. Goes round the ports until the time is over and prints connects per CPU-second of its own. */
#include "common.h"
#include "scan.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int epoll;
static struct scan scan;

/* True: it goes on in the background. On loopback most are decided at once. */
static bool begin(void)
{
    struct sockaddr_in to = scan_next(&scan);
    int fd = scan_socket(SOCK_NONBLOCK);
    struct epoll_event ev = { .events = EPOLLOUT, .data.fd = fd };

    if (!connect(fd, (struct sockaddr *)&to, sizeof to))
        scan_told(&scan, 0);
    else if (errno != EINPROGRESS)
        scan_told(&scan, errno);
    else if (!epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev))
        return true;
    close(fd);
    return false;
}

static void finish(int fd)
{
    socklen_t n = sizeof(int);
    int error = 0;

    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
    scan_told(&scan, error);
    close(fd);
}

int main(int argc, char **argv)
{
    static struct epoll_event ev[SCAN_WINDOW];
    uint32_t in_flight = 0;

    epoll = epoll_create1(EPOLL_CLOEXEC);
    scan_init(&scan, argc - 1, argv + 1);
    while (!scan_over(&scan)) {
        int n;

        for (uint32_t tries = 0; in_flight < SCAN_WINDOW && tries < SCAN_WINDOW; tries++)
            in_flight += begin();
        n = epoll_wait(epoll, ev, SCAN_WINDOW, 0);
        for (int i = 0; i < n; i++, in_flight--)
            finish(ev[i].data.fd);
    }
    scan_print(&scan);
    return 0;
}
