/* load_fanout: one sender and N readers in one room, by IRC or by bare lines. The sender keeps a window of messages in
 * flight; a message is over when every reader has it. */
#include "load.h"

#include "common.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CARRY = 1024, CHUNK = 64 * 1024, WINDOW_MAX = 4096, LINE_MAX_BYTES = 512, RAMP = 64 };

struct link {
    int fd;
    uint32_t id; /* 0 is the sender */
    bool joined;
    uint32_t carried; /* bytes of a line that is not whole yet */
    char carry[CARRY];
};

struct flight {
    int64_t since;
    uint32_t left; /* readers that have not got it */
};

struct fanout {
    const struct load *load;
    int epoll;
    uint32_t readers, joined;
    struct link *links;               /* the sender, then the readers */
    struct flight flight[WINDOW_MAX]; /* by sequence modulo window */
    uint64_t sent, over;              /* messages; over <= sent <= over + window */
    uint64_t delivered;
    int64_t next_at; /* with a rate: when the next message is due */
    struct hist hist;
    char chunk[CARRY + CHUNK];
    char text[LINE_MAX_BYTES]; /* padding, so that the text of a message is load->size bytes */
};

static void say(struct link *l, const char *line, size_t n)
{
    for (size_t sent = 0; sent < n;) {
        ssize_t r = send(l->fd, line + sent, n - sent, MSG_NOSIGNAL);

        if (r < 0 && errno == EAGAIN)
            usleep(50); /* the server reads no more from the sender: back-pressure is its right */
        else if (r < 0)
            bench_die("send on link %u", l->id);
        else
            sent += (size_t)r;
    }
}

static void say_text(struct link *l, const char *text) { say(l, text, strlen(text)); }

/* The bare relay gets the very line that an IRC server sends on, so both put the same bytes on each link. */
static size_t put_message(const struct fanout *f, char *out, size_t room, uint64_t seq)
{
    const char *prefix = f->load->irc ? "" : ":b0!b0@127.0.0.1 ";

    return (size_t)snprintf(out, room, "%sPRIVMSG #bench :%08llu%s\r\n", prefix, (unsigned long long)seq, f->text);
}

static void send_due(struct fanout *f, int64_t now)
{
    static char out[16 * LINE_MAX_BYTES];
    size_t n = 0;

    while (f->sent < f->over + f->load->window && n + LINE_MAX_BYTES < sizeof out) {
        if (f->load->rate && now < f->next_at)
            break;
        if (f->load->rate)
            f->next_at += 1000000000LL / f->load->rate;
        f->flight[f->sent % f->load->window] = (struct flight){ now, f->readers };
        n += put_message(f, out + n, sizeof out - n, f->sent++);
    }
    say(&f->links[0], out, n);
}

static void on_delivery(struct fanout *f, const struct link *l, uint64_t seq, int64_t now)
{
    struct flight *flight = &f->flight[seq % f->load->window];

    errno = 0;
    if (!l->id)
        return; /* a server that echoes to the sender does more than it was asked; not counted */
    if (seq < f->over || seq >= f->sent || !flight->left)
        bench_die("reader %u got message %llu twice or never sent", l->id, (unsigned long long)seq);
    hist_add(&f->hist, now - flight->since);
    f->delivered++;
    flight->left--;
    while (f->over < f->sent && !f->flight[f->over % f->load->window].left)
        f->over++;
}

