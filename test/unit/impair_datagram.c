/* engine/impair with datagrams, driven by hand: borders, trains, flows, times. */
#include "test.h"

#include "engine/impair/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { LISTENER = 3, FIRST = 10 };

/* What the engine wanted: "11<aa|bb|c" is a train, "11>udp:echo:7" an open. */
static char wanted[8192];
static skt_link fresh;
static uint8_t train_kind;

static void write_train(struct skt_out *out, struct skt_span bytes, size_t *n)
{
    do {
        struct skt_span one = skt_get_span(&bytes, out->seg && skt_len(bytes) > out->seg ? out->seg : skt_len(bytes));
        *n += (size_t)snprintf(wanted + *n, sizeof wanted - *n, "%.*s%s", (int)skt_len(one), (const char *)one.p,
            skt_len(bytes) ? "|" : "");
    } while (skt_len(bytes));
    train_kind = (uint8_t)out->kind;
}

static void pump(struct skt_impair *m, skt_time now)
{
    struct skt_engine e = skt_impair_engine(m);
    uint8_t bytes[SKT_ROOM_MIN];
    size_t n = 0;

    wanted[0] = 0;
    for (;;) {
        struct skt_out out = { .link = fresh, .data = skt_room_of(bytes, sizeof bytes) };
        if (!e.ops->send(e.self, now, &out))
            break;
        n += (size_t)snprintf(wanted + n, sizeof wanted - n, n ? " %u" : "%u", out.link);
        if (out.link == LISTENER)
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, ":%u", out.peer.port);
        if (out.kind == SKT_OPEN) {
            n += (size_t)snprintf(
                wanted + n, sizeof wanted - n, ">%.*s", (int)(out.data.p - bytes), (const char *)bytes);
            fresh++;
        } else if (out.kind == SKT_CLOSE) {
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, "!%d", out.why);
        } else {
            n += (size_t)snprintf(wanted + n, sizeof wanted - n, "<");
            write_train(
                &out, out.kind == SKT_SHARE ? out.share : (struct skt_span){ .p = bytes, .end = out.data.p }, &n);
        }
        assert_true(n < sizeof wanted);
    }
    assert_true(e.ops->wake(e.self) > now);
}

static void told(struct skt_impair *m, skt_time now, skt_link link, enum skt_kind kind, int why)
{
    struct skt_addr none = { 0 };
    struct skt_in in = { .link = link, .kind = kind, .why = why, .peer = &none };

    skt_impair_engine(m).ops->recv(m, now, &in);
    pump(m, now);
}

static skt_time came; /* when the kernel received what is shot next; 0: not known */

/* From the peer with that port (to the listener), or from a target's socket. All is taken. */
static void shot(struct skt_impair *m, skt_time now, skt_link link, uint16_t port, const char *text, uint32_t seg)
{
    struct skt_addr peer = { .family = SKT_IP4, .port = port, .ip = { 127, 0, 0, 1 } };
    size_t len = strlen(text);
    struct skt_buf *buf = skt_buf_new(len ? len : 1);
    struct skt_in in = { .link = link,
        .kind = SKT_DATA,
        .buf = buf,
        .data = skt_span_of(buf->data, len),
        .seg = seg,
        .peer = &peer,
        .at = came };

    memcpy(buf->data, text, len);
    skt_impair_engine(m).ops->recv(m, now, &in);
    assert_true(!in.hold && skt_len(in.data) == 0);
    pump(m, now);
    skt_buf_put(buf);
}

static struct skt_impair *begin(struct skt_impair_conf conf, const char *network)
{
    struct skt_impair *m = NULL;

    conf.to = "udp:echo:7";
    conf.datagrams = true;
    fresh = FIRST;
    assert_int_equal(skt_impair_new(&conf, &m), 0);
    assert_int_equal(skt_impair_network(m, skt_span_str(network), "net", NULL), 0);
    pump(m, 0);
    return m;
}

static struct skt_impair_stats stats_of(struct skt_impair *m)
{
    struct skt_impair_stats stats;

    skt_impair_stats(m, 0, &stats);
    return stats;
}

static void the_first_datagrams_wait_for_their_socket(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "clear");

    shot(m, 0, LISTENER, 1, "one", 0);
    assert_string_equal(wanted, "10>udp:echo:7");
    shot(m, 0, LISTENER, 1, "two", 0);
    shot(m, 0, LISTENER, 2, "other", 0);
    assert_string_equal(wanted, "11>udp:echo:7");
    told(m, 1, 10, SKT_OPEN, 0);
    assert_string_equal(wanted, "10<one|two");
    told(m, 2, 11, SKT_OPEN, 0);
    assert_string_equal(wanted, "11<other");
    shot(m, 3, 11, 7, "answer", 0);
    assert_string_equal(wanted, "3:2<answer");
    assert_true(stats_of(m).up.in == 3 && stats_of(m).up.out == 3 && stats_of(m).down.out == 1);
}

