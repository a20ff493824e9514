/* engine/xfer and a peer that breaks the rules of section 5: a conversation of the test's own, which says what it likes. Each rule
 * has its case; the end is code 2 (or what the table says), and nothing of it reaches the files. */
#include "xfer_peer.h"

static void closes_with_after(skt_time span, uint16_t code, const char *text)
{
    run(span);
    assert_true(w.closed && w.verb.closed);
    assert_string_equal(w.text, text);
    assert_int_equal(w.code, code);
    assert_true(w.verb.why < 0);
    for (uint32_t i = 0; i < w.tree.n && !w.verb.send; i++)
        assert_false(w.tree.files[i].whole && w.tree.files[i].meta.kind == SKT_XFER_FILE);
    end();
}

static void closes_with(uint16_t code, const char *text) { closes_with_after(SKT_SEC, code, text); }

static const uint8_t value[32] = { 1 };
static const struct skt_xfer_conf plain;

static const struct skt_xfer_message *heard(uint8_t kind)
{
    for (uint32_t i = 0; i < w.n_heard; i++)
        if (w.heard[i].kind == kind)
            return &w.heard[i];
    return NULL;
}

/* The engine alone; what it says is heard by nobody. */
static void run_alone(skt_time span)
{
    static uint8_t room[65536];
    struct skt_engine e = skt_xfer_engine(w.verb.x);

    for (skt_time until = w.now + span; w.now < until; w.now += SKT_MS) {
        struct skt_out out = { .data = skt_room_of(room, sizeof room) };
        while (e.ops->send(e.self, w.now, &out))
            out = (struct skt_out){ .data = skt_room_of(room, sizeof room) };
        (void)verb_turn(&w.verb);
    }
}

/* --- ICMP --- */

static void tell_doubt(void)
{
    struct skt_engine e = skt_xfer_engine(w.verb.x);
    struct skt_in in = { .link = LINK, .kind = SKT_EOF, .why = -ECONNREFUSED };

    e.ops->recv(e.self, w.now, &in);
}

static void a_word_that_nobody_listens_is_proven_first(void **state)
{
    begin_receiver(plain); /* the same for both roles */
    for (int i = 0; i < 100; i++) {
        tell_doubt();
        run(100 * SKT_MS);
    }
    assert_false(w.verb.closed);
    tell_doubt();
    run_alone(1500 * SKT_MS);
    assert_true(w.verb.closed);
    assert_int_equal(w.verb.why, -ETIMEDOUT);
    end();
}

/* --- a process that stood still: a slow disk, SIGSTOP --- */

static void who_stood_still_reads_first_what_came_meanwhile(void **state)
{
    static uint8_t room[65536];
    struct skt_addr to;
    uint32_t seg = 0;
    size_t n;

    for (int doubted = 0; doubted < 2; doubted++) {
        begin_receiver(plain);
        if (doubted)
            tell_doubt();
        skt_conn_prove(w.peer, w.now, SKT_SEC);
        assert_true(skt_conn_train(w.peer, w.now, skt_room_of(room, sizeof room), false)); /* PING */
        n = skt_conn_sealed(w.peer, w.now, &seg, &to);
        w.now += 40 * SKT_SEC;
        run_alone(2 * SKT_MS); /* the driver's clock comes before its sockets */
        assert_false(w.verb.closed);
        to_engine(room, n, seg);
        run_alone(29 * SKT_SEC);
        assert_false(w.verb.closed);
        run_alone(2 * SKT_SEC);
        assert_true(w.verb.closed);
        assert_int_equal(w.verb.why, -ETIMEDOUT);
        end();
    }
}

/* --- what a receiver does not take --- */

