/* drive/rt/rt.c, link.c: turns, stops, stale links, caps. */
#include "rtworld.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

static int refuse_epoll; /* of that descriptor, or of every one but none yet: -1; 0: none */

int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev);

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *ev)
{
    if (op != EPOLL_CTL_DEL && refuse_epoll && (refuse_epoll == fd || refuse_epoll == -1)) {
        errno = ENOSPC; /* fs.epoll.max_user_watches */
        return -1;
    }
    return __real_epoll_ctl(epoll, op, fd, ev);
}

static void without_links_and_wishes_there_is_no_turn(void **state)
{
    begin(NULL);
    assert_int_equal(skt_rt_step(rt), 0);
    assert_int_equal(skt_rt_step(rt), 0);
    end();
}

static void an_engine_wakes_at_its_time_and_not_before(void **state)
{
    skt_time at;

    begin(NULL);
    turn(); /* each is asked once at the start */
    at = real_now() + 50 * SKT_MS;
    h->wake = at;
    assert_int_equal(skt_rt_step(rt), 1); /* slept */
    assert_true(skt_rt_now(rt) >= at);
    assert_int_equal(skt_rt_step(rt), 0); /* woke: it wants no more */
    assert_int_equal(h->wake, SKT_NEVER);
    end();
}

static void a_stop_ends_the_next_step_once(void **state)
{
    begin(NULL);
    (void)listen_at("0", NULL);
    skt_rt_stop(rt);
    skt_rt_stop(rt);
    assert_int_equal(skt_rt_step(rt), -EINTR);
    ticking = true; /* the counter that wakes is still readable: a turn without news */
    assert_int_equal(skt_rt_step(rt), 1);
    assert_int_equal(skt_rt_step(rt), 1);
    ticking = false;
    end();
}

static void *stop_soon(void *arg)
{
    nanosleep(&(struct timespec){ .tv_nsec = 30 * 1000 * 1000 }, NULL);
    skt_rt_stop(arg);
    return NULL;
}

static void a_stop_from_another_thread_wakes_a_sleeper(void **state)
{
    pthread_t thread;

    begin(NULL);
    (void)listen_at("0", NULL);
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, rt), 0);
    assert_int_equal(skt_rt_step(rt), -EINTR); /* would sleep for ever */
    pthread_join(thread, NULL);
    end();
}

static void on_alarm(int sig) { skt_rt_stop(rt); }

static void a_stop_from_a_signal_handler_wakes_a_sleeper(void **state)
{
    begin(NULL);
    (void)listen_at("0", NULL);
    signal(SIGALRM, on_alarm);
    ualarm(30000, 0);
    assert_int_equal(skt_rt_step(rt), -EINTR);
    end();
}

static void spinning_ends_in_time_too(void **state)
{
    skt_time before;

    begin(&(struct skt_rt_conf){ .busy_poll = 5 * SKT_MS });
    (void)listen_at("0", NULL);
    turn();
    before = real_now();
    h->wake = before + 20 * SKT_MS;
    assert_int_equal(skt_rt_step(rt), 1);
    assert_true(real_now() - before >= 20 * SKT_MS);
    end();
}

static void sixteen_engines_are_all(void **state)
{
    begin(NULL);
    for (int i = 3; i < 16; i++)
        assert_int_equal(skt_rt_add(rt, (struct skt_engine){ &tick_ops, NULL }), i);
    assert_int_equal(skt_rt_add(rt, (struct skt_engine){ &tick_ops, NULL }), -ENOSPC);
    end();
}

static void an_engine_can_be_exchanged_before_the_first_step(void **state)
{
    skt_link link;

    begin(NULL);
    skt_rt_set(rt, 0, hand_engine(&hands[1]));
    link = listen_at("0", NULL);
    ask(&hands[1], (struct skt_out){ .link = link, .kind = SKT_CLOSE });
    turns(1);
    assert_int_equal(told(&hands[1], link, SKT_CLOSE), 1);
    end();
}

static void what_is_said_to_a_stale_link_is_counted_and_harms_nobody(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say_close(h, link, -ECONNRESET);
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ECONNRESET);
    say(h, link, "late");
    say_close(h, link, 0);
    say_move(h, link, link, 1);
    say(h, 0, "nobody");
    say(h, 0xfffff, "no such slot");
    turns(2);
    assert_int_equal(stats().stale, 5);
    assert_int_equal(skt_rt_close(rt, link), -ESTALE);
    assert_int_equal(skt_rt_local(rt, link, &(struct skt_addr){ 0 }), -ESTALE);
    assert_int_equal(skt_rt_peer(rt, link, &(struct skt_addr){ 0 }), -ESTALE);
    close(fd);
    end();
}

