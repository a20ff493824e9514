/* engine/xfer: what a peer that knows the secret can make a receiver hold. */
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

RUN(T(a_small_group_has_few_pieces), T(as_many_as_packets_can_make_are_taken), T(a_session_has_its_share_of_the_jobs))
