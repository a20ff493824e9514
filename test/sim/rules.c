/* The rules of engine.h: the simulation ends a run that breaks one, and itself keeps those of a driver. */
#include "world.h"

#include "engines.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* An engine that does what a test says. */
struct script {
    void (*recv)(struct script *s, struct skt_in *in);
    bool (*send)(struct script *s, struct skt_out *out);
    skt_time wake;
    skt_link link, old; /* the one it opened, or that came in; one that is gone */
    struct skt_buf *buf;
    int step, got, full, room, eof, closed, why;
    uint64_t bytes, moved;
    bool opened;
};

static void script_recv(void *self, skt_time now, struct skt_in *in)
{
    struct script *s = self;

    if (in->kind == SKT_OPEN) {
        s->opened = true;
        s->link = in->link;
    }
    s->full += in->kind == SKT_FULL;
    s->room += in->kind == SKT_ROOM;
    s->eof += in->kind == SKT_EOF;
    if (in->kind == SKT_CLOSE) {
        s->closed++;
        s->why = in->why;
        s->old = in->link;
    }
    if (s->recv)
        s->recv(s, in);
    else
        in->data.p = in->data.end;
}

static bool script_send(void *self, skt_time now, struct skt_out *out)
{
    struct script *s = self;

    return s->send && s->send(s, out);
}

static skt_time script_wake(const void *self)
{
    const struct script *s = self;

    return s->wake ? s->wake : SKT_NEVER;
}

static struct skt_engine script_engine(struct script *s)
{
    static const struct skt_engine_ops ops = { script_recv, script_send, script_wake };

    return (struct skt_engine){ &ops, s };
}

static void open_there(struct script *s, struct skt_out *out)
{
    s->step++;
    s->link = out->link;
    out->kind = SKT_OPEN;
    skt_put_str(&out->data, "there:7");
}

/* ---- rules of engines: each of these breaks one ---- */

static bool never_false(struct script *s, struct skt_out *out)
{
    if (!s->step)
        open_there(s, out);
    else
        out->link = s->link;
    return s->step == 1 || s->opened;
}

static bool beyond_the_room(struct script *s, struct skt_out *out)
{
    out->data.p = out->data.end + 1;
    return true;
}

static bool unknown_link(struct script *s, struct skt_out *out)
{
    out->link = 77;
    return true;
}

static bool fresh_link(struct script *s, struct skt_out *out)
{
    skt_put_str(&out->data, "x");
    return true;
}

static bool other_open(struct script *s, struct skt_out *out)
{
    open_there(s, out);
    out->link++;
    return true;
}

static bool open_without_text(struct script *s, struct skt_out *out)
{
    out->kind = SKT_OPEN;
    return true;
}

/* Opens; then says what is in kinds, in order. */
static bool say(struct script *s, struct skt_out *out, const enum skt_kind *kinds, int n)
{
    if (!s->step) {
        open_there(s, out);
        return true;
    }
    if (!s->opened || s->step > n)
        return false;
    out->link = s->link;
    out->kind = kinds[s->step++ - 1];
    if (out->kind == SKT_DATA)
        skt_put_str(&out->data, "x");
    out->from = s->link;
    return true;
}
#define SAY(name, ...)                                                                                                 \
    static bool name(struct script *s, struct skt_out *out)                                                            \
    {                                                                                                                  \
        const enum skt_kind kinds[] = { __VA_ARGS__ };                                                                 \
        return say(s, out, kinds, (int)(sizeof kinds / sizeof *kinds));                                                \
    }
SAY(data_after_close, SKT_DATA, SKT_CLOSE, SKT_DATA)
SAY(two_closes, SKT_CLOSE, SKT_CLOSE)
SAY(data_after_eof, SKT_EOF, SKT_DATA)
SAY(two_eofs, SKT_EOF, SKT_EOF)
SAY(full, SKT_FULL)
SAY(move_to_itself, SKT_MOVE)
SAY(share_without_buf, SKT_SHARE)