static void entries_come_in_order_and_as_far_as_allowed(void **state)
{
    char path[32];

    begin_receiver(plain);
    say_entry(1, "a", 1);
    closes_with(2, "the numbers of ENTRY are not in order");
    begin_receiver(plain);
    w.verb.faults.refuse = 0;
    w.verb.faults.late = true; /* nothing is ever made: nothing more is allowed */
    for (uint32_t i = 0; i <= 4096; i++) {
        snprintf(path, sizeof path, "f%u", i);
        say_entry(i, path, 1);
        if (i % 512 == 0)
            run(20 * SKT_MS);
    }
    closes_with(2, "more ENTRY than MORE allows");
    begin_receiver(plain);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = 1 });
    closes_with(2, "END twice, or of another number of files");
    begin_receiver(plain);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_OFFER, .files = 1, .bytes = 1 });
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_OFFER, .files = 1, .bytes = 1 });
    closes_with(2, "OFFER twice, or late");
    begin_receiver(plain);
    say_entry(0, "a", 1);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = 1 });
    say_entry(1, "b", 1);
    closes_with(2, "ENTRY after END");
}

static void values_are_of_what_was_asked_for_and_do_not_change(void **state)
{
    struct skt_xfer_message hashes = { .kind = SKT_XFER_HASHES, .group = 0, .count = 1, .hash = value };
    struct skt_xfer_message zeros = { .kind = SKT_XFER_ZEROS, .group = 0, .count = 1 };
    const uint8_t other[32] = { 2 };

    begin_receiver(plain);
    say(&hashes);
    closes_with(2, "HASHES or ZEROS of what was not asked for");
    begin_receiver(plain);
    say_entry(0, "a", 5000);
    run(50 * SKT_MS);
    assert_non_null(heard(SKT_XFER_NEED));
    say(&hashes);
    hashes.hash = other;
    say(&hashes);
    closes_with(2, "HASHES twice with other values");
    hashes.hash = value;
    begin_receiver(
        (struct skt_xfer_conf){ .window = 1 }); /* the second group is not asked for before the first is stored */
    say_entry(0, "a", 2 * SKT_GROUP);
    run(50 * SKT_MS);
    hashes.group = 1;
    say(&hashes);
    closes_with(2, "HASHES that nobody asked for");
    begin_receiver((struct skt_xfer_conf){ .window = 1 });
    say_entry(0, "a", 2 * SKT_GROUP);
    run(50 * SKT_MS);
    zeros.group = 1;
    say(&zeros);
    closes_with(2, "ZEROS that nobody asked for");
    begin_receiver(plain);
    say_entry(0, "a", 2 * SKT_GROUP);
    run(50 * SKT_MS);
    zeros.group = 2;
    say(&zeros);
    closes_with(2, "HASHES or ZEROS beyond the end of the file");
}

static void blocks_are_of_what_was_asked_for(void **state)
{
    static const uint8_t bytes[100];

    begin_receiver(plain);
    block(0, 0, bytes, 100);
    closes_with(2, "a BLOCK that nobody asked for");
    begin_receiver(plain);
    say_entry(0, "a", 50);
    run(50 * SKT_MS);
    block(0, 0, bytes, 51);
    closes_with(2, "a BLOCK that nobody asked for");
    begin_receiver(plain);
    say_entry(0, "a", 2 * SKT_GROUP);
    run(50 * SKT_MS);
    block(0, SKT_GROUP - 50, bytes, 100); /* over the border of two groups */
    closes_with(2, "a BLOCK that nobody asked for");
    begin_receiver((struct skt_xfer_conf){ .window = 1 });
    say_entry(0, "a", 2 * SKT_GROUP);
    run(50 * SKT_MS);
    block(0, SKT_GROUP, bytes, 100);
    closes_with(2, "a BLOCK that nobody asked for");
    for (uint64_t group = 1; group < 64; group += 31) { /* behind the end: what is known of groups ends there, too */
        begin_receiver(plain);
        say_entry(0, "a", 100);
        run(50 * SKT_MS);
        block(0, group * SKT_GROUP, bytes, 100);
        closes_with(2, "a BLOCK that nobody asked for");
    }
}

