/* drive/plug/tls_session.c, by the front: the filter, with the bytes between client and server cut at random points. */
#include "test.h"

#include "seed.h"
#include "tls_pair.h"

/* ---- bytes ---- */

static void echo_random(const char *version, uint64_t seed)
{
    struct skt_tls *client = tls_of((struct skt_tls_conf){ .cacert = file("ca.crt"), .max_version = version });
    struct skt_tls *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, seed);
    uint8_t *plain = malloc(200000);
    struct skt_tls_info info;

    for (size_t i = 0; i < 200000; i++)
        plain[i] = (uint8_t)skt_random_u64(&p->random);
    expect_open(p);
    for (int me = 0; me < 2; me++) {
        write_all(p, me, skt_span_of(plain, 1));
        write_all(p, me, skt_span_of(plain + 1, 199999));
        assert_int_equal(p->side[!me].n, 200000);
        assert_memory_equal(p->side[!me].got, plain, 200000);
        skt_tls_info(p->side[me].s, &info);
        assert_string_equal(info.version, version ? "TLSv1.2" : "TLSv1.3");
        assert_true(strlen(info.cipher) > 10 && !*info.alpn);
        assert_int_equal(skt_tls_waiting(p->side[me].s), 0);
        assert_false(skt_tls_has_input(p->side[me].s));
    }
    free(plain);
    close_both(client, server, p);
}

static void bytes_pass_both_ways_however_they_are_cut(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        echo_random(NULL, seed);
        echo_random("1.2", seed);
    }
}

/* The plain text of one direction: any piece of it can be told from any other place's. */
static uint8_t text_at(size_t i) { return (uint8_t)(i * 31 + (i >> 8) * 7); }

static void write_some(struct pair *p, int me, size_t *written)
{
    uint8_t bytes[40000];
    struct skt_span plain = skt_span_of(bytes, skt_random_below(&p->random, sizeof bytes));

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = text_at(*written + i);
    CHECK(!skt_tls_write(p->side[me].s, &plain));
    *written += (size_t)(plain.p - bytes);
}

/* Into rooms of any size, even of one byte. */
static void read_some(struct pair *p, struct side *side)
{
    uint8_t bytes[3000];
    struct skt_room room = skt_room_of(bytes, 1 + skt_random_below(&p->random, sizeof bytes));
    int n = skt_tls_read(side->s, &room);

    CHECK(n >= 0 && room.p == bytes + n);
    for (int i = 0; i < n; i++)
        CHECK(bytes[i] == text_at(side->n + (size_t)i));
    side->n += (size_t)n;
}

/* As recv_some, but what was taken stays unread. */
static void take_some(struct pair *p, struct wire *w, struct side *side)
{
    struct skt_span cipher = skt_span_of(w->bytes + w->from, skt_random_below(&p->random, w->to - w->from + 1));

    CHECK(!skt_tls_recv(side->s, &cipher));
    w->from = (size_t)(cipher.p - w->bytes);
}

static void any_order_of_calls_brings_what_was_sent(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");

    FOR_SEEDS(60)
    {
        struct pair *p = pair_new(client, "a.test", server, unit_seed);
        size_t written[2] = { 0 };

        for (int steps = 0; steps < 2000; steps++) {
            int me = (int)skt_random_below(&p->random, 2);

            switch (skt_random_below(&p->random, 8)) {
            case 0: write_some(p, me, &written[me]); break;
            case 1:
            case 2: send_some(p, &p->side[me]); break;
            case 3:
            case 4: take_some(p, &p->side[!me].out, &p->side[me]); break;
            default: read_some(p, &p->side[me]);
            }
        }
        for (int left = 40000; left && (p->side[0].n < written[1] || p->side[1].n < written[0]); left--) {
            int me = left & 1;

            send_some(p, &p->side[me]);
            take_some(p, &p->side[!me].out, &p->side[me]);
            read_some(p, &p->side[me]);
        }
        CHECK(written[0] > 10000 && p->side[0].n == written[1] && p->side[1].n == written[0]);
        pair_free(p);
    }
    skt_tls_free(client);
    skt_tls_free(server);
}

static void what_waits_is_capped_in_both_directions(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);
    uint8_t *big = calloc(1, 1 << 20);
    struct skt_span plain = skt_span_of(big, 1 << 20), cipher;
    struct skt_room room;

    expect_open(p);
    assert_int_equal(skt_tls_write(p->side[0].s, &plain), 0);
    assert_true(skt_len(plain) > (1 << 20) - 81 * 1024);
    assert_true(skt_tls_waiting(p->side[0].s) < 82 * 1024);
    room = skt_room_of(big, 1 << 20);
    assert_true(skt_tls_send(p->side[0].s, &room));
    cipher = skt_span_of(big, (size_t)(room.p - big));
    assert_int_equal(skt_tls_recv(p->side[1].s, &cipher), 0);
    assert_int_equal(cipher.p - big, 32 * 1024);
    assert_int_equal(skt_tls_recv(p->side[1].s, &cipher), 0); /* full: takes nothing, breaks nothing */
    assert_int_equal(cipher.p - big, 32 * 1024);
    assert_true(skt_tls_has_input(p->side[1].s));
    read_all(&p->side[1]);
    assert_int_equal(p->side[1].n, 16384); /* the second record is not whole yet */
    free(big);
    close_both(client, server, p);
}

static void nothing_is_taken_before_the_handshake(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);
    struct skt_span plain = skt_span_str("too early");
    uint8_t byte;
    struct skt_room room = skt_room_of(&byte, 1);

    assert_int_equal(skt_tls_write(p->side[0].s, &plain), 0);
    assert_int_equal(skt_len(plain), 9);
    assert_int_equal(skt_tls_read(p->side[0].s, &room), 0);
    assert_int_equal(skt_tls_shut(p->side[0].s), -ENOTCONN);
    expect_open(p);
    close_both(client, server, p);
}

