/* drive/net/io.c: characters and lines, however they travel. */
#include "netpair.h"

#include "base/utf8.h"

/* ---- text ---- */

/* A defect of the tutorials: recv(1024).decode() breaks a character at the edge of a buffer. */
static void no_character_is_cut_at_a_buffers_edge(void **state)
{
    struct pair p = pair_on(own("unix:"));
    enum { N = 66000 };
    uint8_t *sent = malloc(N), *got = malloc(N);
    struct skt_room into = skt_room_of(got, N);
    struct skt_span piece;

    sent[0] = 'a'; /* from here on 3 bytes a character: no power of two ends between two of them */
    for (int i = 1; i + 3 <= N; i += 3)
        memcpy(sent + i, "\xe2\x82\xac", 3);
    sent[N - 2] = sent[N - 1] = 'z';
    for (int i = 0; i < N; i += N / 3)
        assert_int_equal(skt_send_all(p.client, skt_span_of(sent + i, N / 3), SOON), 0);
    assert_int_equal(skt_send_end(p.client, SOON), 0);
    while (skt_recv_text(p.server, &piece, SOON) > 0) {
        assert_true(skt_utf8_valid(piece));
        skt_put(&into, piece);
    }
    assert_int_equal(into.p - got, N);
    assert_memory_equal(sent, got, N);
    free(sent);
    free(got);
    pair_close(&p);
}

static void a_character_in_pieces_comes_when_it_is_whole(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span got;

    assert_int_equal(skt_send_all(p.client, text_of("n\xc3"), SOON), 0);
    assert_int_equal(skt_recv_text(p.server, &got, SOON), 1);
    assert_true(skt_span_is(got, "n"));
    assert_int_equal(skt_recv_text(p.server, &got, skt_in(50 * SKT_MS)), -ETIMEDOUT);
    assert_int_equal(skt_send_all(p.client, text_of("\xa9\xe2\x82"), SOON), 0);
    assert_int_equal(skt_recv_text(p.server, &got, SOON), 1);
    assert_true(skt_span_is(got, "\xc3\xa9"));
    assert_int_equal(skt_send_end(p.client, SOON), 0); /* what never becomes whole is not kept back for ever */
    assert_int_equal(skt_recv_text(p.server, &got, SOON), 1);
    assert_true(skt_span_is(got, "\xe2\x82"));
    assert_int_equal(skt_recv_text(p.server, &got, SOON), 0);
    pair_close(&p);
}

/* The other defect: a segment taken for a message. Lines are what was sent, however they travelled. */
static void lines_are_lines_however_they_travel(void **state)
{
    static const char text[] = "one\r\n\ntwo\xe2\x82\xac\nthr\ree\nno end";

    for (size_t cut = 1; cut <= sizeof text; cut += 4) {
        struct pair p = pair_on("0");

        for (size_t i = 0; i < sizeof text - 1; i += cut) {
            size_t n = sizeof text - 1 - i < cut ? sizeof text - 1 - i : cut;

            assert_int_equal(skt_send_all(p.client, skt_span_of(text + i, n), SOON), 0);
        }
        assert_int_equal(skt_send_end(p.client, SOON), 0);
        wants_line(p.server, "one");
        wants_line(p.server, "");
        wants_line(p.server, "two\xe2\x82\xac");
        wants_line(p.server, "thr\ree");
        wants_line(p.server, "no end");
        assert_int_equal(skt_recv_line(p.server, &(struct skt_span){ 0 }, SOON), 0);
        pair_close(&p);
    }
}

static void half_a_line_waits_for_its_rest(void **state)
{
    struct pair p = pair_on("0");
    struct skt_span line;

    assert_int_equal(skt_send_all(p.client, text_of("hal"), SOON), 0);
    assert_int_equal(skt_recv_line(p.server, &line, skt_in(50 * SKT_MS)), -ETIMEDOUT);
    assert_int_equal(skt_send_all(p.client, text_of("f\nnext"), SOON), 0);
    wants_line(p.server, "half");
    assert_int_equal(skt_recv(p.server, &line, SOON), 1); /* and the other calls find what lines have left */
    assert_true(skt_span_is(line, "next"));
    pair_close(&p);
}

