/* ref_uv tcp|udp PORT: the echo on libuv. TCP tries the write at once and queues only what did not fit, UDP receives
 * by recvmmsg: libuv at its best. */
#include "common.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum { CHUNK = 64 * 1024, BATCH_BYTES = 20 * CHUNK /* libuv's recvmmsg takes 20 datagrams of 64 KiB */ };

struct rest {
    uv_write_t req;
    char bytes[];
};

static char chunk[BATCH_BYTES];

static void give_chunk(uv_handle_t *h, size_t want, uv_buf_t *buf)
{
    *buf = uv_buf_init(chunk, h->type == UV_UDP ? BATCH_BYTES : CHUNK);
}

static void free_handle(uv_handle_t *h) { free(h); }

static void on_written(uv_write_t *req, int status)
{
    uv_stream_t *s = req->handle;

    free(req);
    if (status < 0 && !uv_is_closing((uv_handle_t *)s))
        uv_close((uv_handle_t *)s, free_handle);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
    uv_buf_t out = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);
    struct rest *rest;
    int sent;

    if (n < 0) {
        uv_close((uv_handle_t *)s, free_handle);
        return;
    }
    sent = n ? uv_try_write(s, &out, 1) : 0;
    if (sent == n || (sent < 0 && sent != UV_EAGAIN))
        return; /* an error comes again from the read */
    sent = sent < 0 ? 0 : sent;
    rest = bench_alloc(sizeof *rest + (size_t)(n - sent));
    memcpy(rest->bytes, buf->base + sent, (size_t)(n - sent));
    out = uv_buf_init(rest->bytes, (unsigned)(n - sent));
    uv_write(&rest->req, s, &out, 1, on_written);
}

static void on_accept(uv_stream_t *listener, int status)
{
    uv_tcp_t *c = bench_alloc(sizeof *c);

    uv_tcp_init(listener->loop, c);
    if (status || uv_accept(listener, (uv_stream_t *)c)) {
        uv_close((uv_handle_t *)c, free_handle);
        return;
    }
    uv_read_start((uv_stream_t *)c, give_chunk, on_read);
}

static void on_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *peer, unsigned flags)
{
    uv_buf_t out = uv_buf_init(buf->base, n > 0 ? (unsigned)n : 0);

    if (n > 0 && peer)
        uv_udp_try_send(u, &out, 1, peer); /* full: dropped, as UDP may */
}

int main(int argc, char **argv)
{
    static uv_loop_t loop;
    static uv_tcp_t listener;
    static uv_udp_t udp;
    bool datagrams = argc > 1 && !strcmp(argv[1], "udp");
    uint32_t port = bench_number(argc > 2 ? argv[2] : NULL, 1, 65535);

    bench_raise_files();
    uv_loop_init(&loop);
    if (datagrams) {
        uv_udp_init_ex(&loop, &udp, AF_UNSPEC | UV_UDP_RECVMMSG);
        uv_udp_open(&udp, bench_udp(port, false));
        uv_udp_recv_start(&udp, give_chunk, on_datagram);
    } else {
        uv_tcp_init(&loop, &listener);
        uv_tcp_open(&listener, bench_listen(port));
        if (uv_listen((uv_stream_t *)&listener, 4096, on_accept))
            bench_die("uv_listen");
    }
    return uv_run(&loop, UV_RUN_DEFAULT);
}
