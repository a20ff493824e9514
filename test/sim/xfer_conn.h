#pragma once
/* Two ends of engine/xfer/conn.h, joined by two paths in virtual time. What a user of a conn would do is done here: blocks of
 * one long file from the sender, messages both ways, and a look at each thing that is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/heap.h"
#include "base/random.h"
#include "drive/crypt.h"
#include "engine/impair/path.h"
#include "engine/xfer/conn.h"
#include "engine/xfer/conninside.h"
#include "engine/xfer/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { SENDER, RECEIVER, FLYING_MAX = 1 << 16, KEPT = 64, ROOM = 64 * 1024 };

struct flying {
    int to;
    uint32_t len;
    struct skt_addr from;
    uint8_t *bytes;
};

struct pair_conf {
    uint64_t seed;
    struct skt_path_conf path[2]; /* to the sender, to the receiver */
    uint64_t bytes;               /* of the file */
    uint32_t messages;            /* each way */
    uint32_t block;               /* bytes of a block at most */
    uint32_t packet_max;
    uint32_t mtu;    /* larger datagrams vanish; 0: none */
    skt_time mtu_at; /* from then on */
    uint64_t rate_max;
    skt_time rebind_every;  /* the sender's address changes; 0: never */
    double replay, garbage; /* share of datagrams after which an old one, or a forged one comes */
    const char *secret[2];
    skt_time limit; /* of the whole; 0: 600 s */
};

struct end {
    struct skt_conn *conn;
    bool opened, closed, spent;
    struct skt_conn_event end; /* CLOSED */
    uint32_t said, heard;      /* messages */
    uint64_t datagrams, bytes;
    skt_time opened_at;
};

struct pair {
    struct pair_conf conf;
    skt_time now, began, done_at;
    struct skt_random random;
    struct skt_path path[2];
    uint64_t index[2];
    struct skt_gate gate;
    struct end end[2];
    struct skt_addr at[2];
    struct skt_heap due;
    struct flying *flying; /* by id */
    uint32_t free[FLYING_MAX], free_n;
    struct flying kept[KEPT]; /* old ones, for replays */
    uint32_t kept_n;
    /* the file */
    uint64_t next; /* not sent yet from here */
    struct skt_conn_piece *again;
    uint32_t again_n, again_size;
    struct skt_ranges acked, got;
    uint64_t lost, late, resent, twice; /* bytes: told lost; acknowledged although; sent again; received again */
    uint64_t follows, guessed;          /* the end of the last block; blocks that came where we guessed */
    uint8_t place[65536];
    uint64_t forged_in, oversize;
    uint64_t sum; /* of all that was sent */
    uint8_t room[ROOM];
    bool closing, trace;
};

