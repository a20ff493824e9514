#pragma once
/* What the tests of the runtime share: an engine worked by hand, which notes what it is told and sends what the test asks
 * for; a clock that can be put forward; and peers that are plain sockets on loopback, read without blocking. Link with
 * -Wl,--wrap=clock_gettime. */
#include "test.h"

#include "base/text.h"
#include "drive/rt/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { NOTES_MAX = 16384, OUTS_MAX = 128, GOT_MAX = 12 << 20 };

struct note {
    skt_link link, via;
    enum skt_kind kind;
    struct skt_addr peer;
    uint32_t seg;
    uint64_t len;
    int why;
    size_t at, n; /* DATA: bytes taken, in got */
};

struct hand {
    struct note note[NOTES_MAX];
    uint32_t n;
    uint8_t *got; /* all bytes taken, of all links */
    size_t got_n;
    struct skt_out out[OUTS_MAX]; /* a ring; DATA and OPEN: bytes in share, borrowed */
    uint32_t first, n_out;
    skt_link opened; /* what the last OPEN was given */
    skt_time wake;
    size_t most;      /* bytes taken of one offer; 0: all */
    uint32_t offered; /* times that DATA was offered */
    size_t last_offer;
    bool hold;  /* takes nothing and holds */
    bool leave; /* takes nothing, waits for more */
    bool echo;  /* what came goes back */
    bool no_fresh;
};

static struct hand hands[2], *const h = &hands[0];
static struct skt_rt *rt;
static bool ticking;
static skt_time shift; /* of the clock */

int __real_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_clock_gettime(clockid_t id, struct timespec *ret);

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
    int r = __real_clock_gettime(id, ret);
    skt_time t = ret->tv_sec * SKT_SEC + ret->tv_nsec + (id == CLOCK_MONOTONIC ? shift : 0);

    ret->tv_sec = t / SKT_SEC;
    ret->tv_nsec = t % SKT_SEC;
    return r;
}

static inline skt_time real_now(void)
{
    struct timespec t;

    __real_clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SKT_SEC + t.tv_nsec;
}

/* ---- the engine ---- */

static inline void ask(struct hand *e, struct skt_out out)
{
    assert_true(e->n_out < OUTS_MAX);
    e->out[(e->first + e->n_out++) % OUTS_MAX] = out;
    e->wake = 0;
}

static inline void hand_data(struct hand *e, struct skt_in *in, struct note *note)
{
    size_t n = skt_len(in->data);

    e->offered++;
    e->last_offer = n;
    if (e->hold || e->leave) {
        in->hold = e->hold;
        n = 0;
    } else if (e->most && n > e->most) {
        in->hold = true;
        n = e->most;
    }
    note->n = n;
    assert_true(e->got_n + n <= GOT_MAX);
    if (n)
        memcpy(e->got + e->got_n, in->data.p, n);
    if (e->echo && (n || in->peer)) {
        struct skt_buf *buf = skt_buf_ref(in->buf);
        ask(e, (struct skt_out){ .link = in->link,
                   .kind = SKT_SHARE,
                   .share = skt_span_of(in->data.p, n),
                   .buf = buf,
                   .seg = in->seg,
                   .peer = in->peer ? *in->peer : (struct skt_addr){ 0 } });
    }
    e->got_n += n;
    in->data.p += n;
}

static inline void hand_recv(void *self, skt_time now, struct skt_in *in)
{
    struct hand *e = self;
    struct note note = { .link = in->link,
        .via = in->via,
        .kind = in->kind,
        .seg = in->seg,
        .len = in->len,
        .why = in->why,
        .at = e->got_n };

    if (in->peer)
        note.peer = *in->peer;
    if (in->kind == SKT_DATA)
        hand_data(e, in, &note);
    if (in->kind == SKT_DATA && !note.n && !in->peer)
        return;
    assert_true(e->n < NOTES_MAX);
    e->note[e->n++] = note;
}

static inline bool hand_send(void *self, skt_time now, struct skt_out *out)
{
    struct hand *e = self;
    struct skt_out *next = &e->out[e->first % OUTS_MAX];
    struct skt_room room = out->data;
    skt_link fresh = out->link;
    static struct skt_buf *lent; /* the driver takes its own reference after send */

    skt_buf_put(lent);
    lent = NULL;
    e->wake = SKT_NEVER;
    e->no_fresh = !fresh;
    if (!e->n_out)
        return false;
    *out = *next;
    out->data = room;
    if (out->kind == SKT_OPEN) {
        out->link = e->opened = fresh;
        skt_put(&out->data, next->share);
    } else if (out->kind == SKT_DATA) {
        size_t n = skt_len(next->share) < skt_left(room) ? skt_len(next->share) : skt_left(room);
        skt_put(&out->data, skt_get_span(&next->share, n));
        if (skt_len(next->share))
            return true; /* the rest comes with the next room */
    } else if (out->kind == SKT_SHARE) {
        lent = out->buf;
    }
    e->first++;
    e->n_out--;
    return true;
}

