#pragma once
/* What the tests of TLS share: certificates, and a client and a server in memory, with the bytes between them cut at
 * random points. Include after test.h. */
#include "base/random.h"
#include "certs.h"
#include "drive/tls.h"

/* ---- certificates, made once ---- */

static char dir[] = "/tmp/sockit-tls-XXXXXX";
static struct cert ca, other;
static char pin_good[64], pin_self[64];

/* DIR/NAME, in one of a few places that take turns. */
static inline const char *file(const char *name)
{
    static char paths[32][128];
    static unsigned turn;
    char *path = paths[turn++ % 32];

    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static inline void make(const char *name, struct cert_conf conf, char *ret_pin)
{
    struct cert cert = cert_make(conf);

    cert_write(&cert, file(name), NULL);
    if (ret_pin)
        cert_pin(&cert, ret_pin);
    cert_free(&cert);
}

static inline int make_all(void **state)
{
    if (!mkdtemp(dir))
        return -1;
    ca = cert_make((struct cert_conf){ "Test Authority", .ca = true });
    other = cert_make((struct cert_conf){ "Evil\x1b[2J Authority", .ca = true });
    cert_write(&ca, file("ca"), NULL);
    make("good", (struct cert_conf){ "a", "DNS:a.test,DNS:*.w.test,IP:127.0.0.1,IP:::1", .issuer = &ca }, pin_good);
    make("next", (struct cert_conf){ "n", "DNS:a.test", .issuer = &ca }, NULL);
    make("expired", (struct cert_conf){ "e", "DNS:a.test", -9, -2, .issuer = &ca }, NULL);
    make("future", (struct cert_conf){ "f", "DNS:a.test", 2, 9, .issuer = &ca }, NULL);
    make("self", (struct cert_conf){ "s", "DNS:a.test" }, pin_self);
    make("stranger", (struct cert_conf){ "x", "DNS:a.test", .issuer = &other }, NULL);
    make("nameless", (struct cert_conf){ "Joe\nBloggs", .issuer = &ca }, NULL);
    make("joe", (struct cert_conf){ "joe", .issuer = &ca }, NULL);
    cert_write(&ca, file("locked"), "secret");
    return 0;
}

static inline int remove_all(void **state)
{
    char command[64];

    cert_free(&ca);
    cert_free(&other);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

static inline struct skt_tls *tls_of(struct skt_tls_conf conf)
{
    char text[512] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls *tls = NULL;
    int r = skt_tls_new(&conf, &tls, &why);

    if (r)
        print_error("%s\n", text);
    assert_int_equal(r, 0);
    return tls;
}

static inline struct skt_tls *server_new(const char *name)
{
    char cert[64], key[64];

    snprintf(cert, sizeof cert, "%s.crt", name);
    snprintf(key, sizeof key, "%s.key", name);
    return tls_of((struct skt_tls_conf){ .server = true, .cert = file(cert), .key = file(key) });
}

static inline struct skt_tls *client_new(void) { return tls_of((struct skt_tls_conf){ .cacert = file("ca.crt") }); }

/* ---- two sessions and the wire between them ---- */

struct wire {
    uint8_t bytes[512 * 1024];
    size_t from, to;
};

struct side {
    struct skt_tls_session *s;
    struct wire out; /* towards the other */
    int error;       /* the first that a call gave; SKT_TLS_END counts too */
    uint8_t *got;    /* plain text */
    size_t n, max;
};

struct pair {
    struct side side[2]; /* client, server */
    struct skt_random random;
    bool flip; /* spoil the last byte of what the client sends */
};

static inline struct pair *pair_new(struct skt_tls *client, const char *host, struct skt_tls *server, uint64_t seed)
{
    struct pair *p = calloc(1, sizeof *p);

    skt_random_init(&p->random, seed);
    assert_int_equal(skt_tls_session_new(client, host, &p->side[0].s), 0);
    assert_int_equal(skt_tls_session_new(server, NULL, &p->side[1].s), 0);
    return p;
}

static inline void pair_free(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        skt_tls_session_free(p->side[i].s);
        free(p->side[i].got);
    }
    free(p);
}

static inline void note(struct side *side, int r)
{
    if (r < 0 && !side->error)
        side->error = r;
}

static inline void send_some(struct pair *p, struct side *side)
{
    struct wire *w = &side->out;
    size_t n = 1 + skt_random_below(&p->random, skt_random_below(&p->random, 4) ? 30000 : 7);
    struct skt_room room;

    if (w->from == w->to)
        w->from = w->to = 0;
    room = skt_room_of(w->bytes + w->to, n < sizeof w->bytes - w->to ? n : sizeof w->bytes - w->to);
    if (!skt_left(room) || !skt_tls_send(side->s, &room))
        return;
    w->to = (size_t)(room.p - w->bytes);
    if (p->flip && side == &p->side[0] && !skt_tls_waiting(side->s))
        w->bytes[w->to - 1] ^= 1;
}

static inline void read_all(struct side *side)
{
    int n;

    do {
        struct skt_room room;

        if (side->max - side->n < 20000) {
            side->max += 100000;
            side->got = realloc(side->got, side->max);
        }
        room = skt_room_of(side->got + side->n, 20000);
        n = skt_tls_read(side->s, &room);
        note(side, n);
        if (n > 0)
            side->n += (size_t)n;
        assert_true(n <= 0 || room.p == side->got + side->n);
    } while (n > 0);
}

static inline void recv_some(struct pair *p, struct wire *w, struct side *side)
{
    size_t n = skt_random_below(&p->random, w->to - w->from + 1);
    struct skt_span cipher = skt_span_of(w->bytes + w->from, n);

    note(side, skt_tls_recv(side->s, &cipher));
    w->from = side->error ? w->to : (size_t)(cipher.p - w->bytes);
    read_all(side);
}

static inline bool is_busy(const struct side *side)
{
    return side->out.from < side->out.to || skt_tls_waiting(side->s);
}

/* Until nothing moves any more. */
static inline void pump(struct pair *p)
{
    while (is_busy(&p->side[0]) || is_busy(&p->side[1])) {
        int me = (int)skt_random_below(&p->random, 2);

        send_some(p, &p->side[me]);
        recv_some(p, &p->side[!me].out, &p->side[me]);
    }
}

static inline void write_all(struct pair *p, int me, struct skt_span plain)
{
    while (skt_len(plain)) {
        assert_int_equal(skt_tls_write(p->side[me].s, &plain), 0);
        assert_true(skt_tls_waiting(p->side[me].s) < (64 + 17) * 1024);
        pump(p);
    }
}

static inline void expect_open(struct pair *p)
{
    pump(p);
    assert_string_equal(skt_tls_why(p->side[0].s), "");
    assert_string_equal(skt_tls_why(p->side[1].s), "");
    assert_true(skt_tls_is_open(p->side[0].s) && skt_tls_is_open(p->side[1].s));
}

static inline void close_both(struct skt_tls *client, struct skt_tls *server, struct pair *p)
{
    pair_free(p);
    skt_tls_free(client);
    skt_tls_free(server);
}