static void a_line_may_be_as_long_as_its_limit_and_no_longer(void **state)
{
    static const char *const good[] = { "12345678\n", "12345678\r\n", "1234567\r\n" };
    struct skt_span line;

    for (int i = 0; i < 3; i++) {
        struct pair p = pair_on("0");

        assert_int_equal(skt_sock_set(p.server, SKT_SO_LINE_MAX, 8), 0);
        for (const char *c = good[i]; *c; c++) /* the limit does not depend on where the segments end */
            assert_int_equal(skt_send_all(p.client, skt_span_of(c, 1), SOON), 0);
        wants_line(p.server, i == 2 ? "1234567" : "12345678");
        assert_int_equal(skt_send_all(p.client, text_of("123456789"), SOON), 0);
        assert_int_equal(
            skt_recv_line(p.server, &line, skt_in(50 * SKT_MS)), -ETIMEDOUT); /* if a CR were next... no: */
        assert_int_equal(skt_send_all(p.client, text_of("0"), SOON), 0);
        assert_int_equal(skt_recv_line(p.server, &line, SOON), -EMSGSIZE);
        failed_at(skt_sock_err(p.server), SKT_AT_LIMIT, EMSGSIZE);
        pair_close(&p);
    }
}

static void a_line_too_long_is_refused_also_when_it_is_whole(void **state)
{
    static const char *const bad[] = { "123456789\n", "123456789\r\n" };

    for (int i = 0; i < 2; i++) {
        struct pair p = pair_on("0");

        assert_int_equal(skt_sock_set(p.server, SKT_SO_LINE_MAX, 8), 0);
        assert_int_equal(skt_send_all(p.client, text_of(bad[i]), SOON), 0);
        assert_int_equal(skt_recv_line(p.server, &(struct skt_span){ 0 }, SOON), -EMSGSIZE);
        pair_close(&p);
    }
}

static void the_longest_line_comes_whole(void **state)
{
    struct pair p = pair_on("0");
    struct bulk b = { .sock = p.client, .bytes = calloc(1, MIB) };
    struct skt_span line;
    pthread_t sender;

    memset(b.bytes, 'x', MIB);
    b.bytes[MIB - 1] = '\n';
    sender = in_thread(send_bulk, &b);
    assert_int_equal(skt_recv_line(p.server, &line, SOON), -EMSGSIZE);
    assert_int_equal(skt_sock_set(p.server, SKT_SO_LINE_MAX, MIB), 0); /* what came is still there */
    assert_int_equal(skt_recv_line(p.server, &line, SOON), 1);
    assert_int_equal(skt_len(line), MIB - 1);
    pthread_join(sender, NULL);
    free(b.bytes);
    pair_close(&p);
}

static void with_a_pause_text_without_an_end_is_a_line(void **state)
{
    struct skt_sock *listener = bound("0"), *client, *server;
    struct stopwatch w;
    struct skt_span line;

    assert_int_equal(skt_sock_set(listener, SKT_SO_PAUSE, 100 * SKT_MS), 0);
    client = dialled(skt_sock_local(listener));
    assert_int_equal(skt_accept(listener, SOON, &server), 0); /* which has it from the listener */
    assert_int_equal(skt_send_all(client, text_of("a\nhello \xc3"), SOON), 0);
    w = start_watch();
    wants_line(server, "a"); /* at once */
    took(w, 0);
    wants_line(server, "hello ");
    took(w, 100 * SKT_MS);
    assert_int_equal(skt_recv_line(server, &line, skt_in(250 * SKT_MS)), -ETIMEDOUT); /* half a character is no text */
    took(w, 350 * SKT_MS);
    assert_int_equal(skt_send_all(client, text_of("\xa9\n"), SOON), 0);
    wants_line(server, "\xc3\xa9");
    skt_sock_close(client);
    skt_sock_close(server);
    skt_sock_close(listener);
}

static void exact_is_exact(void **state)
{
    struct pair p = pair_on("0");
    uint8_t bytes[8];
    struct skt_room into = skt_room_of(bytes, 4);

    assert_int_equal(skt_send_all(p.client, text_of("line\nabcdefgh"), SOON), 0);
    wants_line(p.server, "line");
    assert_int_equal(skt_recv_exact(p.server, &into, SOON), 1);
    assert_memory_equal(bytes, "abcd", 4);
    assert_int_equal(skt_send_end(p.client, SOON), 0);
    into = skt_room_of(bytes, 8);
    assert_int_equal(skt_recv_exact(p.server, &into, SOON), -ENODATA);
    assert_int_equal(into.p - bytes, 4);
    assert_memory_equal(bytes, "efgh", 4);
    into = skt_room_of(bytes, 8);
    assert_int_equal(skt_recv_exact(p.server, &into, SOON), 0);
    pair_close(&p);
}

RUN(T(no_character_is_cut_at_a_buffers_edge), T(a_character_in_pieces_comes_when_it_is_whole),
    T(lines_are_lines_however_they_travel), T(half_a_line_waits_for_its_rest),
    T(a_line_may_be_as_long_as_its_limit_and_no_longer), T(the_longest_line_comes_whole),
    T(with_a_pause_text_without_an_end_is_a_line), T(exact_is_exact),
    T(a_line_too_long_is_refused_also_when_it_is_whole))
