/* drive/rt/listen.c: who may come, how many, and what is said when it cannot be. */
#include "rtworld.h"

#include "base/acl.h"

#include <sys/resource.h>
#include <sys/stat.h>

static int refused(const char *where)
{
    skt_link link = 0;

    return skt_rt_listen(rt, 0, where, NULL, &link);
}

static void over_its_cap_a_listener_refuses_or_lets_wait(void **state)
{
    for (int wait = 0; wait < 2; wait++) {
        struct tape t = { 0 };
        skt_link ls, one;
        int fd[2];

        begin(NULL);
        ls = listen_at("0", &(struct skt_listen_conf){ .max_conns = 1, .wait = wait });
        one = came(ls, &fd[0]);
        fd[1] = peer_to(port_of(ls));
        if (wait) {
            turns(5);
            assert_false(pull(fd[1], &t));
            assert_int_equal(told(h, 0, SKT_OPEN), 1);
            say_close(h, one, -1);
            UNTIL(told(h, 0, SKT_OPEN) == 2); /* now it is its turn */
        } else {
            UNTIL(pull(fd[1], &t));
            assert_int_equal(stats().refused, 1);
        }
        tape_free(&t);
        close(fd[0]);
        close(fd[1]);
        end();
    }
}

static void who_is_denied_hears_nothing_but_the_end(void **state)
{
    struct skt_acl acl;
    struct tape t = { 0 };
    int fd;

    assert_int_equal(skt_acl_init(&acl, 16), 0);
    assert_int_equal(skt_acl_add(&acl, false, "127.0.0.0/8", NULL), 0);
    begin(NULL);
    fd = peer_to(port_of(listen_at("0", &(struct skt_listen_conf){ .acl = &acl })));
    UNTIL(pull(fd, &t));
    assert_int_equal(stats().denied, 1);
    assert_int_equal(told(h, 0, SKT_OPEN), 0);
    tape_free(&t);
    close(fd);
    end();
    skt_acl_done(&acl);
}

static void without_descriptors_a_peer_is_told_at_once(void **state)
{
    struct rlimit old;
    struct tape t = { 0 };
    skt_link ls;
    int fd, more;

    begin(NULL);
    ls = listen_at("0", NULL);
    fd = peer_to(port_of(ls));
    getrlimit(RLIMIT_NOFILE, &old);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){ (rlim_t)fd + 1, old.rlim_max });
    UNTIL(pull(fd, &t));
    setrlimit(RLIMIT_NOFILE, &old);
    assert_int_equal(stats().accept_errors, 1);
    assert_int_equal(stats().refused, 1);
    (void)came(ls, &more); /* and then the service is back */
    tape_free(&t);
    close(fd);
    close(more);
    end();
}

static void a_proxy_header_may_come_byte_by_byte(void **state)
{
    static const char head[] = "PROXY TCP4 192.0.2.7 198.51.100.1 1234 80\r\nhello";
    skt_link ls, link;
    uint64_t before;
    int fd;

    begin(NULL);
    ls = listen_at("0", &(struct skt_listen_conf){ .proxy = true });
    fd = peer_to(port_of(ls));
    for (size_t i = 0; i < sizeof head - 1; i++) {
        assert_int_equal(write(fd, head + i, 1), 1);
        turn();
    }
    UNTIL(told(h, 0, SKT_OPEN));
    link = last(h, 0, SKT_OPEN)->link;
    assert_int_equal(last(h, link, SKT_OPEN)->peer.port, 1234);
    assert_memory_equal(last(h, link, SKT_OPEN)->peer.ip, "\xc0\x00\x02\x07", 4);
    UNTIL(!strcmp(heard(h, link), "hello"));
    close(fd);

    fd = peer_to(port_of(ls)); /* half of one does not keep us awake */
    assert_int_equal(write(fd, head, 10), 10);
    turns(3);
    before = stats().turns;
    skt_time at = real_now();
    while (real_now() < at + 20 * SKT_MS)
        turn();
    assert_true(stats().turns - before < 60);
    shift += 6 * SKT_SEC; /* and is not waited for more than 5 s */
    struct tape t = { 0 };
    UNTIL(pull(fd, &t));
    assert_int_equal(told(h, 0, SKT_OPEN), 1);
    tape_free(&t);
    close(fd);
    end();
}