static void a_group_that_differs_is_asked_for_three_times(void **state)
{
    static const uint8_t bytes[100];
    struct skt_xfer_message hashes = { .kind = SKT_XFER_HASHES, .count = 1, .hash = value };

    begin_receiver(plain);
    say_entry(0, "a", 100);
    run(50 * SKT_MS);
    say(&hashes);
    for (uint32_t i = 1; i <= 3; i++) {
        assert_int_equal(w.n_heard, i);
        assert_int_equal(w.heard[i - 1].kind, SKT_XFER_NEED);
        block(0, 0, bytes, 100);
        run(50 * SKT_MS);
    }
    closes_with(8, "group 0 of file 0 differs from its value, 3 times");
}

static void what_only_a_receiver_says_closes(void **state)
{
    static const struct skt_xfer_message wrong[] = { { .kind = SKT_XFER_MORE, .file = 1 },
        { .kind = SKT_XFER_NEED, .count = 1 }, { .kind = SKT_XFER_CHECK }, { .kind = SKT_XFER_DONE, .hash = value } };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin_receiver(plain);
        say(&wrong[i]);
        closes_with(2, "a message that a sender does not say");
    }
    begin_receiver(plain);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_SUM, .hash = value });
    closes_with(2, "SUM before DONE");
}

/* A sum that is not that of the receiver: it has stored everything, but the end is no success. */
static void another_sum_is_no_success(void **state)
{
    begin_receiver(plain);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END });
    run(50 * SKT_MS);
    assert_non_null(heard(SKT_XFER_DONE));
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_SUM, .hash = value });
    closes_with(8, "the sums of sender and receiver differ");
}

static void who_has_stored_nothing_costs_no_sync(void **state)
{
    for (int stores = 0; stores < 2; stores++) {
        begin_receiver(plain);
        w.verb.faults.refuse = !stores;
        w.verb.faults.no_sync = true;
        say_a_directory();
        run(50 * SKT_MS);
        assert_int_equal(w.closed, stores); /* the disk did not take it */
        assert_int_equal(heard(SKT_XFER_DONE) != NULL, !stores);
        end();
    }
}

/* A verb that takes its time: the session is told to be closed when its last job is answered, and not before. */
static void a_job_may_be_answered_after_the_end(void **state)
{
    begin_receiver(plain);
    say_a_directory();
    w.verb.faults.late = true;
    run(50 * SKT_MS);
    assert_int_equal(w.verb.n_jobs, 1); /* SYNC */
    skt_conn_close(w.peer, w.now, SKT_XFER_STOPPED, "enough");
    run(100 * SKT_SEC);
    assert_true(w.closed && !w.verb.closed);
    verb_answer_one(&w.verb, 0);
    run(50 * SKT_MS);
    assert_int_equal(w.verb.why, -ECANCELED);
    assert_string_equal(w.verb.text, "the other end says: enough");
    end();
}

static void a_huge_file_costs_nothing_until_it_comes(void **state)
{
    begin_receiver(plain);
    say_entry(0, "huge", ((uint64_t)1 << 48) - 1);
    say_entry(1, "larger", (uint64_t)1 << 48);
    run(50 * SKT_MS);
    assert_non_null(heard(SKT_XFER_NEED));
    assert_int_equal(heard(SKT_XFER_NEED)->count, 8); /* nothing is known of the disk yet */
    assert_non_null(heard(SKT_XFER_REFUSE));
    assert_int_equal(heard(SKT_XFER_REFUSE)->error, EFBIG);
    assert_false(w.closed);
    end();
}

static void say_empty_group(uint64_t group)
{
    uint8_t hash[32];

    skt_group_hash_zeros(group, 64 * SKT_GROUP, hash);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_ZEROS, .group = group, .count = 1 });
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_HASHES, .group = group, .count = 1, .hash = hash });
}