static inline skt_time hand_wake(const void *self) { return ((const struct hand *)self)->wake; }

static inline struct skt_engine hand_engine(struct hand *e)
{
    static const struct skt_engine_ops ops = { hand_recv, hand_send, hand_wake };

    return (struct skt_engine){ &ops, e };
}

/* What makes a turn end though nothing happens: peers are looked at between turns. */
static inline void tick_recv(void *self, skt_time now, struct skt_in *in) {}
static inline bool tick_send(void *self, skt_time now, struct skt_out *out) { return false; }
static inline skt_time tick_wake(const void *self) { return ticking ? real_now() + shift + SKT_MS : SKT_NEVER; }

static const struct skt_engine_ops tick_ops = { tick_recv, tick_send, tick_wake };

static inline void begin(const struct skt_rt_conf *conf)
{
    signal(SIGPIPE, SIG_IGN); /* as the program does: splice and writev know no MSG_NOSIGNAL */
    shift = 0;
    ticking = false;
    for (int i = 0; i < 2; i++) {
        uint8_t *got = hands[i].got;
        hands[i] = (struct hand){ .wake = SKT_NEVER, .got = got ? got : malloc(GOT_MAX) };
    }
    assert_int_equal(skt_rt_new(conf, &rt), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(skt_rt_add(rt, hand_engine(&hands[i])), i);
    assert_int_equal(skt_rt_add(rt, (struct skt_engine){ &tick_ops, NULL }), 2);
}

static inline void end(void)
{
    skt_rt_free(rt);
    rt = NULL;
    for (int i = 0; i < 2; i++) {
        for (; hands[i].n_out; hands[i].n_out--, hands[i].first++)
            if (hands[i].out[hands[i].first % OUTS_MAX].kind == SKT_SHARE)
                skt_buf_put(hands[i].out[hands[i].first % OUTS_MAX].buf);
        free(hands[i].got);
        hands[i].got = NULL;
    }
}

static inline void turn(void)
{
    int r;

    ticking = true;
    r = skt_rt_step(rt);
    ticking = false;
    if (r != 1 && r != 0)
        fail_msg("step: %s", strerror(-r));
}

static inline void turns(int n)
{
    while (n-- > 0)
        turn();
}

/* Turns until something holds; on loopback all that does happen happens long before the end. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        skt_time late_ = real_now() + 20 * SKT_SEC;                                                                    \
        while (!(condition)) {                                                                                         \
            if (real_now() > late_)                                                                                    \
                fail_msg("not in 20 s: %s", #condition);                                                               \
            turn();                                                                                                    \
        }                                                                                                              \
    } while (0)

/* ---- what it was told ---- */

static inline uint32_t told(const struct hand *e, skt_link link, enum skt_kind kind) /* link 0: any */
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < e->n; i++)
        n += e->note[i].kind == kind && (!link || e->note[i].link == link);
    return n;
}

static inline const struct note *last(const struct hand *e, skt_link link, enum skt_kind kind)
{
    for (uint32_t i = e->n; i-- > 0;)
        if (e->note[i].kind == kind && (!link || e->note[i].link == link))
            return &e->note[i];
    fail_msg("never told kind %d", kind);
    return NULL;
}

/* All that came on a link, as a text; valid until the next call. */
static inline const char *heard(const struct hand *e, skt_link link)
{
    static char text[65536];
    size_t n = 0;

    for (uint32_t i = 0; i < e->n; i++) {
        const struct note *m = &e->note[i];
        if (m->kind != SKT_DATA || m->link != link || n + m->n >= sizeof text)
            continue;
        memcpy(text + n, e->got + m->at, m->n);
        n += m->n;
    }
    text[n] = 0;
    return text;
}

static inline uint64_t moved(const struct hand *e, skt_link to)
{
    uint64_t n = 0;

    for (uint32_t i = 0; i < e->n; i++)
        if (e->note[i].kind == SKT_MOVE && e->note[i].link == to)
            n += e->note[i].len;
    return n;
}

/* Nothing was told of a link after its CLOSE. */
static inline void nothing_after_close(const struct hand *e, skt_link link)
{
    bool closed = false;

    for (uint32_t i = 0; i < e->n; i++) {
        if (e->note[i].link != link)
            continue;
        assert_false(closed);
        closed = e->note[i].kind == SKT_CLOSE;
    }
}

/* ---- what it asks for ---- */