static void a_slot_that_is_used_again_has_another_name(void **state)
{
    skt_link ls, one, two;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    one = came(ls, &fd);
    close(fd);
    UNTIL(told(h, one, SKT_EOF));
    say_close(h, one, 0);
    UNTIL(told(h, one, SKT_CLOSE));
    turns(2);
    two = came(ls, &fd);
    assert_int_equal(skt_slot(one), skt_slot(two));
    assert_int_not_equal(one, two);
    say(h, one, "not for the new one");
    say(h, two, "x");
    struct tape t = { 0 };
    UNTIL(pulled(fd, &t, 1));
    turns(2);
    (void)pull(fd, &t);
    tape_is(&t, "x", 1);
    tape_free(&t);
    close(fd);
    end();
}

/* 4096 generations: after them the first comes again, but never the name 0. */
static void generations_wrap_around_and_leave_out_zero(void **state)
{
    skt_link link = 0, first = 0;

    begin(NULL);
    for (int i = 0; i < 5000; i++) {
        assert_int_equal(skt_rt_adopt(rt, 0, -1, -1, &link), 0);
        assert_int_not_equal(link >> SKT_LINK_BITS, 0);
        first = first ? first : link;
        assert_true(i == 0 || i >= 4094 || link != first);
        assert_int_equal(skt_rt_close(rt, link), 0);
        turn();
    }
    end();
}

static void an_engine_cannot_touch_the_links_of_another(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", NULL);
    link = came(ls, &fd);
    say(&hands[1], link, "not mine");
    say_close(&hands[1], link, -1);
    turns(2);
    assert_int_equal(stats().stale, 2);
    assert_int_equal(told(h, link, SKT_CLOSE), 0);
    close(fd);
    end();
}

static void max_links_counts_listeners_and_those_that_came(void **state)
{
    skt_link ls, one;
    int fd[3];
    struct tape t = { 0 };

    begin(&(struct skt_rt_conf){ .max_links = 3 });
    ls = listen_at("0", NULL);
    one = came(ls, &fd[0]);
    (void)came(ls, &fd[1]);
    assert_int_equal(stats().links, 3);
    fd[2] = peer_to(port_of(ls));
    UNTIL(pull(fd[2], &t)); /* told at once by a close */
    assert_int_equal(stats().refused, 1);
    assert_true(h->no_fresh);
    skt_link link = 0;
    assert_int_equal(skt_rt_open(rt, 0, "127.0.0.1:9", NULL, &link), -ENOSPC);
    assert_int_equal(skt_rt_listen(rt, 0, "0", NULL, &link), -ENOSPC);
    assert_non_null(strstr(skt_rt_why(rt, 0), "listen 0: "));
    say_close(h, one, -1);
    UNTIL(told(h, one, SKT_CLOSE));
    (void)came(ls, &fd[0]); /* room again */
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    tape_free(&t);
    end();
}

static void close_from_outside_is_told_to_the_engine(void **state)
{
    skt_link ls;

    begin(NULL);
    ls = listen_at("0", NULL);
    assert_int_equal(skt_rt_close(rt, ls), 0);
    turn();
    assert_int_equal(told(h, ls, SKT_CLOSE), 1);
    assert_int_equal(skt_rt_step(rt), 0);
    end();
}

static void without_descriptors_there_is_no_runtime(void **state)
{
    struct rlimit old, none;
    struct skt_rt *made = NULL;

    getrlimit(RLIMIT_NOFILE, &old);
    for (rlim_t n = 3; n < 7; n++) {
        int r;
        none = (struct rlimit){ n, old.rlim_max };
        setrlimit(RLIMIT_NOFILE, &none);
        r = skt_rt_new(NULL, &made);
        setrlimit(RLIMIT_NOFILE, &old);
        if (!r)
            break;
        assert_int_equal(r, -EMFILE);
        assert_null(made);
        assert_true(n < 6);
    }
    skt_rt_free(made);
    skt_rt_free(NULL);
}