/* ---- ends ---- */

static void one_direction_ends_and_the_other_goes_on(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 3);
    struct skt_span more = skt_span_str("more");

    expect_open(p);
    write_all(p, 0, skt_span_str("question"));
    assert_int_equal(skt_tls_shut(p->side[0].s), 0);
    assert_int_equal(skt_tls_shut(p->side[0].s), 0);
    assert_int_equal(skt_tls_write(p->side[0].s, &more), -EPIPE);
    pump(p);
    assert_int_equal(p->side[1].n, 8);
    assert_int_equal(p->side[1].error, SKT_TLS_END);
    write_all(p, 1, skt_span_str("answer"));
    assert_int_equal(p->side[0].n, 6);
    assert_int_equal(p->side[0].error, 0);
    assert_int_equal(skt_tls_shut(p->side[1].s), 0);
    pump(p);
    assert_int_equal(p->side[0].error, SKT_TLS_END);
    assert_int_equal(skt_tls_eof(p->side[0].s), 0);
    close_both(client, server, p);
}

static void an_end_without_close_notify_is_a_cut(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);

    expect_open(p);
    write_all(p, 0, skt_span_str("half of th"));
    assert_int_equal(skt_tls_eof(p->side[1].s), 0);
    read_all(&p->side[1]);
    assert_int_equal(p->side[1].n, 10);
    assert_int_equal(p->side[1].error, SKT_TLS_CUT);
    assert_non_null(strstr(skt_tls_why(p->side[1].s), "cut short"));
    close_both(client, server, p);
}

static void an_end_within_the_handshake_says_so(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);

    assert_int_equal(skt_tls_eof(p->side[0].s), SKT_TLS_CUT);
    assert_string_equal(skt_tls_why(p->side[0].s), "the peer closed during the TLS handshake");
    assert_int_equal(skt_tls_eof(p->side[1].s), SKT_TLS_CUT);
    close_both(client, server, p);
}

static void a_session_outlives_its_context(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);

    skt_tls_free(client);
    skt_tls_free(server);
    skt_tls_free(NULL);
    skt_tls_session_free(NULL);
    expect_open(p);
    pair_free(p);
}

/* ---- what is no TLS ---- */

static void expect_junk(struct skt_span junk, bool server_side, const char *why)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);
    int r = skt_tls_recv(p->side[server_side].s, &junk);

    assert_int_equal(r, -EPROTO);
    assert_string_equal(skt_tls_why(p->side[server_side].s), why);
    assert_int_equal(skt_tls_recv(p->side[server_side].s, &junk), -EPROTO); /* dead once, dead for ever */
    close_both(client, server, p);
}

static void plain_text_is_told_from_tls(void **state)
{
    expect_junk(skt_span_str("GET / HTTP/1.1\r\n\r\n"), true, "the peer speaks plain HTTP, not TLS");
    expect_junk(skt_span_str("HTTP/1.1 400 Bad Request\r\n\r\n"), false, "the peer does not speak TLS");
    expect_junk(skt_span_str("NICK joe\r\nUSER joe 0 * :Joe\r\n"), true, "the peer does not speak TLS");
    expect_junk(skt_span_str("SSH-2.0-OpenSSH_9.2\r\n"), false, "the peer does not speak TLS");
}

static void random_bytes_break_nothing(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");

    for (uint64_t seed = 0; seed < 300; seed++) {
        struct pair *p = pair_new(client, "a.test", server, seed);
        struct side *side = &p->side[seed & 1];
        uint8_t junk[600] = { 22, 3, 1, 2, 0, 1 };
        struct skt_span cipher = skt_span_of(junk, sizeof junk);

        for (size_t i = seed % 7; i < sizeof junk; i++)
            junk[i] = (uint8_t)skt_random_u64(&p->random);
        note(side, skt_tls_recv(side->s, &cipher));
        read_all(side);
        note(side, skt_tls_eof(side->s));
        assert_true(side->error < 0 && *skt_tls_why(side->s));
        pair_free(p);
    }
    skt_tls_free(client);
    skt_tls_free(server);
}

static void a_spoilt_record_ends_the_session(void **state)
{
    struct skt_tls *client = client_new(), *server = server_new("good");
    struct pair *p = pair_new(client, "a.test", server, 1);
    struct skt_span plain = skt_span_str("a word");

    expect_open(p);
    p->flip = true;
    assert_int_equal(skt_tls_write(p->side[0].s, &plain), 0);
    pump(p);
    assert_int_equal(p->side[1].error, -EPROTO);
    assert_int_equal(p->side[1].n, 0);
    assert_int_equal(p->side[0].error, -EACCES);
    assert_string_equal(skt_tls_why(p->side[0].s), "the peer refused: bad record mac");
    close_both(client, server, p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(bytes_pass_both_ways_however_they_are_cut),
        T(any_order_of_calls_brings_what_was_sent),
        T(what_waits_is_capped_in_both_directions),
        T(nothing_is_taken_before_the_handshake),
        T(one_direction_ends_and_the_other_goes_on),
        T(an_end_without_close_notify_is_a_cut),
        T(an_end_within_the_handshake_says_so),
        T(a_session_outlives_its_context),
        T(plain_text_is_told_from_tls),
        T(random_bytes_break_nothing),
        T(a_spoilt_record_ends_the_session),
    };

    return cmocka_run_group_tests(tests, make_all, remove_all);
}