static inline void say_n(struct hand *e, skt_link link, const void *bytes, size_t n)
{
    ask(e, (struct skt_out){ .link = link, .kind = SKT_DATA, .share = skt_span_of(bytes, n) });
}
static inline void say(struct hand *e, skt_link link, const char *text) { say_n(e, link, text, strlen(text)); }
static inline void say_end(struct hand *e, skt_link link) { ask(e, (struct skt_out){ .link = link, .kind = SKT_EOF }); }
static inline void say_close(struct hand *e, skt_link link, int why)
{
    ask(e, (struct skt_out){ .link = link, .kind = SKT_CLOSE, .why = why });
}
static inline void say_move(struct hand *e, skt_link from, skt_link to, uint64_t len)
{
    ask(e, (struct skt_out){ .link = to, .kind = SKT_MOVE, .from = from, .len = len });
}

/* ---- listeners, opens, peers ---- */

static inline skt_link listen_at(const char *where, const struct skt_listen_conf *conf)
{
    skt_link link = 0;
    int r = skt_rt_listen(rt, 0, where, conf, &link);

    if (r)
        fail_msg("%s", skt_rt_why(rt, 0));
    return link;
}

static inline uint16_t port_of(skt_link link)
{
    struct skt_addr at;

    assert_int_equal(skt_rt_local(rt, link, &at), 0);
    return at.port;
}

static inline skt_link open_to(const char *where, const struct skt_open_conf *conf)
{
    skt_link link = 0;
    int r = skt_rt_open(rt, 0, where, conf, &link);

    if (r)
        fail_msg("%s: %s", where, skt_rt_why(rt, link));
    return link;
}

static inline const char *local_text(const char *scheme, uint16_t port) /* valid until the fourth next call */
{
    static char texts[4][64];
    static unsigned next;
    char *text = texts[next++ % 4];

    snprintf(text, sizeof texts[0], "%s127.0.0.1:%u", scheme, port);
    return text;
}

static inline struct sockaddr_in in4(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
}

static inline int socket_on(int type, uint16_t port) /* bound there */
{
    struct sockaddr_in at = in4(port);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static inline uint16_t port_of_fd(int fd)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;

    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    return ntohs(at.sin_port);
}

static inline int listening_fd(int backlog)
{
    int fd = socket_on(SOCK_STREAM, 0);

    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

/* A peer; the kernel accepts for the listener, so this does not wait for a turn. */
static inline int peer_to(uint16_t port)
{
    struct sockaddr_in at = in4(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* A peer that has come in; its link. */
static inline skt_link came(skt_link listener, int *ret_fd)
{
    uint32_t before = told(h, 0, SKT_OPEN);

    *ret_fd = peer_to(port_of(listener));
    UNTIL(told(h, 0, SKT_OPEN) > before);
    return last(h, 0, SKT_OPEN)->link;
}

/* What a peer got so far. */
struct tape {
    uint8_t *p;
    size_t n, room;
    bool over;
    int err;
};

/* Reads what is there. True: the end or an error has come. */
static inline bool pull(int fd, struct tape *t)
{
    while (!t->over) {
        ssize_t n;
        if (t->room - t->n < 65536)
            t->p = realloc(t->p, t->room = t->room * 2 + 65536);
        n = read(fd, t->p + t->n, t->room - t->n);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        t->err = n < 0 ? errno : 0;
        t->over = n <= 0;
        t->n += n > 0 ? (size_t)n : 0;
    }
    return t->over;
}

static inline bool pulled(int fd, struct tape *t, size_t n)
{
    (void)pull(fd, t);
    return t->n >= n;
}

static inline void tape_is(const struct tape *t, const void *bytes, size_t n)
{
    assert_int_equal(t->n, n);
    if (n)
        assert_memory_equal(t->p, bytes, n);
}

static inline void tape_free(struct tape *t)
{
    free(t->p);
    *t = (struct tape){ 0 };
}

static inline void reset_close(int fd) /* RST instead of FIN */
{
    struct linger now = { .l_onoff = 1 };

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static inline void put(int fd, const char *text) { assert_int_equal(write(fd, text, strlen(text)), strlen(text)); }

/* Bytes that are not all alike; n <= 8 MiB. */
static inline const uint8_t *pattern(void)
{
    static uint8_t bytes[8 << 20];

    for (size_t i = sizeof bytes; !bytes[1] && i-- > 0;) /* from the end: the second byte tells that all are there */
        bytes[i] = (uint8_t)(i * 31 ^ i >> 8 ^ i >> 16);
    return bytes;
}

static inline struct skt_rt_stats stats(void)
{
    struct skt_rt_stats s;

    skt_rt_stats(rt, &s);
    return s;
}
