/* engine/xfer and a peer made of the input: a conversation that says any message and any block, in any order, to an engine that
 * receives or sends; and a verb that answers its jobs late, in any order, with any result. What a peer may not do ends the
 * session; every session ends, and no file stays open. */
#include "../test/unit/xferpeer.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { JOBS = 256, TURNS = 20000, SILENCE = 20 };

struct world {
    struct skt_xfer *x;
    struct skt_conn *peer;
    skt_time now;
    bool send, closed, all; /* all: every job is answered, as by a verb that likes to go on */
    struct skt_xfer_event jobs[JOBS];
    uint32_t n_jobs, turns, walked;
    uint64_t sizes[4]; /* of files that the input has spoken of, for right values */
};

static struct world w;

/* --- the verb --- */

/* Its files are zeros, except where the dice say otherwise. */
static int64_t natural(const struct skt_xfer_event *ev, uint8_t how)
{
    switch (ev->kind) {
    case SKT_XFER_WALK: return w.walked >= 3;
    case SKT_XFER_MAKE: return how & 1;
    case SKT_XFER_READ:
        if (how & 1)
            return SKT_XFER_ALL_ZEROS;
        assert(skt_left(ev->room) >= ev->len);
        memset(ev->room.p, how & 2, ev->len);
        return (int64_t)ev->len;
    default: return 0;
    }
}

static void walk(void)
{
    static const struct skt_xfer_meta entries[] = {
        { .kind = SKT_XFER_DIR, .path = { (const uint8_t *)"d", (const uint8_t *)"d" + 1, false } },
        { .kind = SKT_XFER_FILE, .size = 3000, .path = { (const uint8_t *)"a", (const uint8_t *)"a" + 1, false } },
        { .kind = SKT_XFER_FILE,
            .size = SKT_GROUP + 9,
            .path = { (const uint8_t *)"b", (const uint8_t *)"b" + 1, false } },
    };

    while (w.walked < 3 && !skt_xfer_offer(w.x, &entries[w.walked]))
        w.walked++;
}

static void answer(uint32_t i, uint8_t how)
{
    struct skt_xfer_event ev = w.jobs[i];
    int64_t result = how > 250 ? -(int64_t)how : how > 245 ? (int64_t)how * 1000 : 0;

    w.jobs[i] = w.jobs[--w.n_jobs];
    if (ev.kind == SKT_XFER_WALK)
        walk();
    if (ev.kind == SKT_XFER_WRITE) /* the bytes are still there */
        for (const uint8_t *p = ev.data.p; p < ev.data.end; p += 997)
            result += *p & 0;
    skt_xfer_answer(w.x, ev.job, result ? result : natural(&ev, how));
}

/* WORLD_TRACE=1 in the environment tells what happens: how a finding is read. */
static void trace(const struct skt_xfer_event *ev)
{
    static int on = -1;

    if (on < 0)
        on = getenv("WORLD_TRACE") != NULL;
    if (on)
        fprintf(stderr, "%12.6f event %d file %u job %u why %d %s\n", (double)w.now / 1e9, ev->kind, ev->file, ev->job,
            ev->why, ev->text);
}

static void verb_turn(void)
{
    struct skt_xfer_event ev;

    while (skt_xfer_next(w.x, &ev)) {
        assert(++w.turns < TURNS * 10);
        trace(&ev);
        w.closed |= ev.kind == SKT_XFER_CLOSED_SESSION;
        if (!ev.job)
            continue;
        if (w.n_jobs == JOBS)
            answer(0, 0);
        w.jobs[w.n_jobs++] = ev;
        if (w.all)
            answer(w.n_jobs - 1, 0);
    }
}

/* --- the wire: nothing is lost, and takes no time --- */

static void peer_new(const struct skt_xfer_packet *init)
{
    w.peer = xferpeer_new(w.now, init);
    assert(w.peer);
}

static void peer_events(void)
{
    struct skt_conn_event ev;

    while (w.peer && skt_conn_next(w.peer, w.now, &ev))
        ;
}

