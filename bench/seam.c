/* seam: what the contract between engine and driver costs. The echo engine is told 64 bytes and asked until it has no
 * more, as a driver does, without a kernel; beside it the two system calls that any echo needs for the same message.
 * Prints ns of each and the share of the first in the second; bench/seam runs it in rounds. */
#include "common.h"

#include <sockit/serve.h>

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SIZE = 64, CALLS = 2000000, PAIRS = 200000, LINKS = 50 };

struct driver {
    struct skt_engine engine;
    struct skt_buf *buf; /* what the last receive filled; NULL: the engine must copy */
    uint8_t bytes[SIZE];
    uint8_t room[SKT_ROOM_MIN];
    uint64_t out; /* bytes that the engine gave back */
};

static void ask(struct driver *d)
{
    for (;;) {
        struct skt_out out = { .data = skt_room_of(d->room, sizeof d->room) };

        if (!d->engine.ops->send(d->engine.self, SKT_SEC, &out))
            return;
        if (out.kind == SKT_SHARE) { /* a driver keeps what it queues: one reference there and back */
            d->out += skt_len(out.share);
            skt_buf_put(skt_buf_ref(out.buf));
        } else if (out.kind == SKT_DATA) {
            d->out += (uint64_t)(out.data.p - d->room);
        }
    }
}

static void tell(struct driver *d, skt_link link, enum skt_kind kind)
{
    struct skt_addr peer = { .family = SKT_IP4, .port = 1, .ip = { 127, 0, 0, 1 } };
    struct skt_in in = { .link = link, .kind = kind };

    if (kind == SKT_OPEN) {
        in.peer = &peer;
        in.via = 1 << SKT_LINK_BITS | (LINKS + 1);
    } else {
        in.buf = d->buf;
        in.data = skt_span_of(d->buf ? d->buf->data : d->bytes, SIZE);
    }
    d->engine.ops->recv(d->engine.self, SKT_SEC, &in);
}

static skt_link link_of(uint32_t i) { return 1 << SKT_LINK_BITS | (i % LINKS); }

/* ns of a message through the engine, of LINKS connections in turn. */
static double engine_ns(bool shared)
{
    struct skt_serve_conf conf = { .mode = SKT_SERVE_ECHO, .quiet = true };
    skt_auto(skt_serve) struct skt_serve *serve = skt_serve_new(&conf);
    static struct driver d;
    int64_t from;

    if (!serve)
        bench_die("out of memory");
    d = (struct driver){ .engine = skt_serve_engine(serve), .buf = shared ? skt_buf_new(4096) : NULL };
    for (uint32_t i = 0; i < LINKS; i++)
        tell(&d, link_of(i), SKT_OPEN);
    ask(&d);
    d.out = 0;
    from = bench_now();
    for (uint32_t i = 0; i < CALLS; i++) {
        tell(&d, link_of(i), SKT_DATA);
        ask(&d);
    }
    from = bench_now() - from;
    if (d.out != (uint64_t)CALLS * SIZE)
        bench_die("the engine gave %llu bytes for %llu", (unsigned long long)d.out, (unsigned long long)CALLS * SIZE);
    skt_buf_put(d.buf);
    return (double)from / CALLS;
}

/* ns of send and recv of a message over a TCP connection to oneself. */
static double kernel_ns(void)
{
    struct sockaddr_in at = bench_loopback(0);
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), a = socket(AF_INET, SOCK_STREAM, 0), b;
    char bytes[SIZE] = { 0 };
    int64_t from;

    bench_tune(listener);
    bench_tune(a);
    if (bind(listener, (struct sockaddr *)&at, n) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&at, &n) || connect(a, (struct sockaddr *)&at, n))
        bench_die("loopback");
    b = accept(listener, NULL, NULL);
    from = bench_now();
    for (uint32_t i = 0; i < PAIRS; i++)
        if (send(a, bytes, SIZE, 0) != SIZE || recv(b, bytes, SIZE, MSG_WAITALL) != SIZE)
            bench_die("loopback");
    from = bench_now() - from;
    close(a);
    close(b);
    close(listener);
    return (double)from / PAIRS;
}

int main(void)
{
    double shared = engine_ns(true), copied = engine_ns(false), kernel = kernel_ns();

    printf("shared=%.1f copied=%.1f kernel=%.1f shared_pct=%.3f copied_pct=%.3f\n", shared, copied, kernel,
        shared / kernel * 100, copied / kernel * 100);
    return 0;
}