static bool share_outside(struct script *s, struct skt_out *out)
{
    if (!s->step || !s->opened)
        return say(s, out, NULL, 0);
    s->buf = s->buf ? s->buf : skt_buf_new(10);
    out->link = s->link;
    out->kind = SKT_SHARE;
    out->buf = s->buf;
    out->share = skt_span_of(s->buf->data + 5, 6);
    return true;
}

static bool share_that_changes(struct script *s, struct skt_out *out)
{
    if (!s->step || !s->opened)
        return say(s, out, NULL, 0);
    if (s->step++ > 1) {
        s->buf->data[3] ^= 1;
        return false;
    }
    s->buf = skt_buf_new(10);
    memset(s->buf->data, 0, 10);
    out->link = s->link;
    out->kind = SKT_SHARE;
    out->buf = s->buf;
    out->share = skt_span_of(s->buf->data, 10);
    return true;
}

static bool say_something(struct script *s, struct skt_out *out)
{
    static const enum skt_kind data = SKT_DATA;

    return say(s, out, &data, 1);
}

static void take_too_much(struct script *s, struct skt_in *in)
{
    if (in->kind == SKT_DATA)
        in->data.p = in->data.end + 1;
}

static void move_the_end(struct script *s, struct skt_in *in)
{
    if (in->kind == SKT_DATA)
        in->data.end = in->data.p;
}

static void past_wake(struct script *s, struct skt_in *in) { s->wake = 5; }

static bool datagram_to_nowhere(struct script *s, struct skt_out *out)
{
    out->link = s->link;
    return true;
}

/* Runs it in a child; true: it was ended with these words on stderr, and the seed. */
static bool is_refused(struct script script, const char *words)
{
    char text[4096];
    int fds[2], status;
    ssize_t n, all = 0;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    child = fork();
    if (!child) {
        struct rlimit none = { 0 };
        struct sim *sim = sim_new(42);
        struct echo *echo = echo_new();
        int there, here = sim_host(sim, script_engine(&script), "bad");
        setrlimit(RLIMIT_CORE, &none);
        signal(SIGABRT, SIG_DFL);
        dup2(fds[1], 2);
        if (strstr(words, "needs a peer"))
            script.link = sim_listen(sim, here, "udp:5");
        there = sim_host(sim, echo_engine(echo), "there");
        sim_listen(sim, there, "tcp:7");
        while (sim_step(sim)) {
        }
        _exit(0);
    }
    close(fds[1]);
    while ((n = read(fds[0], text + all, sizeof text - 1 - (size_t)all)) > 0)
        all += n;
    text[all] = 0;
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, words) ||
        !strstr(text, "seed 42, host bad"))
        print_error("wanted: %s; status %x: %s\n", words, (unsigned)status, text);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT && strstr(text, words) &&
           strstr(text, "seed 42, host bad");
}

static void each_broken_rule_ends_the_run(void **state)
{
    assert_true(is_refused((struct script){ .send = never_false }, "send says false in the end"));
    assert_true(is_refused((struct script){ .recv = past_wake, .send = say_something }, "wake lies ahead"));
    assert_true(is_refused((struct script){ .send = beyond_the_room }, "send writes into its room"));
    assert_true(is_refused((struct script){ .send = unknown_link }, "links are given out by the driver"));
    assert_true(is_refused((struct script){ .send = fresh_link }, "a fresh link is for OPEN"));
    assert_true(is_refused((struct script){ .send = other_open }, "OPEN takes the fresh link"));
    assert_true(is_refused((struct script){ .send = open_without_text }, "OPEN puts a text"));
    assert_true(is_refused((struct script){ .send = data_after_close }, "nothing after CLOSE"));
    assert_true(is_refused((struct script){ .send = two_closes }, "nothing after CLOSE"));
    assert_true(is_refused((struct script){ .send = data_after_eof }, "after EOF nothing"));
    assert_true(is_refused((struct script){ .send = two_eofs }, "a stream has one EOF"));
    assert_true(is_refused((struct script){ .send = full }, "an engine does not say"));
    assert_true(is_refused((struct script){ .send = move_to_itself }, "MOVE joins two streams"));
    assert_true(is_refused((struct script){ .send = share_without_buf }, "share lies in its buf"));
    assert_true(is_refused((struct script){ .send = share_outside }, "share lies in its buf"));
    assert_true(is_refused((struct script){ .send = share_that_changes }, "shared bytes are frozen"));
    assert_true(is_refused((struct script){ .recv = take_too_much, .send = say_something }, "recv changes nothing"));
    assert_true(is_refused((struct script){ .recv = move_the_end, .send = say_something }, "recv changes nothing"));
    assert_true(is_refused((struct script){ .send = datagram_to_nowhere }, "a datagram needs a peer"));
}