static bool engine_sends(void)
{
    static uint8_t room[65536];
    struct skt_engine e = skt_xfer_engine(w.x);
    struct skt_out out = { .data = skt_room_of(room, sizeof room) };
    struct skt_span in;

    if (!e.ops->send(e.self, w.now, &out))
        return false;
    assert(out.kind == SKT_DATA && out.link == LINK && out.data.p > room);
    for (in = skt_span_of(room, (size_t)(out.data.p - room)); skt_len(in);) {
        struct skt_span one = xferpeer_datagram(&in, out.seg);
        struct skt_xfer_packet packet;
        bool is_ours = skt_xfer_get(one, &packet);
        assert(is_ours);
        if (!w.peer)
            peer_new(&packet);
        skt_conn_recv(w.peer, w.now, one, &packet, &address, NULL);
        peer_events();
    }
    return true;
}

static void to_engine(const uint8_t *bytes, size_t n, uint32_t seg)
{
    size_t rest = xferpeer_tell(w.x, w.now, bytes, n, seg);

    assert(!rest);
    verb_turn();
}

/* data: of a block, besides what the conversation itself says. */
static bool peer_sends(uint32_t file, uint64_t offset, struct skt_span data)
{
    static uint8_t room[4000];
    struct skt_addr to;
    uint32_t seg = 0;
    size_t n;

    if (!w.peer || !skt_conn_train(w.peer, w.now, skt_room_of(room, sizeof room), skt_len(data)))
        return false;
    n = skt_len(data) ? skt_conn_block_room(w.peer) : 0;
    if (n && skt_len(data) > n)
        data.end = data.p + n;
    if (n)
        skt_conn_block(w.peer, (struct skt_conn_piece){ 0 }, file, offset, data);
    n = skt_conn_sealed(w.peer, w.now, &seg, &to);
    if (n)
        to_engine(room, n, seg);
    peer_events();
    return n;
}

static void run(skt_time span)
{
    bool any = true;

    for (skt_time until = w.now + span;;) {
        struct skt_engine e = skt_xfer_engine(w.x);
        skt_time at, next;
        for (any = true; any && ++w.turns < TURNS;) {
            any = engine_sends();
            any |= peer_sends(0, 0, (struct skt_span){ 0 });
            verb_turn();
            w.now += SKT_US;
        }
        peer_events();
        verb_turn();
        at = e.ops->wake(e.self);
        next = w.peer ? skt_conn_wake(w.peer) : SKT_NEVER;
        at = next < at ? next : at;
        if (at >= until || w.turns >= TURNS) {
            w.now = until > w.now ? until : w.now;
            return;
        }
        w.now = at > w.now ? at : w.now + SKT_US;
    }
}

/* --- steps --- */

/* A message of the input, if it is one; the wire's own fuzzer has those that are none. */
static void say_raw(struct skt_span *in)
{
    struct skt_span bytes = skt_get_span(in, skt_get_u8(in));
    struct skt_xfer_message m;

    while (w.peer && skt_conn_open(w.peer) && skt_xfer_get_message(&bytes, &m)) {
        if (m.kind == SKT_XFER_ENTRY)
            w.sizes[m.file % 4] = m.entry.kind == SKT_XFER_FILE ? m.entry.size : 0;
        (void)skt_conn_say(w.peer, &m);
    }
}

/* The right value of a group of zeros: so that files get whole. */
static void say_value(uint8_t file, uint8_t group)
{
    uint8_t value[SKT_HASH];
    struct skt_xfer_message m = { .kind = SKT_XFER_HASHES, .file = file, .group = group, .count = 1, .hash = value };

    if (!w.peer || !skt_conn_open(w.peer) || group >= skt_groups(w.sizes[file % 4]))
        return;
    if (w.sizes[file % 4])
        skt_group_hash_zeros(group, w.sizes[file % 4], value);
    else
        skt_blake3((struct skt_span){ 0 }, value);
    (void)skt_conn_say(w.peer, &m);
}