static void nonsense_instead_of_a_proxy_header_ends_it(void **state)
{
    struct tape t = { 0 };
    int fd;

    begin(NULL);
    fd = peer_to(port_of(listen_at("0", &(struct skt_listen_conf){ .proxy = true })));
    put(fd, "GET / HTTP/1.1\r\n\r\n");
    UNTIL(pull(fd, &t));
    assert_int_equal(stats().denied, 1);
    assert_int_equal(told(h, 0, SKT_OPEN), 0);
    tape_free(&t);
    close(fd);
    end();
}

static void a_socket_file_is_made_and_removed_and_a_stale_one_replaced(void **state)
{
    char dir[] = "/tmp/sockit-unix-XXXXXX", where[64];
    const char *path = where + 5;
    struct stat st;
    int fd;

    assert_non_null(mkdtemp(dir));
    snprintf(where, sizeof where, "unix:%s/s", dir);
    begin(NULL);
    (void)listen_at(where, NULL);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(refused(where), -EADDRINUSE); /* somebody listens: it stays */
    assert_non_null(strstr(skt_rt_why(rt, 0), path));
    end();
    assert_int_equal(stat(path, &st), -1);

    struct sock_name name;
    assert_int_equal(sock_unix(path, &name), 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&name.ss, name.len), 0);
    close(fd); /* stale now */
    begin(NULL);
    (void)listen_at(where, NULL);
    end();

    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* a file of the user's */
    close(fd);
    begin(NULL);
    assert_int_equal(refused(where), -EADDRINUSE);
    assert_int_equal(stat(path, &st), 0);
    end();
    unlink(path);
    rmdir(dir);
}

static void what_cannot_be_is_told_in_words(void **state)
{
    skt_link ls;
    char where[64];

    begin(NULL);
    ls = listen_at("0", NULL);
    snprintf(where, sizeof where, "127.0.0.1:%u", port_of(ls));
    assert_int_equal(refused(where), -EADDRINUSE);
    assert_non_null(strstr(skt_rt_why(rt, 0), "another program listens there"));
    assert_int_equal(refused("198.51.100.1:9"), -EADDRNOTAVAIL);
    assert_non_null(strstr(skt_rt_why(rt, 0), "no interface"));
    assert_int_equal(refused("example.org:80"), -EINVAL);
    assert_non_null(strstr(skt_rt_why(rt, 0), "not numeric"));
    assert_int_equal(refused("exec:true"), -EINVAL);
    assert_int_equal(refused("70000"), -EINVAL);
    assert_non_null(strstr(skt_rt_why(rt, 0), "65535"));
    turns(2);
    assert_int_equal(stats().links, 1);
    end();
}

static void a_star_takes_both_families(void **state)
{
    skt_link ls;
    int fd;

    begin(NULL);
    ls = listen_at("*:0", NULL);
    (void)came(ls, &fd);
    close(fd);
    end();
}

static void a_listener_that_goes_first_leaves_those_that_came(void **state)
{
    skt_link ls, link;
    int fd;

    begin(NULL);
    ls = listen_at("0", &(struct skt_listen_conf){ .max_conns = 1, .wait = true });
    link = came(ls, &fd);
    assert_int_equal(skt_rt_close(rt, ls), 0);
    UNTIL(told(h, ls, SKT_CLOSE));
    turns(2);
    put(fd, "x");
    UNTIL(!strcmp(heard(h, link), "x"));
    say_close(h, link, 0);
    close(fd);
    UNTIL(stats().links == 0);
    end();
}

RUN(T(over_its_cap_a_listener_refuses_or_lets_wait), T(who_is_denied_hears_nothing_but_the_end),
    T(without_descriptors_a_peer_is_told_at_once), T(a_proxy_header_may_come_byte_by_byte),
    T(nonsense_instead_of_a_proxy_header_ends_it), T(a_socket_file_is_made_and_removed_and_a_stale_one_replaced),
    T(what_cannot_be_is_told_in_words), T(a_star_takes_both_families),
    T(a_listener_that_goes_first_leaves_those_that_came))