/* ---- rules of the driver ---- */

/* The script is a server, a talker its client. */
static void run_server(struct script *s, struct talker *t, struct talker_conf conf, struct sim_conf sc)
{
    struct sim *sim = world_begin(&sc);
    int there;

    conf.to = "there:7";
    talker_init(t, &conf);
    sim_host(sim, talker_engine(t), NULL);
    there = sim_host(sim, script_engine(s), "there");
    sim_listen(sim, there, "tcp:7");
    sim_run_until(sim, sim_now(sim) + 100 * SKT_SEC);
}

static bool late_words(struct script *s, struct skt_out *out)
{
    if (s->got < s->eof) {
        s->got++;
        out->link = s->link;
        out->kind = SKT_CLOSE;
        return true;
    }
    if (!s->old || s->step++)
        return false;
    out->link = s->old;
    skt_put_str(&out->data, "late");
    return true;
}

static void stale_outputs_are_refused_and_counted(void **state)
{
    struct script s = { .send = late_words };
    struct sim_stats stats;
    struct talker t;

    run_server(&s, &t, (struct talker_conf){ .bytes = 10, .again = 2 }, (struct sim_conf){ .seed = 1 });
    sim_stats(world.sim, &stats);
    assert_int_equal(s.closed, 3);
    assert_int_equal(stats.stale, 1);
    world_end();
}

/* Takes one byte at a time, and holds the rest until it has said something, which it does at most every second. */
static void hold_all(struct script *s, struct skt_in *in)
{
    if (in->kind != SKT_DATA)
        return;
    s->got++;
    s->bytes = skt_len(in->data);
    in->hold = true;
}

static void held_input_is_offered_after_a_turn_and_not_more_is_read(void **state)
{
    struct script s = { .recv = hold_all };
    struct talker t;

    run_server(&s, &t, (struct talker_conf){ .bytes = 2000000 }, (struct sim_conf){ .seed = 3, .whole = true });
    /* Once when it came; what the talker sent after that stays in the sockets, and in the talker's queue. */
    assert_in_range(s.got, 1, 3);
    assert_in_range(s.bytes, 1, 65536);
    assert_true(t.full);
    for (int i = 0; i < 5; i++) {
        int before = s.got;
        sim_kick(world.sim, 1);
        assert_int_equal(s.got, before + 1);
    }
    world_end();
}

static void leave_all(struct script *s, struct skt_in *in)
{
    if (in->kind == SKT_DATA)
        s->bytes = skt_len(in->data);
}

static void what_is_left_comes_again_until_it_is_too_much(void **state)
{
    struct script s = { .recv = leave_all };
    struct talker t;

    run_server(&s, &t, (struct talker_conf){ .bytes = 60000 }, (struct sim_conf){ .seed = 3 });
    assert_true(s.bytes == 60000 && s.closed == 0);
    world_end();
    s = (struct script){ .recv = leave_all };
    run_server(&s, &t, (struct talker_conf){ .bytes = 100000 }, (struct sim_conf){ .seed = 3 });
    assert_true(s.closed == 1 && s.why == -EMSGSIZE);
    world_end();
}