static void a_clean_train_passes_whole_and_uncopied(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "clear");

    shot(m, 0, LISTENER, 1, "", 0);
    told(m, 0, 10, SKT_OPEN, 0);
    assert_string_equal(wanted, "10<"); /* an empty datagram is one, too */
    shot(m, 1, LISTENER, 1, "aabbc", 2);
    assert_string_equal(wanted, "10<aa|bb|c");
    assert_int_equal(train_kind, SKT_SHARE);
    assert_true(stats_of(m).up.in == 4 && stats_of(m).up.out == 4 && stats_of(m).up.out_bytes == 5);
}

static void a_delayed_train_leaves_as_one_and_never_merges_borders(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");

    shot(m, 0, LISTENER, 1, "x", 0);
    told(m, 0, 10, SKT_OPEN, 0);
    pump(m, 10 * SKT_MS);
    assert_string_equal(wanted, "10<x");
    shot(m, 20 * SKT_MS, LISTENER, 1, "aabbc", 2);
    shot(m, 20 * SKT_MS, LISTENER, 1, "dd", 0);
    shot(m, 20 * SKT_MS, LISTENER, 1, "ee", 0);
    shot(m, 20 * SKT_MS, LISTENER, 2, "ff", 0);
    told(m, 21 * SKT_MS, 11, SKT_OPEN, 0);
    assert_string_equal(wanted, "");
    pump(m, 30 * SKT_MS);
    /* c is short, so it ends its train; dd and ee lie in different memory and are copied into one; ff has another flow */
    assert_string_equal(wanted, "10<aa|bb|c 10<dd|ee 11<ff");
    assert_true(stats_of(m).up.error.n == 7 && stats_of(m).up.error.max == 0);
}

static void a_delay_begins_when_the_kernel_received_the_datagram(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");

    shot(m, 0, LISTENER, 1, "first", 0);
    told(m, 0, 10, SKT_OPEN, 0);
    pump(m, 10 * SKT_MS);
    came = 100 * SKT_MS;
    shot(m, 104 * SKT_MS, LISTENER, 1, "told late", 0);
    came = 0;
    pump(m, 110 * SKT_MS - 1);
    assert_string_equal(wanted, "");
    pump(m, 110 * SKT_MS);
    assert_string_equal(wanted, "10<told late");
    assert_true(stats_of(m).up.error.max == 0);
}

static void a_train_is_split_by_loss_and_joined_by_its_time(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 1ms\nloss 50%\nseed 4");
    struct skt_path_conf conf = { .delay = SKT_MS, .loss = .5 };
    struct skt_path path;
    char want[200] = "10<";
    const char *letters = "abcdefghij";

    shot(m, 0, LISTENER, 1, "abcdefghij", 1);
    told(m, 0, 10, SKT_OPEN, 0);
    skt_path_init(&path, &conf, 4, 0);
    for (uint64_t i = 0; i < 10; i++)
        if (skt_path_pass(&path, 0, 1, i).copies)
            snprintf(want + strlen(want), 10, "%s%c", strlen(want) > 3 ? "|" : "", letters[i]);
    pump(m, SKT_MS);
    for (char *p; (p = strstr(wanted, " 10<"));) { /* how they are joined does not matter here, only what comes */
        *p = '|';
        memmove(p + 1, p + 4, strlen(p + 4) + 1);
    }
    assert_string_equal(wanted, want);
    assert_true(stats_of(m).up.lost == path.lost && path.lost > 1);
}

static void later_times_leave_later_also_past_each_other(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms\nat 5ms: delay 1ms");

    shot(m, 0, LISTENER, 1, "slow", 0);
    told(m, 0, 10, SKT_OPEN, 0);
    pump(m, 5 * SKT_MS);
    shot(m, 6 * SKT_MS, LISTENER, 1, "fast", 0);
    pump(m, 7 * SKT_MS);
    assert_string_equal(wanted, "10<fast");
    pump(m, 10 * SKT_MS);
    assert_string_equal(wanted, "10<slow");
}

static void a_flipped_bit_is_one_and_the_copy_is_whole(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "corrupt 100%");
    uint32_t bits = 0;

    shot(m, 0, LISTENER, 1, "@@@@@@@@", 0);
    told(m, 0, 10, SKT_OPEN, 0);
    assert_int_equal(strlen(wanted), 3 + 8);
    for (int i = 0; i < 8; i++)
        bits += (uint32_t)__builtin_popcount((uint8_t)wanted[3 + i] ^ '@');
    assert_int_equal(bits, 1);
    assert_true(stats_of(m).up.corrupted == 1);
}