/* DONE, with the sum that a sender of zeros has; `failed`: files that count as refused. */
static void say_done(uint8_t failed)
{
    struct skt_hasher sum;
    struct skt_tree tree;
    uint8_t hash[SKT_HASH];
    struct skt_xfer_message m = { .kind = SKT_XFER_DONE, .hash = hash, .stored = 3 };

    if (!w.send || !w.peer || !skt_conn_open(w.peer))
        return;
    skt_hasher_init(&sum);
    for (uint8_t file = 1; file < 3; file++) {
        const uint8_t number[4] = { 0, 0, 0, file };
        skt_tree_init(&tree);
        for (uint64_t i = 0; i < skt_groups(w.sizes[file]); i++) {
            skt_group_hash_zeros(i, w.sizes[file], hash);
            skt_tree_add(&tree, hash);
        }
        skt_tree_root(&tree, hash);
        if (failed >> file & 1)
            memset(hash, 0, sizeof hash);
        skt_hasher_add(&sum, skt_span_of(number, sizeof number));
        skt_hasher_add(&sum, skt_span_of(hash, sizeof hash));
    }
    skt_hasher_end(&sum, hash);
    (void)skt_conn_say(w.peer, &m);
}

static void one_step(struct skt_span *in)
{
    static const uint8_t zeros[1500];
    uint8_t what = skt_get_u8(in), file, how;

    switch (what % 8) {
    case 0: run((skt_time)skt_get_u16(in) * SKT_MS); break;
    case 1: say_raw(in); break;
    case 2:
        file = skt_get_u8(in);
        how = skt_get_u8(in);
        (void)peer_sends(file, (uint64_t)how << (what >> 3), skt_span_of(zeros, (size_t)skt_get_u8(in) * 5 + 1));
        break;
    case 3:
        how = skt_get_u8(in);
        file = skt_get_u8(in);
        if (w.n_jobs)
            answer(file % w.n_jobs, how);
        verb_turn();
        break;
    case 4:
        file = skt_get_u8(in);
        say_value(file, skt_get_u8(in));
        break;
    case 5: w.all = true; break;
    case 6: w.all = false; break;
    default:
        if (what == 255)
            skt_xfer_stop(w.x);
        if (what < 64)
            say_done(what >> 3);
        run(0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span in = skt_span_of(data, size);
    uint8_t kind = skt_get_u8(&in);
    struct skt_xfer_conf conf = { .send = kind & 1,
        .crypt = &toycrypt,
        .secret = skt_span_str("secret"),
        .silence = SILENCE * SKT_SEC,
        .window = kind & 2 ? 1 : 2 * SKT_GROUP, /* hashing is slow under sanitizers */
        .max_bytes = kind & 4 ? 100000 : 0,
        .max_files = kind & 8 ? 2 : 0,
        .max_packet = 1200 };
    int r;

    w = (struct world){
        .now = 1000 * SKT_SEC, .send = conf.send, .sizes = { 0, 3000, SKT_GROUP + 9 }
    }; /* those of walk() */
    r = skt_xfer_new(&conf, &w.x);
    assert(!r);
    skt_xfer_link(w.x, LINK, conf.send ? &address : NULL);
    if (!conf.send)
        peer_new(NULL);
    run(100 * SKT_MS);
    while (skt_len(in) && !in.bad && w.turns < TURNS)
        one_step(&in);
    /* The peer falls silent: the session ends, whatever state it is in, when its jobs are answered. */
    skt_conn_free(w.peer);
    w.peer = NULL;
    w.turns = 0;
    w.all = true;
    while (w.n_jobs)
        answer(0, 0);
    for (int i = 0; i < 2 * SILENCE && !w.closed; i++) {
        struct skt_engine e = skt_xfer_engine(w.x);
        static uint8_t room[65536];
        struct skt_out out = { .data = skt_room_of(room, sizeof room) };
        while (e.ops->send(e.self, w.now, &out))
            out.data = skt_room_of(room, sizeof room);
        verb_turn();
        w.now += SKT_SEC;
    }
    assert(w.closed && !w.n_jobs);
    skt_xfer_free(w.x);
    return 0;
}
