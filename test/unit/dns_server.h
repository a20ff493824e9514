#pragma once
/* A name server on loopback for the tests. Include after test.h. */
#include <sockit/bytes.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static inline skt_time now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

/* ---- the name server ---- */

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_AAAA = 28, NXDOMAIN = 3, SERVFAIL = 2 };

struct server {
    int fd;
    char where[32];
    uint32_t asked;
};

static inline struct server server_new(void)
{
    struct server s = { .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) };
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof in;

    assert_false(bind(s.fd, (struct sockaddr *)&in, n));
    assert_false(getsockname(s.fd, (struct sockaddr *)&in, &n));
    snprintf(s.where, sizeof s.where, "127.0.0.1:%d", ntohs(in.sin_port));
    return s;
}

/* RFC 1035 section 3.1: labels, each after its length. */
static inline void get_name(struct skt_span *in, char *ret_name, size_t size)
{
    struct skt_room out = skt_room_of(ret_name, size - 1);

    for (uint8_t n; (n = skt_get_u8(in));) {
        skt_put(&out, skt_get_span(in, n));
        skt_put_u8(&out, '.');
    }
    *out.p = 0;
}

/* A record of the name that was asked for (a pointer to offset 12). */
static inline void put_record(struct skt_room *out, uint16_t type, struct skt_span data)
{
    skt_put_u16(out, 0xc00c);
    skt_put_u16(out, type);
    skt_put_u16(out, 1);  /* IN */
    skt_put_u32(out, 60); /* seconds to live */
    skt_put_u16(out, (uint16_t)skt_len(data));
    skt_put(out, data);
}

static const uint8_t ip4[] = { 127, 0, 0, 9 }, ip6[16] = { [15] = 1 };

static inline uint16_t put_answers(struct skt_room *out, const char *name, uint16_t type)
{
    uint16_t n = 0;

    if (type == TYPE_A && (!strcmp(name, "four.test.") || !strcmp(name, "both.test.") || !strcmp(name, "no6.test.")))
        n++, put_record(out, TYPE_A, skt_span_of(ip4, 4));
    if (type == TYPE_AAAA && !strcmp(name, "both.test."))
        n++, put_record(out, TYPE_AAAA, skt_span_of(ip6, 16));
    if (type == TYPE_A && !strcmp(name, "many.test."))
        for (; n < 20; n++)
            put_record(out, TYPE_A, skt_span_of((uint8_t[]){ 127, 0, 1, (uint8_t)n }, 4));
    return n;
}

static inline void server_answer(struct server *s)
{
    uint8_t wire[2048], reply[2048];
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    ssize_t got = recvfrom(s->fd, wire, sizeof wire, 0, (struct sockaddr *)&peer, &len);
    struct skt_span in = skt_span_of(wire, got > 0 ? (size_t)got : 0), question;
    struct skt_room out = skt_room_of(reply, sizeof reply), counts;
    uint16_t id = skt_get_u16(&in), type, error = 0, n;
    char name[300];

    if (got < 12)
        return;
    s->asked++;
    (void)skt_get_span(&in, 10);
    question = in;
    get_name(&in, name, sizeof name);
    type = skt_get_u16(&in);
    question.end = in.p + 2;
    if (!strncmp(name, "silent", 6) || (!strcmp(name, "no6.test.") && type == TYPE_AAAA))
        return;
    if (!strncmp(name, "nothere", 7))
        error = NXDOMAIN;
    if (!strcmp(name, "broken.test."))
        error = SERVFAIL;
    skt_put_u16(&out, id);
    skt_put_u16(&out, 0x8180 | error); /* a response, recursion available */
    skt_put_u16(&out, 1);
    counts = out;
    skt_put_u16(&out, 0);
    skt_put_u32(&out, 0);
    skt_put(&out, question);
    n = put_answers(&out, name, type);
    skt_put_u16(&counts, n);
    if (!strcmp(name, "junk.test."))
        out.p = reply + 7; /* cut in the header */
    (void)!sendto(s->fd, reply, (size_t)(out.p - reply), 0, (struct sockaddr *)&peer, len);
}
