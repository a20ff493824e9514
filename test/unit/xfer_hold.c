/* engine/xfer: what a peer that knows the secret can make a receiver hold. */
#include "engine/xfer/inside.h"
#include "engine/xfer/takeinside.h"
#include "xfer_peer.h"

/* Every second byte, and of no group is a value said: each byte is a piece of its own, and waits. How many were taken. */
static uint32_t pieces(uint64_t size)
{
    const uint8_t byte = 1;
    uint32_t n = 0;

    begin_receiver((struct skt_xfer_conf){ 0 });
    say_entry(0, "a", size);
    run(50 * SKT_MS);
    while (!w.closed && n < size / 2) {
        block(0, 2 * n++, &byte, 1);
        run(SKT_MS);
    }
    return n;
}

static void a_small_group_has_few_pieces(void **state)
{
    for (uint64_t size = 1000; size <= 16000; size *= 4) {
        uint32_t n = pieces(size);

        assert_int_equal(n, 64 + size / 256 + 1);
        assert_int_equal(w.code, 2);
        assert_string_equal(w.text, "a group in too many pieces");
        end();
    }
}

/* A packet of the least size has some 1150 bytes of a file: if every second one is lost there is still room for many more. */
static void as_many_as_packets_can_make_are_taken(void **state)
{
    static const uint8_t bytes[600];

    for (uint64_t size = 1200; size <= SKT_GROUP; size *= 8) {
        begin_receiver((struct skt_xfer_conf){ 0 });
        say_entry(0, "a", size);
        run(50 * SKT_MS);
        for (uint64_t at = 0; at + sizeof bytes < size; at += 2 * sizeof bytes) {
            block(0, at, bytes, sizeof bytes);
            run(SKT_MS);
        }
        assert_false(w.closed);
        end();
    }
}

/* Files of one byte, and a disk that does not answer: what one session asks of it leaves room for all others. */
static void a_session_has_its_share_of_the_jobs(void **state)
{
    enum { FILES = 40, SHARE = 15 }; /* of 16383 for 1024 sessions */
    const uint8_t byte = 7;
    uint8_t hash[SKT_HASH];
    char path[16];

    skt_blake3(skt_span_of(&byte, 1), hash);
    begin_receiver((struct skt_xfer_conf){ .sessions = 1024 });
    w.verb.faults.late = true;
    for (uint32_t i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "f%u", i);
        say_entry(i, path, 1);
    }
    run(50 * SKT_MS);
    for (uint32_t i = 0; i < FILES; i++) {
        say(&(struct skt_xfer_message){ .kind = SKT_XFER_HASHES, .file = i, .count = 1, .hash = hash });
        block(i, 0, &byte, 1);
        run(5 * SKT_MS);
    }
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = FILES });
    run(50 * SKT_MS);
    assert_int_equal(w.verb.n_jobs, SHARE);
    for (uint32_t n = 0; w.verb.n_jobs; n++) {
        assert_true(n <= 2 * FILES);
        verb_answer_one(&w.verb, 0);
        run(5 * SKT_MS);
        assert_true(w.verb.n_jobs <= SHARE);
    }
    assert_int_equal(w.verb.done, FILES);
    assert_false(w.closed);
    end();
}

/* As if this session and others held all that they may. */
static void all_is_held(bool is)
{
    w.verb.x->sessions[0]->desk.cells.own += is ? SKT_CELLS_EACH : -(uint64_t)SKT_CELLS_EACH;
    w.verb.x->pool.held += is ? SKT_POOL_HELD : -(uint64_t)SKT_POOL_HELD;
}

static void say_hash(uint32_t file, const uint8_t *byte)
{
    uint8_t hash[SKT_HASH];

    skt_blake3(skt_span_of(byte, 1), hash);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_HASHES, .file = file, .count = 1, .hash = hash });
}

static void who_may_hold_no_more_waits_for_what_he_asked_for(void **state)
{
    const uint8_t byte = 7;

    for (int room = 0; room < 2; room++) {
        begin_receiver((struct skt_xfer_conf){ 0 });
        say_entry(0, "a", 1);
        run(50 * SKT_MS);
        all_is_held(true);
        say_entry(1, "b", 1);
        run(SKT_SEC);
        assert_false(w.closed);
        if (room)
            all_is_held(false);
        block(0, 0, &byte, 1);
        say_hash(0, &byte);
        run(SKT_SEC);
        assert_int_equal(w.closed, !room);
        if (room) {
            block(1, 0, &byte, 1); /* asked for by now, else it would close */
            say_hash(1, &byte);
            run(SKT_SEC);
            assert_int_equal(w.verb.done, 2);
        } else {
            assert_int_equal(w.code, SKT_XFER_NO_MEMORY);
            assert_string_equal(w.text, "too much is known of files that are not whole");
        }
        end();
    }
}

static void remembered_paths_are_counted_and_let_go_of(void **state)
{
    static const char *const names[] = { "a", "b" };
    struct skt_xfer_message link = entry(2, SKT_XFER_HARDLINK, "link", "a", 0);
    const uint8_t byte = 7;

    begin_receiver((struct skt_xfer_conf){ 0 });
    for (uint32_t i = 0; i < 2; i++) {
        say_entry(i, names[i], 1);
        run(50 * SKT_MS);
        block(i, 0, &byte, 1);
        say_hash(i, &byte);
        run(50 * SKT_MS);
    }
    assert_int_equal(w.verb.x->pool.paths, 2);
    say(&link);
    run(50 * SKT_MS);
    assert_int_equal(w.verb.done, 3);
    assert_int_equal(w.verb.x->pool.paths, 3);
    skt_take_free(w.verb.x->sessions[0]->take);
    w.verb.x->sessions[0]->take = NULL;
    assert_int_equal(w.verb.x->pool.paths, 0);
    end();
}

/* Others remember all that may be: he has his own share, and is then told that a link cannot be made. */
static void others_do_not_use_up_the_links_of_a_small_sender(void **state)
{
    struct skt_xfer_message link = entry(0, SKT_XFER_HARDLINK, "link", "0", 0);
    uint32_t refused = 0;
    char path[16];

    begin_receiver((struct skt_xfer_conf){ 0 });
    w.verb.x->pool.paths += TAKE_PATHS;
    w.verb.faults.refuse = 1;
    for (uint32_t i = 0; i <= TAKE_PATHS_EACH; i++) {
        assert_false(w.verb.x->sessions[0]->take->paths_more);
        snprintf(path, sizeof path, "%u", i);
        say_entry(i, path, 1);
        if (i % 512 == 0)
            run(5 * SKT_MS);
    }
    run(SKT_SEC);
    assert_true(w.verb.x->sessions[0]->take->paths_more);
    assert_int_equal(w.verb.x->pool.paths, TAKE_PATHS + TAKE_PATHS_EACH);
    w.n_heard = 0;
    link.file = TAKE_PATHS_EACH + 1;
    say(&link);
    run(SKT_SEC);
    assert_false(w.closed);
    for (uint32_t i = 0; i < w.n_heard; i++)
        refused += w.heard[i].kind == SKT_XFER_REFUSE && w.heard[i].error == ENOMEM;
    assert_int_equal(refused, 1);
    end();
}

RUN(T(a_small_group_has_few_pieces), T(as_many_as_packets_can_make_are_taken), T(a_session_has_its_share_of_the_jobs),
    T(who_may_hold_no_more_waits_for_what_he_asked_for), T(others_do_not_use_up_the_links_of_a_small_sender),
    T(remembered_paths_are_counted_and_let_go_of))