static void a_runtime_that_cannot_be_stopped_is_not_made(void **state)
{
    struct skt_rt *made = NULL;

    refuse_epoll = -1;
    assert_int_equal(skt_rt_new(NULL, &made), -ENOSPC);
    refuse_epoll = 0;
    assert_null(made);
}

/* The engine, told that the kernel does not watch a link, talks to others and resets them in the same breath. */
static void a_link_that_the_kernel_does_not_watch_is_closed_with_the_reason(void **state)
{
    skt_link ls, one, two;
    int fd[2];

    begin(NULL);
    ls = listen_at("0", NULL);
    one = came(ls, &fd[0]);
    fd[1] = peer_to(port_of(ls));
    refuse_epoll = -1;
    UNTIL(told(h, 0, SKT_OPEN) == 2);
    two = last(h, 0, SKT_OPEN)->link;
    UNTIL(told(h, two, SKT_CLOSE));
    assert_int_equal(last(h, two, SKT_CLOSE)->why, -ENOSPC);
    refuse_epoll = 0;
    assert_int_equal(told(h, one, SKT_CLOSE), 0);
    say(h, one, "x");
    struct tape t = { 0 };
    UNTIL(pulled(fd[0], &t, 1));
    tape_free(&t);
    close(fd[0]);
    close(fd[1]);
    end();
}

/* Says something to `victim` and resets it when any link is closed. */
static struct {
    skt_link victim;
    int left;
} spiteful;

static void spite_recv(void *self, skt_time now, struct skt_in *in)
{
    hand_recv(h, now, in);
    if (in->kind == SKT_CLOSE && in->link != spiteful.victim)
        spiteful.left = 2;
}

static bool spite_send(void *self, skt_time now, struct skt_out *out)
{
    if (!spiteful.left)
        return hand_send(h, now, out);
    out->link = spiteful.victim;
    if (spiteful.left-- == 2) {
        skt_put_str(&out->data, "dirty");
    } else {
        out->kind = SKT_CLOSE;
        out->why = -1;
    }
    return true;
}

static skt_time spite_wake(const void *self) { return h->wake; }

static void an_engine_may_reset_another_link_because_one_could_not_be_watched(void **state)
{
    static const struct skt_engine_ops ops = { spite_recv, spite_send, spite_wake };
    skt_link ls;
    int fd[2];

    begin(NULL);
    skt_rt_set(rt, 0, (struct skt_engine){ &ops, NULL });
    ls = listen_at("0", NULL);
    spiteful.victim = came(ls, &fd[0]);
    fd[1] = peer_to(port_of(ls));
    refuse_epoll = -1;
    UNTIL(told(h, spiteful.victim, SKT_CLOSE));
    refuse_epoll = 0;
    turns(2);
    assert_int_equal(stats().links, 1);
    close(fd[0]);
    close(fd[1]);
    end();
}

/* Each leaves an entry that is due in an hour: who comes and goes must not fill the heap with them. */
static void short_links_leave_few_timers_behind(void **state)
{
    begin(NULL);
    for (int i = 0; i < 20000; i++) {
        skt_link link = open_to("127.0.0.1:9", &(struct skt_open_conf){ .timeout = 3600 * SKT_SEC });
        assert_int_equal(skt_rt_close(rt, link), 0);
        (void)skt_rt_step(rt);
        h->n = 0;
    }
    assert_true(rt->timers.n <= 8192);
    end();
}

RUN(T(without_links_and_wishes_there_is_no_turn), T(an_engine_wakes_at_its_time_and_not_before),
    T(a_stop_ends_the_next_step_once), T(a_stop_from_another_thread_wakes_a_sleeper),
    T(a_stop_from_a_signal_handler_wakes_a_sleeper), T(spinning_ends_in_time_too), T(sixteen_engines_are_all),
    T(an_engine_can_be_exchanged_before_the_first_step), T(what_is_said_to_a_stale_link_is_counted_and_harms_nobody),
    T(a_slot_that_is_used_again_has_another_name), T(generations_wrap_around_and_leave_out_zero),
    T(an_engine_cannot_touch_the_links_of_another), T(max_links_counts_listeners_and_those_that_came),
    T(close_from_outside_is_told_to_the_engine), T(without_descriptors_there_is_no_runtime),
    T(a_runtime_that_cannot_be_stopped_is_not_made), T(a_link_that_the_kernel_does_not_watch_is_closed_with_the_reason),
    T(an_engine_may_reset_another_link_because_one_could_not_be_watched), T(short_links_leave_few_timers_behind))