/* ":prefix COMMAND ...": numerics of the registration, PING, and the messages. */
static void on_line(struct fanout *f, struct link *l, char *line, int64_t now)
{
    char *command = line, *text;

    if (*line == ':' && (command = strchr(line, ' ')))
        command++;
    if (!command)
        return;
    if (!strncmp(command, "PRIVMSG ", 8) && (text = strchr(command, ':')))
        on_delivery(f, l, strtoull(text + 1, NULL, 10), now);
    else if (!strncmp(command, "PING ", 5)) {
        char pong[LINE_MAX_BYTES];

        say(l, pong, (size_t)snprintf(pong, sizeof pong, "PONG %s\r\n", command + 5));
    } else if (!strncmp(command, "001 ", 4))
        say_text(l, "JOIN #bench\r\n");
    else if (!strncmp(command, "366 ", 4) && !l->joined) {
        l->joined = true;
        f->joined++;
    } else if (!strncmp(command, "ERROR", 5)) {
        errno = 0;
        bench_die("link %u: %s", l->id, line);
    }
}

static void pull(struct fanout *f, struct link *l)
{
    char *p = f->chunk, *end;
    ssize_t n;
    int64_t now;

    memcpy(p, l->carry, l->carried);
    n = recv(l->fd, p + l->carried, CHUNK, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        bench_die("link %u was %s", l->id, n ? "broken" : "closed by the server");
    now = bench_now();
    end = p + l->carried + n;
    for (char *lf; (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
        *lf = 0;
        on_line(f, l, p, now);
    }
    if (end - p > CARRY)
        bench_die("link %u: a line without an end", l->id);
    l->carried = (uint32_t)(end - p);
    memcpy(l->carry, p, l->carried);
}

static void poll_once(struct fanout *f, int patience_ms)
{
    static struct epoll_event ev[EVENTS];
    int n = epoll_wait(f->epoll, ev, EVENTS, patience_ms);

    for (int i = 0; i < n; i++)
        pull(f, ev[i].data.ptr);
}

/* Registered in groups: a server that accepts in batches is not asked for more than its backlog. */
static void open_all(struct fanout *f)
{
    char hello[128];

    for (uint32_t i = 0; i <= f->readers; i++) {
        struct link *l = &f->links[i];
        struct epoll_event ev = { .events = EPOLLIN, .data.ptr = l };

        l->fd = load_connect(f->load->port);
        l->id = i;
        if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, l->fd, &ev))
            bench_die("epoll_ctl");
        if (f->load->irc) {
            snprintf(hello, sizeof hello, "NICK b%u\r\nUSER b%u 0 * :bench\r\n", i, i);
            say_text(l, hello);
        }
        if (i % RAMP == RAMP - 1 || i == f->readers)
            for (int tries = 0; tries < 1000 && (f->load->irc ? f->joined <= i : tries < 2); tries++)
                poll_once(f, 10);
    }
    if (f->load->irc && f->joined <= f->readers) {
        errno = 0;
        bench_die("%u of %u joined the room", f->joined, f->readers + 1);
    }
}

/* With a rate the sender sleeps to the ms, and the latency counts from the true send. */
static int patience(const struct fanout *f, int64_t now)
{
    int64_t left = f->next_at - now;

    if (!f->load->rate || f->sent == f->over + f->load->window)
        return 100;
    return left <= 0 ? 0 : (int)(left / 1000000 + 1);
}

void load_fanout(const struct load *load)
{
    static struct fanout f;
    struct span_of_time t = { 0 };

    load_guard(load);
    f = (struct fanout){ .load = load, .epoll = epoll_create1(EPOLL_CLOEXEC), .readers = load->links };
    f.links = bench_alloc((load->links + 1) * sizeof *f.links);
    if (load->size + 64 > LINE_MAX_BYTES)
        bench_die("an IRC line has 512 bytes");
    memset(f.text, 'x', load->size - 8);
    open_all(&f);
    t.from = load_guard(load);
    f.next_at = bench_now();
    for (int64_t now = bench_now(); !load_ends(&t, now); now = bench_now()) {
        send_due(&f, now);
        poll_once(&f, patience(&f, now));
        if (load_begins(load, &t, now)) {
            f.delivered = 0;
            f.hist = (struct hist){ 0 };
        }
    }
    load_print(load, &t, f.delivered, &f.hist);
    putchar('\n');
}