static void count_rest(struct script *s, struct skt_in *in)
{
    if (in->kind == SKT_EOF)
        s->bytes = skt_len(in->data);
}

static void the_last_bytes_come_with_eof(void **state)
{
    struct script s = { .recv = count_rest };
    struct talker t;

    run_server(&s, &t, (struct talker_conf){ .bytes = 1000 }, (struct sim_conf){ .seed = 5 });
    assert_true(s.eof == 1 && s.bytes == 1000);
    world_end();
}

static bool flood(struct script *s, struct skt_out *out)
{
    if (!s->opened || s->closed || s->step == 200)
        return false;
    s->step++;
    out->link = s->link;
    memset(out->data.p, 'x', SKT_ROOM_MIN);
    out->data.p = out->data.end;
    return true;
}

static void who_ignores_full_loses_the_link(void **state)
{
    struct script s = { .send = flood }, reader = { .recv = hold_all, .send = say_something };
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = 1, .queue_bytes = 300000 });
    struct sim_stats stats;
    int there = sim_host(sim, script_engine(&s), "there");

    sim_listen(sim, there, "tcp:7");
    sim_host(sim, script_engine(&reader), NULL);
    while (sim_step(sim)) {
    }
    sim_stats(sim, &stats);
    assert_true(s.full == 1 && s.room == 0 && s.closed == 1 && s.why == -ENOBUFS && stats.no_buffer == 1);
    assert_true(reader.closed == 1 && reader.why == -ECONNRESET);
    world_end();
}

static bool greedy(struct script *s, struct skt_out *out)
{
    if (s->got == 20)
        return false;
    s->got++;
    if (!out->link) {
        s->full++;
        return false;
    }
    open_there(s, out);
    return true;
}

static void out_has_no_link_when_there_is_none(void **state)
{
    struct script s = { .send = greedy };
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = 1, .max_links = 5 });
    struct sim_stats stats;
    int here = sim_host(sim, script_engine(&s), NULL);

    sim_host(sim, script_engine(&(struct script){ 0 }), "there");
    sim_step(sim);
    sim_stats(sim, &stats);
    assert_int_equal(s.step, 5);
    assert_true(s.full == 1 && stats.no_link == 1 && sim_links(sim, here) == 5);
    while (sim_step(sim)) {
    }
    assert_int_equal(s.closed, s.step); /* nobody listens there */
    assert_int_equal(sim_links(sim, here), 0);
    world_end();
}

static void an_engine_may_open_from_outside_and_be_broken_from_outside(void **state)
{
    struct script s = { 0 }, server = { 0 };
    struct sim *sim = world_begin(&(struct sim_conf){ .seed = 1 });
    int here = sim_host(sim, script_engine(&s), NULL), there = sim_host(sim, script_engine(&server), "there");
    skt_link link;

    sim_listen(sim, there, "tcp:7");
    link = sim_open(sim, here, "there:7");
    assert_true(link && !s.opened);
    sim_run_until(sim, sim_now(sim) + SKT_SEC);
    assert_true(s.opened && s.link == link && server.opened);
    sim_break(sim, here, link, -EPIPE);
    assert_true(s.closed == 1 && s.why == -EPIPE && !server.closed);
    while (sim_step(sim)) {
    }
    assert_true(server.closed == 1 && server.why == -ECONNRESET);
    world_end();
}

WORLD(W(each_broken_rule_ends_the_run), W(stale_outputs_are_refused_and_counted),
    W(held_input_is_offered_after_a_turn_and_not_more_is_read), W(what_is_left_comes_again_until_it_is_too_much),
    W(the_last_bytes_come_with_eof), W(who_ignores_full_loses_the_link), W(out_has_no_link_when_there_is_none),
    W(an_engine_may_open_from_outside_and_be_broken_from_outside))