/* The first group never comes, so that none of the others is done with. */
static void zeros_are_not_heard_for_ever(void **state)
{
    begin_receiver(plain);
    say_entry(0, "a", 64 * SKT_GROUP);
    run(50 * SKT_MS);
    for (uint64_t i = 1; i < 64; i++) { /* as far as it has asked */
        say_empty_group(i);
        run(10 * SKT_MS);
    }
    for (int i = 0; i < 60; i++)
        say(&(struct skt_xfer_message){ .kind = SKT_XFER_ZEROS, .group = 1, .count = 63 });
    run(SKT_SEC);
    assert_false(w.closed);
    for (int i = 0; i < 10; i++)
        say(&(struct skt_xfer_message){ .kind = SKT_XFER_ZEROS, .group = 1, .count = 63 });
    closes_with(2, "ZEROS of what is stored, again and again");
}

/* There is a file of that name, but nobody has sent it: it may not get another. */
static void a_link_is_to_what_was_sent(void **state)
{
    struct skt_xfer_message link = { .kind = SKT_XFER_ENTRY,
        .file = 1,
        .entry = { .kind = SKT_XFER_HARDLINK, .path = skt_span_str("link"), .target = skt_span_str("there") } };
    uint8_t hash[32];

    begin_receiver(plain);
    verb_make(&w.tree, SKT_XFER_FILE, "there", "", 5, 1, false);
    say_entry(0, "sent", 0);
    skt_group_hash(0, 0, skt_span_of(NULL, 0), hash);
    run(50 * SKT_MS);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_HASHES, .count = 1, .hash = hash });
    say(&link);
    run(SKT_SEC);
    assert_non_null(heard(SKT_XFER_REFUSE));
    assert_int_equal(heard(SKT_XFER_REFUSE)->error, ENOENT);
    link.file = 2;
    link.entry.target = skt_span_str("sent");
    say(&link);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_END, .file = 3 });
    run(SKT_SEC);
    assert_non_null(heard(SKT_XFER_DONE));
    assert_true(heard(SKT_XFER_DONE)->stored == 2 && heard(SKT_XFER_DONE)->refused == 1);
    end();
}

/* --- places --- */

static void who_only_lives_does_not_keep_his_place(void **state)
{
    begin_receiver((struct skt_xfer_conf){ .idle = 60 * SKT_SEC });
    run(50 * SKT_SEC);
    say_entry(0, "a", 1); /* something happens, and is asked for */
    run(50 * SKT_SEC);
    assert_false(w.closed);
    closes_with_after(11 * SKT_SEC, SKT_XFER_SILENT, "nothing new came for 60 s");
}

/* A byte and a value count once each; then they come again, every second. */
static void who_repeats_himself_does_not_keep_his_place(void **state)
{
    struct skt_xfer_message values = { .kind = SKT_XFER_HASHES, .count = 1, .hash = value };

    begin_receiver((struct skt_xfer_conf){ .idle = 60 * SKT_SEC });
    say_entry(0, "a", SKT_GROUP);
    run(50 * SKT_SEC);
    block(0, 0, value, 1);
    run(50 * SKT_SEC);
    say(&values);
    run(50 * SKT_SEC);
    block(0, 1, value, 1);
    for (int i = 0; i < 59; i++) {
        assert_false(w.closed);
        block(0, 1, value, 1);
        say(&values);
        run(SKT_SEC);
    }
    closes_with_after(2 * SKT_SEC, SKT_XFER_SILENT, "nothing new came for 60 s");
}

static void who_waits_for_our_disk_keeps_his_place(void **state)
{
    begin_receiver((struct skt_xfer_conf){ .idle = 60 * SKT_SEC });
    w.verb.faults.late = true;
    say_a_directory();
    run(200 * SKT_SEC);
    assert_false(w.closed);
    verb_answer_one(&w.verb, 0);
    run(50 * SKT_SEC);
    assert_false(w.closed);
    assert_non_null(heard(SKT_XFER_DONE));
    run(11 * SKT_SEC);
    assert_true(w.closed && w.code == SKT_XFER_SILENT);
    end();
}

