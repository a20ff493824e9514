/* adopt: descriptors that the runtime did not make: standard input and output, files, inherited sockets. */
#include "drive/rt/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

/* Non-blocking without a change for those who share the open file: a pipe or terminal is opened anew by its name.
 * Where that is not allowed the descriptor stays as it is, and is only used when it is ready. */
static int reopen(int fd, int mode)
{
    struct stat st;
    char path[32];

    if (fstat(fd, &st) || !(S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)))
        return -1;
    if (mode == O_WRONLY && (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY)
        return -1; /* a standard output that was closed: opened anew it would swallow all without a word */
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, mode | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* Standard input and output stay open numbers, on /dev/null, so that no socket becomes standard output. */
static void leave_number(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0)
        return;
    (void)dup2(null, fd);
    close(null);
}

static int own(int fd, int mode)
{
    int mine = fd < 0 ? -1 : reopen(fd, mode);

    if (mine < 0 && fd >= 0 && fd <= STDERR_FILENO)
        mine = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (mine < 0)
        return fd;
    if (fd > STDERR_FILENO)
        close(fd);
    else
        leave_number(fd);
    return mine;
}

static bool is_socket(int fd)
{
    int type;
    socklen_t len = sizeof type;

    return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
}

int skt_rt_adopt(struct skt_rt *rt, int engine, int in, int out, skt_link *ret_link)
{
    struct link *l;
    int r = link_new(rt, engine, STREAM, &l);

    if (r)
        return r;
    l->socket = is_socket(in < 0 ? out : in) && (in == out || in < 0 || out < 0);
    if (l->socket) {
        l->fd = l->out = own(in >= 0 ? in : out, O_RDWR);
    } else {
        l->fd = own(in, O_RDONLY);
        l->out = in == out ? l->fd : own(out, O_WRONLY);
    }
    l->known = true;
    l->in_end = l->eof_told = in < 0;
    l->out_ended = l->out_eof = out < 0;
    if (in >= 0)
        link_want(rt, l, EPOLLIN);
    *ret_link = link_id(l);
    return 0;
}