static void a_flow_too_many_is_dropped_and_a_silent_one_forgotten(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m =
        begin((struct skt_impair_conf){ .max_flows = 2, .flow_idle = SKT_SEC }, "clear");
    struct skt_impair_event ev;

    shot(m, 0, LISTENER, 1, "1", 0);
    shot(m, 0, LISTENER, 2, "2", 0);
    shot(m, 0, LISTENER, 3, "3", 0);
    assert_string_equal(wanted, "");
    assert_true(stats_of(m).refused == 1 && stats_of(m).up.dropped == 1 && stats_of(m).there == 2);
    told(m, 0, 10, SKT_OPEN, 0);
    told(m, 0, 11, SKT_OPEN, 0);
    shot(m, SKT_SEC / 2, LISTENER, 2, "2", 0);
    pump(m, SKT_SEC);
    assert_string_equal(wanted, "10!0");
    told(m, SKT_SEC, 10, SKT_CLOSE, 0);
    shot(m, SKT_SEC, LISTENER, 3, "3", 0);
    assert_string_equal(wanted, "12>udp:echo:7");
    for (int i = 0; i < 2; i++)
        assert_true(skt_impair_next(m, &ev) && ev.what == SKT_IMPAIR_CAME);
    assert_true(skt_impair_next(m, &ev) && ev.what == SKT_IMPAIR_LEFT && ev.number == 1 && ev.up == 1 && !ev.why);
}

static void a_target_that_refuses_ends_its_flow_alone(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ 0 }, "delay 10ms");
    struct skt_impair_stats stats;

    shot(m, 0, LISTENER, 1, "1", 0);
    shot(m, 0, LISTENER, 2, "2", 0);
    told(m, 0, 11, SKT_OPEN, 0);
    told(m, 1, 10, SKT_CLOSE, -ECONNREFUSED);
    pump(m, 10 * SKT_MS);
    assert_string_equal(wanted, "11<2");
    stats = stats_of(m);
    assert_true(stats.failed == 1 && stats.up.dropped == 1 && stats.up.out == 1 && stats.up.line_packets == 0);
}

static void a_full_socket_and_a_full_line_drop(void **state)
{
    skt_auto(skt_impair) struct skt_impair *m = begin((struct skt_impair_conf){ .max_datagrams = 2 }, "delay 10ms");

    shot(m, 0, LISTENER, 1, "abc", 1);
    told(m, 0, 10, SKT_OPEN, 0);
    assert_true(stats_of(m).up.dropped == 1 && stats_of(m).up.line_packets == 2);
    told(m, 0, 10, SKT_FULL, 0);
    pump(m, 10 * SKT_MS);
    assert_true(stats_of(m).up.dropped == 3 && stats_of(m).up.line_packets == 0 && stats_of(m).up.out == 0);
    told(m, 11 * SKT_MS, 10, SKT_ROOM, 0);
    shot(m, 11 * SKT_MS, LISTENER, 1, "d", 0);
    pump(m, 21 * SKT_MS);
    assert_string_equal(wanted, "10<d");
}

static void the_heap_gives_equal_times_in_order(void **state)
{
    struct gramline g;
    uint64_t last = 0;
    skt_time at = -1;

    assert_int_equal(grams_init(&g, 1000), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct gram *gram = grams_new(&g);
        gram->at = (skt_time)(i * 7919 % 10);
        grams_push(&g, gram);
    }
    assert_null(grams_new(&g));
    for (uint32_t i = 0; i < 1000; i++) {
        struct gram *gram = grams_pop(&g);
        assert_true(gram->at > at || (gram->at == at && gram->seq > last));
        at = gram->at;
        last = gram->seq;
        grams_drop(&g, gram);
    }
    assert_null(grams_top(&g));
    assert_non_null(grams_new(&g));
    grams_done(&g);
}

RUN(T(the_first_datagrams_wait_for_their_socket), T(a_delay_begins_when_the_kernel_received_the_datagram),
    T(a_clean_train_passes_whole_and_uncopied), T(a_delayed_train_leaves_as_one_and_never_merges_borders),
    T(a_train_is_split_by_loss_and_joined_by_its_time), T(later_times_leave_later_also_past_each_other),
    T(a_flipped_bit_is_one_and_the_copy_is_whole), T(a_flow_too_many_is_dropped_and_a_silent_one_forgotten),
    T(a_target_that_refuses_ends_its_flow_alone), T(a_full_socket_and_a_full_line_drop),
    T(the_heap_gives_equal_times_in_order))