static void who_comes_when_it_is_shut_is_told(void **state)
{
    begin(plain, true);
    skt_xfer_shut(w.verb.x);
    peer_new(NULL);
    run(2 * SKT_SEC);
    assert_false(w.open || w.verb.opened);
    assert_true(skt_conn_is_put_off(w.peer));
    end();
    begin(plain, true); /* let in before, and the secret is proven only now */
    peer_new(NULL);
    for (int i = 0; i < 2; i++) /* INIT, RETRY; INIT, ACCEPT */
        assert_true((int)peer_sends() & (int)engine_sends());
    skt_xfer_shut(w.verb.x);
    run(SKT_SEC);
    assert_true(w.open && w.verb.closed && w.verb.why == -EACCES);
    assert_int_equal(w.code, SKT_XFER_REFUSED);
    assert_string_equal(w.text, "the receiver has just ended");
    end();
}

/* --- what a sender does not take --- */

static void say_need(uint8_t kind, uint32_t file, uint64_t group, uint64_t count)
{
    say(&(struct skt_xfer_message){ .kind = kind, .file = file, .group = group, .count = count });
}

static void a_receiver_asks_for_what_there_is(void **state)
{
    static const struct {
        uint32_t file;
        uint64_t group, count;
        const char *text;
    } cases[] = { { 3, 0, 1, "NEED or CHECK of what is no file, or stored" },
        { 2, 0, 1, "NEED or CHECK of what is no file, or stored" }, { 1, 3, 1, "NEED beyond the end of the file" },
        { 1, 2, 2, "NEED beyond the end of the file" } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_sender();
        say_need(SKT_XFER_NEED, cases[i].file, cases[i].group, cases[i].count);
        closes_with(2, cases[i].text);
    }
    begin_sender();
    say_need(SKT_XFER_CHECK, 1, 0, 0);
    say_need(SKT_XFER_CHECK, 1, 0, 0);
    closes_with(2, "CHECK twice, or after NEED");
    begin_sender();
    w.verb.faults.late = true; /* nothing is read: it all waits */
    for (int i = 0; i < 70000; i++) {
        say_need(SKT_XFER_NEED, 1, 0, 1);
        if (i % 1000 == 0)
            run(10 * SKT_MS);
        if (w.closed)
            break;
    }
    while (w.verb.n_jobs)
        verb_answer_one(&w.verb, 0);
    closes_with(2, "too much is asked for at once");
}

static void a_receiver_stores_what_it_was_sent(void **state)
{
    static const struct {
        uint32_t first, second;
        const char *text;
    } cases[] = { { 4, 4, "STORED went back, or beyond what was offered" }, { 1, 0, "STORED of what was not sent" },
        { 3, 3, "STORED of what was not sent" } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_sender();
        say(&(struct skt_xfer_message){ .kind = SKT_XFER_STORED, .file = cases[i].first });
        say(&(struct skt_xfer_message){ .kind = SKT_XFER_STORED, .file = cases[i].second });
        closes_with(2, i == 1 ? "STORED went back, or beyond what was offered" : cases[i].text);
    }
    begin_sender();
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_DONE, .hash = value, .stored = 3 });
    closes_with(2, "STORED of what was not sent");
    begin_sender();
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_REFUSE, .file = 3, .error = EIO });
    closes_with(2, "REFUSE of what is not offered, or stored");
    begin_sender();
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_MORE, .file = 5 });
    closes_with(2, "MORE went back");
}

/* It says that it has everything, and refuses the rest: but its sum is not that of what was sent. */
static void another_sum_of_the_receiver_is_no_success(void **state)
{
    begin_sender();
    say_need(SKT_XFER_NEED, 0, 0, 1);
    say(&(struct skt_xfer_message){
        .kind = SKT_XFER_REFUSE, .file = 1, .error = ENOSPC, .text = skt_span_str("full") });
    run(50 * SKT_MS);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_DONE, .hash = value, .stored = 2, .refused = 1 });
    closes_with(8, "the sums of sender and receiver differ");
}

