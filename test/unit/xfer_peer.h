#pragma once
/* A true peer by hand against an engine: what xfer_peer.c and xfer_forged.c share. */
#include "test.h"

#include "xferpeer.h"
#include "xferverb.h"

#include <string.h>

static struct world {
    struct verb verb;
    struct verb_tree tree;
    struct skt_conn *peer; /* the test's */
    skt_time now;
    bool open, closed;
    uint16_t code;
    char text[160];
    struct skt_xfer_message heard[64]; /* without what they borrow */
    uint32_t n_heard;
    uint64_t blocks;
} w;

static inline void peer_events(void)
{
    struct skt_conn_event ev;

    while (skt_conn_next(w.peer, w.now, &ev)) {
        w.open |= ev.kind == SKT_CONN_OPENED;
        w.blocks += ev.kind == SKT_CONN_BLOCK;
        if (ev.kind == SKT_CONN_MESSAGE && w.n_heard < 64)
            w.heard[w.n_heard++] = ev.message;
        if (ev.kind != SKT_CONN_CLOSED)
            continue;
        w.closed = true;
        w.code = ev.code;
        snprintf(w.text, sizeof w.text, "%s", ev.text);
    }
}

static inline void to_engine(const uint8_t *bytes, size_t n, uint32_t seg)
{
    assert_int_equal(xferpeer_tell(w.verb.x, w.now, bytes, n, seg), 0);
    (void)verb_turn(&w.verb);
}

static inline void peer_new(const struct skt_xfer_packet *init)
{
    w.peer = xferpeer_new(w.now, init);
    assert_non_null(w.peer);
}

static inline void to_peer(const uint8_t *bytes, size_t n, uint32_t seg)
{
    struct skt_span in = skt_span_of(bytes, n);

    while (skt_len(in)) {
        struct skt_span one = xferpeer_datagram(&in, seg);
        struct skt_xfer_packet packet;
        if (!skt_xfer_get(one, &packet))
            continue;
        if (!w.peer)
            peer_new(&packet);
        skt_conn_recv(w.peer, w.now, one, &packet, &address, NULL);
        peer_events();
    }
}

static inline bool engine_sends(void)
{
    static uint8_t room[65536];
    struct skt_engine e = skt_xfer_engine(w.verb.x);
    struct skt_out out = { .data = skt_room_of(room, sizeof room) };

    if (!e.ops->send(e.self, w.now, &out))
        return verb_turn(&w.verb);
    to_peer(room, (size_t)(out.data.p - room), out.seg);
    return true;
}

static inline bool peer_sends(void)
{
    static uint8_t room[65536];
    struct skt_addr to;
    uint32_t seg = 0;
    size_t n;

    if (!w.peer)
        return false;
    if (!skt_conn_train(w.peer, w.now, skt_room_of(room, sizeof room), false)) {
        peer_events();
        return false;
    }
    n = skt_conn_sealed(w.peer, w.now, &seg, &to);
    peer_events();
    if (n)
        to_engine(room, n, seg);
    return n;
}

static inline void run(skt_time span)
{
    for (skt_time until = w.now + span; w.now < until && !(w.closed && w.verb.closed); w.now += SKT_MS)
        while ((int)engine_sends() | (int)peer_sends()) /* both, whatever the first says */
            w.now += 10 * SKT_US;
}

static inline void begin(struct skt_xfer_conf conf, bool peer_sends_files)
{
    memset(&w, 0, sizeof w);
    w.now = 1000 * SKT_SEC;
    verb_tree_init(&w.tree);
    verb_init(&w.verb, &w.tree, !peer_sends_files, 1);
    conf.send = !peer_sends_files;
    conf.crypt = &toycrypt;
    conf.secret = skt_span_str("secret");
    assert_int_equal(skt_xfer_new(&conf, &w.verb.x), 0);
    skt_xfer_link(w.verb.x, LINK, peer_sends_files ? NULL : &address);
}

/* An engine that receives, and a conn of ours that sends to it. */
static inline void begin_receiver(struct skt_xfer_conf conf)
{
    begin(conf, true);
    peer_new(NULL);
    run(100 * SKT_MS);
    assert_true(w.open && w.verb.opened);
}

/* An engine that sends an empty file, a large one and a directory, and a conn of ours that begins with its INIT. */
static inline void begin_sender(void)
{
    begin((struct skt_xfer_conf){ 0 }, false);
    verb_make(&w.tree, SKT_XFER_FILE, "empty", "", 0, 1, false);
    verb_make(&w.tree, SKT_XFER_FILE, "large", "", 3 * SKT_GROUP, 2, false);
    verb_make(&w.tree, SKT_XFER_DIR, "dir", "", 0, 3, false);
    run(100 * SKT_MS);
    assert_true(w.open && w.verb.opened);
}

static inline void end(void)
{
    skt_conn_free(w.peer);
    verb_done(&w.verb);
    verb_tree_done(&w.tree);
}

static inline void say(const struct skt_xfer_message *m) { assert_true(skt_conn_say(w.peer, m)); }

/* Puts a packet with one BLOCK. */
static inline void block(uint32_t file, uint64_t offset, const void *bytes, size_t n)
{
    static uint8_t room[2000];
    struct skt_addr to;
    uint32_t seg = 0;

    while (!skt_conn_train(w.peer, w.now, skt_room_of(room, sizeof room), true))
        w.now += SKT_MS;
    assert_true(skt_conn_block_room(w.peer) >= n);
    skt_conn_block(w.peer, (struct skt_conn_piece){ 0 }, file, offset, skt_span_of(bytes, n));
    n = skt_conn_sealed(w.peer, w.now, &seg, &to);
    to_engine(room, n, seg);
}

static inline struct skt_xfer_message entry(
    uint32_t file, uint8_t kind, const char *path, const char *target, uint64_t size)
{
    struct skt_xfer_message m = { .kind = SKT_XFER_ENTRY, .file = file };

    m.entry = (struct skt_xfer_meta){
        .kind = kind, .mode = 0644, .size = size, .path = skt_span_str(path), .target = skt_span_str(target)
    };
    return m;
}

static inline void say_entry(uint32_t file, const char *path, uint64_t size)
{
    struct skt_xfer_message m = entry(file, SKT_XFER_FILE, path, "", size);

    say(&m);
}

/* All that is sent is a directory: something to be stored. */
static inline void say_a_directory(void)
{
    struct skt_xfer_message m = entry(0, SKT_XFER_DIR, "dir", "", 0);

    say(&m);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = 1 });
}