#define HOLDS(what)                                                                                                    \
    do {                                                                                                               \
        if (!(what)) {                                                                                                 \
            fail_msg("SIM_SEED=%llu at %.6f s: not true: %s", (unsigned long long)p->conf.seed,                        \
                (double)(p->now - p->began) / 1e9, #what);                                                             \
        }                                                                                                              \
    } while (0)

static inline uint8_t pattern(uint64_t at) { return (uint8_t)(at * 2654435761u >> 13); }

static inline uint64_t pair_first(void)
{
    const char *one = getenv("SIM_SEED");

    return one ? strtoull(one, NULL, 10) : 1;
}
static inline uint64_t pair_last(uint64_t n) { return getenv("SIM_SEED") ? pair_first() : n; }

static inline void chance_of(struct pair *p, uint8_t *chance, size_t n)
{
    struct skt_room room = skt_room_of(chance, n);

    skt_random_fill(&p->random, &room);
}

static inline int pair_conn(struct pair *p, int who, const struct skt_xfer_packet *init)
{
    struct skt_conn_conf conf = { .crypt = skt_crypt(),
        .sender = who == SENDER,
        .mode = SKT_XFER_PAIR,
        .secret = skt_span_str(p->conf.secret[who] ? p->conf.secret[who] : "secret"),
        .rate_max = p->conf.rate_max,
        .packet_max = p->conf.packet_max ? p->conf.packet_max : 8972,
        .conn = (uint32_t)skt_random_u64(&p->random),
        .peer = p->at[!who],
        .init = init };

    chance_of(p, conf.chance, sizeof conf.chance);
    return skt_conn_new(&conf, p->now, &p->end[who].conn);
}

static inline struct pair *pair_new(const struct pair_conf *conf)
{
    struct pair *p = calloc(1, sizeof *p);
    uint8_t chance[SKT_GATE_CHANCE];

    p->conf = *conf;
    p->began = p->now = 1000 * SKT_SEC;
    p->trace = getenv("SIM_TRACE") != NULL;
    skt_random_init(&p->random, conf->seed);
    chance_of(p, chance, sizeof chance);
    skt_gate_init(&p->gate, skt_crypt(), SKT_XFER_PAIR, chance);
    for (int i = 0; i < 2; i++) {
        skt_path_init(&p->path[i], &conf->path[i], conf->seed, (uint32_t)i);
        p->at[i] =
            (struct skt_addr){ .family = SKT_IP4, .port = (uint16_t)(1000 + i), .ip = { 10, 0, 0, 1 + (uint8_t)i } };
    }
    skt_heap_init(&p->due, FLYING_MAX);
    p->flying = calloc(FLYING_MAX, sizeof *p->flying);
    for (uint32_t i = FLYING_MAX; i-- > 0;)
        p->free[p->free_n++] = i;
    skt_ranges_init(&p->acked, 1 << 16);
    skt_ranges_init(&p->got, 1 << 16);
    HOLDS(!pair_conn(p, SENDER, NULL));
    return p;
}

static inline void pair_free(struct pair *p)
{
    for (uint32_t i = 0; i < FLYING_MAX; i++)
        free(p->flying[i].bytes);
    for (uint32_t i = 0; i < KEPT; i++)
        free(p->kept[i].bytes);
    for (int i = 0; i < 2; i++) {
        skt_conn_free(p->end[i].conn);
        skt_path_done(&p->path[i]);
    }
    skt_heap_done(&p->due);
    skt_ranges_done(&p->acked);
    skt_ranges_done(&p->got);
    free(p->flying);
    free(p->again);
    free(p);
}

/* --- the path --- */

static inline void fly(
    struct pair *p, int to, skt_time at, const struct skt_addr *from, const uint8_t *bytes, uint32_t len, uint32_t flip)
{
    uint32_t id;

    HOLDS(p->free_n > 0);
    id = p->free[--p->free_n];
    p->flying[id] = (struct flying){ to, len, *from, malloc(len) };
    memcpy(p->flying[id].bytes, bytes, len);
    if (flip)
        p->flying[id].bytes[(flip - 1) / 8] ^= (uint8_t)(1U << (flip - 1) % 8);
    HOLDS(!skt_heap_push(&p->due, at, id));
}

static inline void keep(struct pair *p, int to, const struct skt_addr *from, const uint8_t *bytes, uint32_t len)
{
    struct flying *k = &p->kept[p->kept_n++ % KEPT];

    free(k->bytes);
    *k = (struct flying){ to, len, *from, malloc(len) };
    memcpy(k->bytes, bytes, len);
}

static inline void mischief(struct pair *p, int to)
{
    uint8_t junk[200];
    struct skt_room room = skt_room_of(junk, sizeof junk);
    const struct flying *k = &p->kept[skt_random_below(&p->random, KEPT)];

    if (skt_random_unit(&p->random) < p->conf.replay && k->bytes)
        fly(p, k->to, p->now + SKT_SEC, &k->from, k->bytes, k->len, 0); /* after itself: else it would only be early */
    if (skt_random_unit(&p->random) < p->conf.garbage && p->end[to].conn) {
        struct skt_xfer_packet head = { .type = SKT_XFER_SEALED,
            .epoch = (uint8_t)(skt_random_below(&p->random, 3) - 1),
            .version = SKT_XFER_VERSION,
            .conn = skt_conn_number(p->end[to].conn),
            .number = skt_random_below(&p->random, 100000) };
        skt_random_fill(&p->random, &room);
        room = skt_room_of(junk, sizeof junk);
        skt_xfer_put_head(&room, &head);
        fly(p, to, p->now + 1, &p->at[!to], junk, sizeof junk, 0);
        p->forged_in++;
    }
}

static inline void pass(struct pair *p, int who, const uint8_t *bytes, uint32_t len)
{
    struct skt_path_fate fate = skt_path_pass(&p->path[!who], p->now, len + 28, p->index[!who]++);

    p->sum = skt_hash64(p->sum, skt_siphash(1, 2, skt_span_of(bytes, len)), (uint64_t)p->now, (uint64_t)who);
    p->end[who].datagrams++;
    p->end[who].bytes += len;
    if (p->conf.mtu && p->now - p->began >= p->conf.mtu_at && len > p->conf.mtu) {
        p->oversize++;
        return;
    }
    for (uint32_t i = 0; i < fate.copies; i++)
        fly(p, !who, fate.at[i], &p->at[who], bytes, len,
            bytes[0] == SKT_XFER_SEALED && fate.flip[i] <= 8 * len
                ? fate.flip[i]
                : 0); /* in the handshake only UDP's checksum finds it */
    keep(p, !who, &p->at[who], bytes, len);
    mischief(p, !who);
}

/* --- the users --- */

static inline bool say_one(struct pair *p, int who)
{
    struct end *e = &p->end[who];
    uint8_t hash[SKT_HASH * 4];
    struct skt_xfer_message m = { .kind = who == SENDER ? SKT_XFER_HASHES : SKT_XFER_NEED,
        .file = e->said,
        .group = e->said * 3,
        .count = 1 + e->said % 4,
        .hash = hash };

    memset(hash, (int)(e->said & 0xff), sizeof hash);
    if (e->said == p->conf.messages || !skt_conn_say(e->conn, &m))
        return false;
    e->said++;
    return true;
}

static inline void on_message(struct pair *p, int who, const struct skt_xfer_message *m)
{
    struct end *e = &p->end[who];

    HOLDS(m->kind == (who == SENDER ? SKT_XFER_NEED : SKT_XFER_HASHES));
    HOLDS(m->file == e->heard && m->group == m->file * 3 && m->count == 1 + m->file % 4);
    HOLDS(who == SENDER || m->hash[0] == (m->file & 0xff));
    e->heard++;
}

static inline void push_again(struct pair *p, struct skt_conn_piece piece)
{
    if (p->again_n == p->again_size) {
        p->again_size = p->again_size ? p->again_size * 2 : 64;
        p->again = realloc(p->again, p->again_size * sizeof *p->again);
    }
    p->again[p->again_n++] = piece;
}

static inline uint64_t piece_at(const struct skt_conn_piece *piece)
{
    return (uint64_t)piece->tag * 65536 + piece->from;
}

static inline void on_piece(struct pair *p, const struct skt_conn_event *e)
{
    uint64_t from = piece_at(&e->piece), to = from + e->piece.len, fresh = 0;

    if (e->kind == SKT_CONN_LOST) {
        p->lost += e->piece.len;
        if (!skt_ranges_has_all(&p->acked, from, to))
            push_again(p, e->piece);
        return;
    }
    HOLDS(skt_ranges_has_all(&p->got, from, to)); /* nothing is acknowledged that did not arrive */
    HOLDS(!skt_ranges_take(&p->acked, from, to, &fresh));
}

static inline void on_block(struct pair *p, const struct skt_conn_event *e)
{
    uint64_t fresh = 0, n = skt_len(e->bytes);

    HOLDS(e->file == 7);
    HOLDS(e->offset + n <= p->conf.bytes);
    for (uint64_t i = 0; i < n; i += 97)
        HOLDS(e->bytes.p[i] == pattern(e->offset + i));
    HOLDS(e->bytes.p[n - 1] == pattern(e->offset + n - 1));
    HOLDS(!skt_ranges_take(&p->got, e->offset, e->offset + n, &fresh));
    p->twice += n - fresh;
    p->follows = e->offset + n;
    p->guessed += e->bytes.p == p->place;
}

/* A guess where the next packet's bytes belong: wrong now and then, and sometimes with little room. */
static inline struct skt_conn_place guess(struct pair *p, uint64_t number)
{
    memset(p->place, 0xa5, 64);
    return (struct skt_conn_place){ 7, p->follows + (number % 16 == 3),
        skt_room_of(p->place, number % 16 == 5 ? 700 : sizeof p->place) };
}

static inline void events(struct pair *p, int who)
{
    struct end *end = &p->end[who];
    struct skt_conn_event e;

    while (end->conn && skt_conn_next(end->conn, p->now, &e)) {
        HOLDS(!end->closed); /* nothing follows */
        switch (e.kind) {
        case SKT_CONN_KEYED: HOLDS(who == SENDER && !end->opened); break;
        case SKT_CONN_OPENED:
            HOLDS(!end->opened);
            end->opened = true;
            end->opened_at = p->now;
            break;
        case SKT_CONN_MESSAGE: on_message(p, who, &e.message); break;
        case SKT_CONN_BLOCK: on_block(p, &e); break;
        case SKT_CONN_ACKED:
        case SKT_CONN_LOST: on_piece(p, &e); break;
        case SKT_CONN_SPENT: end->spent = true; break;
        case SKT_CONN_CLOSED:
            end->closed = true;
            end->end = e;
            break;
        }
    }
}

static inline bool has_blocks(struct pair *p)
{
    while (p->again_n) { /* what came late need not go again */
        const struct skt_conn_piece *piece = &p->again[p->again_n - 1];

        if (!skt_ranges_has_all(&p->acked, piece_at(piece), piece_at(piece) + piece->len))
            return true;
        p->again_n--;
    }
    return p->next < p->conf.bytes;
}

static inline struct skt_conn_piece next_piece_of(struct pair *p, size_t room)
{
    struct skt_conn_piece piece;
    bool again = p->again_n != 0;

    if (again) {
        piece = p->again[--p->again_n];
    } else {
        uint64_t left = 65536 - p->next % 65536;

        piece = (struct skt_conn_piece){ (uint32_t)(p->next / 65536), (uint32_t)(p->next % 65536), p->conf.block };
        if (piece.len > left)
            piece.len = (uint32_t)left;
        if (piece.len > p->conf.bytes - p->next)
            piece.len = (uint32_t)(p->conf.bytes - p->next);
    }
    if (piece.len > room) {
        if (again)
            push_again(
                p, (struct skt_conn_piece){ piece.tag, piece.from + (uint32_t)room, piece.len - (uint32_t)room });
        piece.len = (uint32_t)room;
    }
    if (again)
        p->resent += piece.len;
    else
        p->next += piece.len;
    return piece;
}

static inline void put_blocks(struct pair *p)
{
    struct skt_conn *conn = p->end[SENDER].conn;
    static uint8_t both[2][65536]; /* a block's bytes stay until its packet is sealed, or the next one comes */
    int turn = 0;
    size_t room;

    while (has_blocks(p) && (room = skt_conn_block_room(conn)) > 0) {
        struct skt_conn_piece piece = next_piece_of(p, room);
        uint64_t at = piece_at(&piece);
        uint8_t *bytes = both[turn ^= 1];

        for (uint32_t i = 0; i < piece.len; i++)
            bytes[i] = pattern(at + i);
        skt_conn_block(conn, piece, 7, at, skt_span_of(bytes, piece.len));
    }
}

static inline void send_trains(struct pair *p, int who)
{
    struct end *end = &p->end[who];

    for (;;) {
        uint32_t seg = 0;
        struct skt_addr to = { 0 };
        size_t len, n;
        bool more;

        events(p, who);
        if (end->conn && !end->closed)
            while (say_one(p, who))
                ;
        more = end->conn && skt_conn_train(end->conn, p->now, skt_room_of(p->room, ROOM),
                                who == SENDER && !p->closing && has_blocks(p));
        if (!more)
            return;
        if (who == SENDER)
            put_blocks(p);
        len = skt_conn_sealed(end->conn, p->now, &seg, &to);
        if (!len)
            return;
        HOLDS(to.family == SKT_IP4 && seg <= len);
        for (size_t at = 0; at < len; at += n) {
            n = seg && seg < len - at ? seg : len - at;
            pass(p, who, p->room + at, (uint32_t)n);
        }
    }
}

static inline void deliver(struct pair *p, const struct flying *f)
{
    struct end *end = &p->end[f->to];
    struct skt_span datagram = skt_span_of(f->bytes, f->len);
    struct skt_xfer_packet packet;
    struct skt_conn_place place;
    uint8_t answer[256];
    struct skt_room room = skt_room_of(answer, sizeof answer);

    if (!skt_xfer_get(datagram, &packet))
        return;
    if (f->to == RECEIVER && packet.type == SKT_XFER_INIT) {
        enum skt_gate_says says = skt_gate_look(&p->gate, p->now, datagram, &packet, &f->from, &room);

        if (says == SKT_GATE_ANSWER)
            pass(p, RECEIVER, answer, (uint32_t)(room.p - answer));
        if (says != SKT_GATE_PASS)
            return;
        if (end->conn && !end->opened && skt_conn_over(end->conn, p->now)) {
            skt_conn_free(end->conn);
            *end = (struct end){ 0 };
        }
        if (!end->conn)
            HOLDS(!pair_conn(p, RECEIVER, &packet));
    }
    if (!end->conn || (packet.type != SKT_XFER_INIT && packet.conn != skt_conn_number(end->conn)))
        return;
    place = guess(p, packet.number);
    skt_conn_recv(end->conn, p->now, datagram, &packet, &f->from, f->to == RECEIVER ? &place : NULL);
    events(p, f->to);
}

static inline bool all_done(const struct pair *p)
{
    return p->end[SENDER].opened && p->end[SENDER].heard == p->conf.messages &&
           p->end[RECEIVER].heard == p->conf.messages && skt_ranges_count(&p->acked) == p->conf.bytes;
}

/* False: nothing will happen any more. */
static inline bool pair_step(struct pair *p)
{
    skt_time at = SKT_NEVER, due;
    uint32_t id;

    for (int i = 0; i < 2; i++) {
        send_trains(p, i);
        if (!p->end[i].conn)
            continue;
        due = skt_conn_wake(p->end[i].conn);
        HOLDS(due > p->now); /* nothing spins */
        at = due < at ? due : at;
    }
    if (skt_heap_top(&p->due, &due, &id) && due < at)
        at = due;
    if (at == SKT_NEVER)
        return false;
    if (p->conf.rebind_every && (at - p->began) / p->conf.rebind_every != (p->now - p->began) / p->conf.rebind_every)
        p->at[SENDER].port++;
    p->now = at > p->now ? at : p->now;
    while (skt_heap_top(&p->due, &due, &id) && due <= p->now) {
        struct flying f = p->flying[id];

        skt_heap_pop(&p->due);
        p->flying[id].bytes = NULL;
        p->free[p->free_n++] = id;
        deliver(p, &f);
        free(f.bytes);
    }
    return true;
}

/* Until all has arrived, and the sender has closed. */
static inline void pair_run(struct pair *p)
{
    skt_time limit = p->conf.limit ? p->conf.limit : 600 * SKT_SEC;

    while (pair_step(p) && p->now - p->began < limit) {
        if (!p->closing && all_done(p)) {
            p->closing = true;
            p->done_at = p->now;
            skt_conn_close(p->end[SENDER].conn, p->now, SKT_XFER_DONE_WELL, "all is well");
        }
        if (p->end[SENDER].closed && (!p->end[RECEIVER].conn || skt_conn_over(p->end[RECEIVER].conn, p->now)) &&
            skt_conn_over(p->end[SENDER].conn, p->now))
            break;
    }
}
