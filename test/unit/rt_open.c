/* drive/rt/open.c: from a text to a connection, or to a sentence that says why not. */
#include "rtworld.h"

#include <sys/wait.h>

static int failed_with(skt_link link, const char *words)
{
    UNTIL(told(h, link, SKT_CLOSE));
    if (!strstr(skt_rt_why(rt, link), words))
        fail_msg("'%s' without '%s'", skt_rt_why(rt, link), words);
    assert_int_equal(told(h, link, SKT_OPEN), 0);
    return last(h, link, SKT_CLOSE)->why;
}

static uint16_t closed_port(void)
{
    int fd = socket_on(SOCK_STREAM, 0);
    uint16_t port = port_of_fd(fd);

    close(fd);
    return port;
}

static void a_connection_is_told_with_its_peer(void **state)
{
    int ls = listening_fd(8), fd;
    struct skt_addr peer;
    skt_link link;

    begin(NULL);
    link = open_to(local_text("", port_of_fd(ls)), NULL);
    assert_int_equal(h->n, 0); /* not before it returned */
    UNTIL(told(h, link, SKT_OPEN));
    assert_int_equal(last(h, link, SKT_OPEN)->peer.port, port_of_fd(ls));
    assert_int_equal(last(h, link, SKT_OPEN)->via, 0);
    assert_int_equal(skt_rt_peer(rt, link, &peer), 0);
    assert_int_equal(peer.port, port_of_fd(ls));
    fd = accept(ls, NULL, NULL);
    put(fd, "hello");
    UNTIL(!strcmp(heard(h, link), "hello"));
    close(fd);
    close(ls);
    end();
}

static void an_engine_opens_too(void **state)
{
    int ls = listening_fd(8);

    begin(NULL);
    ask(h, (struct skt_out){ .kind = SKT_OPEN, .share = skt_span_str(local_text("", port_of_fd(ls))) });
    UNTIL(told(h, 0, SKT_OPEN));
    assert_int_equal(last(h, 0, SKT_OPEN)->link, h->opened);
    ask(h, (struct skt_out){ .kind = SKT_OPEN, .share = skt_span_str("no port here") });
    UNTIL(told(h, h->opened, SKT_CLOSE));
    assert_int_equal(last(h, h->opened, SKT_CLOSE)->why, -EINVAL);
    close(ls);
    end();
}

static void a_refusal_names_stage_and_peer(void **state)
{
    skt_link link;
    uint16_t port = closed_port();

    begin(NULL);
    link = open_to(local_text("", port), NULL);
    assert_int_equal(failed_with(link, "connect 127.0.0.1:"), -ECONNREFUSED);
    end();
}

static void a_name_is_resolved_and_one_that_is_not_is_told(void **state)
{
    int ls = listening_fd(8);
    char where[64];

    snprintf(where, sizeof where, "localhost:%u", port_of_fd(ls)); /* ::1 may come first, and be refused */
    begin(NULL);
    UNTIL(told(h, open_to(where, NULL), SKT_OPEN) || told(h, 0, SKT_OPEN));
    assert_true(failed_with(open_to("not..a..name:1", NULL), "resolve ") < 0);
    close(ls);
    end();
}

static void one_family_alone_is_tried(void **state)
{
    const struct skt_open_conf ip4 = { .family = SKT_IP4 }, ip6 = { .family = SKT_IP6 };
    int ls = listening_fd(8);
    struct skt_addr peer;
    char where[64];
    skt_link link;

    snprintf(where, sizeof where, "localhost:%u", port_of_fd(ls));
    begin(NULL);
    link = open_to(where, &ip4);
    UNTIL(told(h, link, SKT_OPEN));
    assert_int_equal(skt_rt_peer(rt, link, &peer), 0);
    assert_int_equal(peer.family, SKT_IP4);
    assert_true(failed_with(open_to(where, &ip6), "connect ") < 0); /* nobody listens on ::1, or there is no IPv6 */
    assert_int_equal(
        failed_with(open_to(local_text("", port_of_fd(ls)), &ip6), "but IPv6 is asked for"), -EAFNOSUPPORT);
    close(ls);
    end();
}

static void who_does_not_answer_is_given_up_in_time(void **state)
{
    int ls = listening_fd(0), crowd[12];
    struct sockaddr_in at = in4(port_of_fd(ls));
    skt_link link;

    for (int i = 0; i < 12; i++) { /* its backlog is full: no answer */
        crowd[i] = socket_on(SOCK_STREAM, 0);
        (void)connect(crowd[i], (struct sockaddr *)&at, sizeof at);
    }
    begin(NULL);
    link = open_to(local_text("", port_of_fd(ls)), &(struct skt_open_conf){ .timeout = 3 * SKT_SEC });
    turns(5);
    assert_int_equal(h->n, 0);
    shift += 4 * SKT_SEC;
    assert_int_equal(failed_with(link, "no answer in time"), -ETIMEDOUT);
    for (int i = 0; i < 12; i++)
        close(crowd[i]);
    close(ls);
    end();
}

