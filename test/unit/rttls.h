#pragma once
/* What the tests of TLS links share: a peer that is a session worked by hand over a plain socket, and certificates. */
#include "rtworld.h"
#include "tls_pair.h"

static struct skt_tls *server, *client;

/* ---- a peer that speaks TLS ---- */

struct talker {
    int fd;
    struct skt_tls_session *s;
    uint8_t out[64 * 1024]; /* cipher text that the socket did not take */
    size_t from, to;
    struct tape plain;
    int error;   /* the first that a call gave; SKT_TLS_END is one */
    bool closed; /* the socket gives no more */
};

static inline void talker_send(struct talker *p)
{
    do {
        ssize_t n = p->from < p->to ? write(p->fd, p->out + p->from, p->to - p->from) : 0;
        struct skt_room room;

        p->from += n > 0 ? (size_t)n : 0;
        if (p->from < p->to)
            return;
        p->from = 0;
        room = skt_room_of(p->out, sizeof p->out);
        (void)skt_tls_send(p->s, &room);
        p->to = (size_t)(room.p - p->out);
    } while (p->to);
}

static inline void talker_plain(struct talker *p)
{
    int n;

    do {
        struct skt_room room;
        if (p->plain.room - p->plain.n < 65536)
            p->plain.p = realloc(p->plain.p, p->plain.room = p->plain.room * 2 + 65536);
        room = skt_room_of(p->plain.p + p->plain.n, 65536);
        n = skt_tls_read(p->s, &room);
        p->plain.n += n > 0 ? (size_t)n : 0;
        p->error = n < 0 && !p->error ? n : p->error;
    } while (n > 0);
}

/* Does what can be done without waiting. */
static inline bool talks(struct talker *p)
{
    uint8_t bytes[16 * 1024];
    ssize_t n = 1;

    while (!p->closed && n > 0) {
        struct skt_span cipher;
        int r = 0;
        n = read(p->fd, bytes, sizeof bytes);
        p->closed = !n || (n < 0 && errno != EAGAIN);
        cipher = skt_span_of(bytes, n > 0 ? (size_t)n : 0);
        if (p->closed)
            r = skt_tls_eof(p->s);
        else if (n > 0)
            r = skt_tls_recv(p->s, &cipher);
        p->error = r && !p->error ? r : p->error;
        talker_plain(p);
    }
    talker_send(p);
    return skt_tls_is_open(p->s);
}

static inline void talker_to(struct talker *p, skt_link ls)
{
    *p = (struct talker){ .fd = peer_to(port_of(ls)) };
    assert_int_equal(skt_tls_session_new(client, "a.test", &p->s), 0);
}

static inline void talker_done(struct talker *p)
{
    skt_tls_session_free(p->s);
    tape_free(&p->plain);
    if (p->fd >= 0)
        close(p->fd);
}

static inline void talker_says(struct talker *p, const void *bytes, size_t n)
{
    struct skt_span plain = skt_span_of(bytes, n);

    while (skt_len(plain)) {
        assert_int_equal(skt_tls_write(p->s, &plain), 0);
        talker_send(p);
        if (skt_len(plain))
            turn();
    }
}

/* ---- links ---- */

static inline const struct skt_listen_conf *secure(void)
{
    static struct skt_listen_conf conf;

    conf = (struct skt_listen_conf){ .tls = server };
    return &conf;
}

/* A talker that has come in; its link. */
static inline skt_link came_by_tls(skt_link ls, struct talker *p)
{
    uint32_t before = told(h, 0, SKT_OPEN);

    talker_to(p, ls);
    UNTIL(talks(p) && told(h, 0, SKT_OPEN) > before);
    return last(h, 0, SKT_OPEN)->link;
}

/* What the engine took of one link, compared with the pattern from `at` on. Gives how much that was. */
static inline size_t heard_pattern(skt_link link, size_t at)
{
    size_t n = 0;

    for (uint32_t i = 0; i < h->n; i++) {
        const struct note *m = &h->note[i];
        if (m->kind != SKT_DATA || m->link != link)
            continue;
        assert_memory_equal(h->got + m->at, pattern() + at + n, m->n);
        n += m->n;
    }
    return n;
}

static inline int start_all(void **state)
{
    if (make_all(state))
        return -1;
    server = server_new("good");
    client = client_new();
    return 0;
}

static inline int end_all(void **state)
{
    skt_tls_free(server);
    skt_tls_free(client);
    return remove_all(state);
}