/* The last word and the end come in one packet. */
static void what_is_stored_is_told_after_the_end(void **state)
{
    begin_sender();
    say_need(SKT_XFER_NEED, 0, 0, 1);
    run(SKT_SEC);
    assert_int_equal(w.verb.done, 0);
    say(&(struct skt_xfer_message){ .kind = SKT_XFER_STORED, .file = 1 });
    skt_conn_close(w.peer, w.now, SKT_XFER_STOPPED, "enough");
    run(SKT_SEC);
    assert_true(w.verb.closed && w.verb.done == 1 && w.verb.failed == 0);
    assert_int_equal(w.verb.why, -ECANCELED);
    end();
}

static void what_only_a_sender_says_closes(void **state)
{
    static const struct skt_xfer_message wrong[] = { { .kind = SKT_XFER_OFFER }, { .kind = SKT_XFER_END },
        { .kind = SKT_XFER_ZEROS, .count = 1 }, { .kind = SKT_XFER_SKIP, .error = EIO },
        { .kind = SKT_XFER_HASHES, .count = 1, .hash = value }, { .kind = SKT_XFER_SUM, .hash = value } };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin_sender();
        say(&wrong[i]);
        closes_with(2, "a message that a receiver does not say");
    }
}

/* A value is said once and does not change: what is read again and differs makes the sender skip the file. */
static void a_file_that_changes_while_it_is_read_is_skipped(void **state)
{
    begin_sender();
    say_need(SKT_XFER_NEED, 1, 0, 1);
    run(50 * SKT_MS);
    assert_non_null(heard(SKT_XFER_HASHES));
    w.tree.files[1].bytes[5] ^= 1;
    say_need(SKT_XFER_NEED, 1, 0, 1);
    run(50 * SKT_MS);
    assert_non_null(heard(SKT_XFER_SKIP));
    assert_int_equal(heard(SKT_XFER_SKIP)->error, ESTALE);
    end();
}

/* The last value of a file is said when the file is known not to have changed. */
static void the_last_value_waits_for_last(void **state)
{
    uint32_t n = 0;

    begin_sender();
    w.verb.faults.changed = 1;
    say_need(SKT_XFER_NEED, 1, 0, 3);
    run(SKT_SEC);
    for (uint32_t i = 0; i < w.n_heard; i++)
        n += w.heard[i].kind == SKT_XFER_HASHES;
    assert_int_equal(n, 2);
    assert_non_null(heard(SKT_XFER_SKIP));
    end();
}

RUN(T(who_stood_still_reads_first_what_came_meanwhile), T(a_word_that_nobody_listens_is_proven_first),
    T(entries_come_in_order_and_as_far_as_allowed), T(values_are_of_what_was_asked_for_and_do_not_change),
    T(blocks_are_of_what_was_asked_for), T(a_group_that_differs_is_asked_for_three_times),
    T(what_only_a_receiver_says_closes), T(another_sum_is_no_success), T(a_huge_file_costs_nothing_until_it_comes),
    T(a_job_may_be_answered_after_the_end), T(a_receiver_asks_for_what_there_is), T(a_receiver_stores_what_it_was_sent),
    T(another_sum_of_the_receiver_is_no_success), T(what_only_a_sender_says_closes),
    T(a_file_that_changes_while_it_is_read_is_skipped), T(the_last_value_waits_for_last),
    T(what_is_stored_is_told_after_the_end), T(zeros_are_not_heard_for_ever), T(a_link_is_to_what_was_sent),
    T(who_only_lives_does_not_keep_his_place), T(who_repeats_himself_does_not_keep_his_place),
    T(who_waits_for_our_disk_keeps_his_place), T(who_has_stored_nothing_costs_no_sync),
    T(who_comes_when_it_is_shut_is_told))