/* Connecting to a port of our own range where nobody listens may meet itself: Linux calls that connected. */
static void a_connection_to_itself_is_a_refusal(void **state)
{
    uint16_t port = closed_port();
    char source[32];
    skt_link link;

    snprintf(source, sizeof source, "127.0.0.1:%u", port);
    begin(NULL);
    link = open_to(local_text("", port), &(struct skt_open_conf){ .source = source });
    assert_int_equal(failed_with(link, "connect "), -ECONNREFUSED);
    end();
}

static void a_source_is_kept(void **state)
{
    int ls = listening_fd(8);
    uint16_t port = closed_port();
    struct skt_addr local;
    char source[32];
    skt_link link;

    snprintf(source, sizeof source, "127.0.0.2:%u", port);
    begin(NULL);
    link = open_to(local_text("", port_of_fd(ls)), &(struct skt_open_conf){ .source = source });
    UNTIL(told(h, link, SKT_OPEN));
    assert_int_equal(skt_rt_local(rt, link, &local), 0);
    assert_int_equal(local.port, port);
    assert_int_equal(local.ip[3], 2);
    link = open_to(local_text("", port_of_fd(ls)), &(struct skt_open_conf){ .source = "198.51.100.1" });
    assert_int_equal(failed_with(link, "connect "), -EADDRNOTAVAIL);
    close(ls);
    end();
}

static void a_link_may_be_closed_while_it_opens(void **state)
{
    int ls = listening_fd(8);
    skt_link link;

    begin(NULL);
    link = open_to(local_text("", port_of_fd(ls)), NULL);
    assert_int_equal(skt_rt_close(rt, link), 0);
    turns(3);
    assert_int_equal(told(h, link, SKT_CLOSE), 1);
    assert_int_equal(told(h, link, SKT_OPEN), 0);
    assert_int_equal(stats().links, 0);
    close(ls);
    end();
}

static void unix_sockets_are_opened_by_path_and_by_name(void **state)
{
    char where[64];
    skt_link ls, link;

    snprintf(where, sizeof where, "unix:@sockit-open-%d", getpid());
    begin(NULL);
    link = open_to(where, NULL);
    assert_int_equal(failed_with(link, "connect @sockit"), -ECONNREFUSED);
    ls = listen_at(where, NULL);
    link = open_to(where, NULL);
    UNTIL(told(h, 0, SKT_OPEN) == 2); /* both ends are ours */
    say(h, link, "hello");
    UNTIL(h->got_n == 5);
    assert_int_equal(failed_with(open_to("unix:/nowhere/at/all", NULL), "No such file"), -ENOENT);
    (void)ls;
    end();
}

static void a_command_is_a_peer_and_ends_as_one(void **state)
{
    skt_link link;

    begin(NULL);
    link = open_to("exec:echo started; cat", NULL);
    UNTIL(told(h, link, SKT_OPEN));
    say(h, link, "and spoken to\n");
    say_end(h, link);
    UNTIL(told(h, link, SKT_EOF));
    assert_string_equal(heard(h, link), "started\nand spoken to\n");
    say_close(h, link, 0);
    UNTIL(told(h, link, SKT_CLOSE));
    end();
}

static void a_command_whose_link_is_closed_ends(void **state)
{
    skt_link link;
    pid_t pid;

    begin(NULL);
    link = open_to("exec:echo $$; exec sleep 100", NULL);
    UNTIL(told(h, link, SKT_DATA));
    pid = atoi(heard(h, link));
    assert_true(pid > 1 && !kill(pid, 0));
    say_close(h, link, -1);
    for (int i = 0; i < 300 && !kill(pid, 0); i++) {
        shift += SKT_SEC;
        turn();
    }
    assert_int_equal(kill(pid, 0), -1); /* ended, and no zombie is left */
    end();
}

/* How it ended is told whether it ended by itself or by us, and although nothing else happens meanwhile. */
static void how_a_command_ended_is_told(void **state)
{
    skt_link link[2], which;
    int status, seen = 0;

    begin(NULL);
    link[0] = open_to("exec:exit 3", NULL);
    link[1] = open_to("exec:exec sleep 100", NULL);
    assert_false(skt_rt_exited(rt, &which, &status));
    UNTIL(told(h, link[0], SKT_EOF) && told(h, link[1], SKT_OPEN));
    say_close(h, link[0], 0);
    say_close(h, link[1], -1);
    while (seen < 2) {
        while (skt_rt_exited(rt, &which, &status)) {
            seen++;
            assert_true(which == link[0] || which == link[1]);
            if (which == link[0])
                assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
            else
                assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
        }
        turn();
    }
    end();
}

RUN(T(a_connection_is_told_with_its_peer), T(an_engine_opens_too), T(a_refusal_names_stage_and_peer),
    T(a_name_is_resolved_and_one_that_is_not_is_told), T(one_family_alone_is_tried),
    T(who_does_not_answer_is_given_up_in_time), T(a_connection_to_itself_is_a_refusal), T(a_source_is_kept),
    T(a_link_may_be_closed_while_it_opens), T(unix_sockets_are_opened_by_path_and_by_name),
    T(a_command_is_a_peer_and_ends_as_one), T(a_command_whose_link_is_closed_ends), T(how_a_command_ended_is_told))
