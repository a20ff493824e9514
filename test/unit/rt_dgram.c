/* drive/rt/dgram.c: datagrams, in trains and alone. */
#include "rtworld.h"

#include <netinet/udp.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

static int no_trains; /* -errno of a device that cannot; 0: it can */
static int no_room;   /* times that the socket is full */
static bool no_from;  /* the address to send from is refused */

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
    if (no_room && no_room--) {
        errno = EAGAIN;
        return -1;
    }
    if (no_from && CMSG_FIRSTHDR(msg) && CMSG_FIRSTHDR(msg)->cmsg_level != IPPROTO_UDP) {
        errno = EINVAL;
        return -1;
    }
    if (no_trains && msg->msg_controllen) {
        errno = -no_trains;
        return -1;
    }
    return __real_sendmsg(fd, msg, flags);
}

static skt_link udp(void) { return listen_at("udp:0", NULL); }

static int udp_peer(skt_link to)
{
    struct sockaddr_in at = in4(port_of(to));
    int fd = socket_on(SOCK_DGRAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
    return fd;
}

static struct skt_addr addr_of_fd(int fd)
{
    return (struct skt_addr){ .family = SKT_IP4, .port = port_of_fd(fd), .ip = { 127, 0, 0, 1 } };
}

static void a_datagram_is_told_with_its_sender_and_answered(void **state)
{
    char got[100];
    skt_link l;
    int fd;

    begin(NULL);
    l = udp();
    fd = udp_peer(l);
    h->echo = true;
    put(fd, "hello");
    UNTIL(recv(fd, got, sizeof got, 0) == 5);
    assert_int_equal(last(h, l, SKT_DATA)->peer.port, port_of_fd(fd));
    assert_int_equal(send(fd, "", 0, 0), 0); /* nothing is something */
    ssize_t n;
    UNTIL((n = recv(fd, got, sizeof got, 0)) >= 0);
    assert_int_equal(n, 0);
    assert_int_equal(stats().datagrams_in, 2);
    assert_int_equal(stats().datagrams_out, 2);
    close(fd);
    end();
}

static void train(skt_link l, int fd, uint32_t seg, size_t n)
{
    struct skt_buf *buf = skt_buf_new(n);

    memcpy(buf->data, pattern(), n);
    ask(h, (struct skt_out){ .link = l,
               .kind = SKT_SHARE,
               .buf = buf,
               .share = skt_span_of(buf->data, n),
               .seg = seg,
               .peer = addr_of_fd(fd) });
}

/* Datagrams of seg bytes and a shorter last one come out of fd. */
static void train_came(int fd, uint32_t seg, size_t n)
{
    uint8_t got[2000];

    for (size_t at = 0; at < n; at += seg) {
        ssize_t r, want = (ssize_t)(n - at < seg ? n - at : seg);
        UNTIL((r = recv(fd, got, sizeof got, 0)) >= 0);
        assert_int_equal(r, want);
        assert_memory_equal(got, pattern() + at, (size_t)r);
    }
    assert_int_equal(recv(fd, got, sizeof got, 0), -1);
}

static void a_train_arrives_as_single_datagrams(void **state)
{
    static const int refusals[] = { 0, -EIO, -EINVAL };

    for (size_t i = 0; i < 3; i++) { /* also when the device cannot: one by one then */
        skt_link l;
        int fd;
        begin(NULL);
        l = udp();
        fd = udp_peer(l);
        no_trains = refusals[i];
        train(l, fd, 1000, 10500);
        train_came(fd, 1000, 10500);
        train(l, fd, 100, 64 * 100 + 50); /* more than the kernel takes at once */
        train_came(fd, 100, 64 * 100 + 50);
        train(l, fd, 1400, 900); /* shorter than one */
        train_came(fd, 1400, 900);
        assert_int_equal(stats().datagrams_out, 11 + 65 + 1);
        assert_int_equal(stats().datagrams_lost, 0);
        no_trains = 0;
        close(fd);
        end();
    }
}

static void what_a_full_socket_does_not_take_waits_and_room_is_told(void **state)
{
    skt_link l;
    int fd;

    begin(NULL);
    l = udp();
    fd = udp_peer(l);
    no_room = 1;
    train(l, fd, 1000, 3500);
    turn();
    assert_int_equal(told(h, l, SKT_FULL), 1);
    train_came(fd, 1000, 3500);
    assert_int_equal(told(h, l, SKT_ROOM), 1);
    close(fd);
    end();
}

static void what_is_too_large_is_lost_and_counted(void **state)
{
    skt_link l;
    int fd;

    begin(NULL);
    l = udp();
    fd = udp_peer(l);
    train(l, fd, 0, 65536);
    train(l, fd, 0, 100);
    train_came(fd, 100, 100);
    assert_int_equal(stats().datagrams_lost, 1);
    close(fd);
    end();
}

static void a_close_sends_first_what_waits(void **state)
{
    skt_link l;
    int fd;

    begin(NULL);
    l = udp();
    fd = udp_peer(l);
    no_room = 1;
    train(l, fd, 1000, 2500);
    say_close(h, l, 0);
    train_came(fd, 1000, 2500);
    UNTIL(told(h, l, SKT_CLOSE));
    assert_int_equal(last(h, l, SKT_CLOSE)->why, 0);
    close(fd);
    end();
}

static void a_connected_socket_hears_that_nobody_listens(void **state)
{
    int fd = socket_on(SOCK_DGRAM, 0);
    uint16_t port = port_of_fd(fd);
    skt_link link;

    begin(NULL);
    link = open_to(local_text("udp:", port), NULL);
    UNTIL(told(h, link, SKT_OPEN));
    say(h, link, "one");
    char got[10];
    UNTIL(recv(fd, got, sizeof got, 0) == 3);
    close(fd);
    say(h, link, "two");
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ECONNREFUSED);
    assert_non_null(strstr(skt_rt_why(rt, link), "nobody listens there"));
    end();
}

/* Who has answered is not gone because an ICMP message says so, which anybody can send. */
static void who_has_answered_is_doubted_to_be_gone(void **state)
{
    const struct skt_open_conf conf = { .doubt = true };
    int fd = socket_on(SOCK_DGRAM, 0);
    uint16_t port = port_of_fd(fd);
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    char got[10];
    skt_link link;

    begin(NULL);
    link = open_to(local_text("udp:", port), &conf);
    UNTIL(told(h, link, SKT_OPEN));
    say(h, link, "one");
    UNTIL(recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &len) == 3);
    assert_int_equal(sendto(fd, "ok", 2, 0, (struct sockaddr *)&from, len), 2);
    UNTIL(told(h, link, SKT_DATA));
    close(fd);
    say(h, link, "two");
    UNTIL(told(h, link, SKT_EOF));
    assert_int_equal(last(h, link, SKT_EOF)->why, -ECONNREFUSED);
    assert_null(told(h, link, SKT_CLOSE));
    fd = socket_on(SOCK_DGRAM, port); /* and there it is again */
    say(h, link, "three");
    UNTIL(recv(fd, got, sizeof got, 0) == 5);
    close(fd);
    end();
    begin(NULL); /* who never has, is */
    fd = socket_on(SOCK_DGRAM, 0);
    port = port_of_fd(fd);
    link = open_to(local_text("udp:", port), &conf);
    close(fd);
    UNTIL(told(h, link, SKT_OPEN));
    say(h, link, "one");
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ECONNREFUSED);
    end();
}

static void what_is_held_comes_again(void **state)
{
    skt_link l;
    int fd;

    begin(NULL);
    l = udp();
    fd = udp_peer(l);
    h->hold = true;
    put(fd, "one");
    UNTIL(h->offered);
    put(fd, "two");
    turns(3);
    assert_int_equal(h->got_n, 0);
    h->hold = false;
    h->wake = 0;
    UNTIL(h->got_n == 6);
    assert_memory_equal(h->got, "onetwo", 6);
    close(fd);
    end();
}

/* Asks 127.0.0.LAST; gives who answers. */
static struct in_addr asked(int fd, uint16_t port, uint8_t last_byte, const char *text)
{
    struct sockaddr_in to = in4(port), from = { 0 };
    socklen_t len = sizeof from;
    char got[100];
    ssize_t n;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + last_byte);
    assert_int_equal(sendto(fd, text, strlen(text), 0, (struct sockaddr *)&to, sizeof to), strlen(text));
    UNTIL((n = recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &len)) >= 0);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
    return from.sin_addr;
}

static void bound_to_every_address_it_answers_from_the_one_that_was_asked(void **state)
{
    static const char *const wheres[] = { "udp:0.0.0.0:0", "udp:*:0" };

    for (int i = 0; i < 2; i++) {
        skt_link l;
        int fd;
        begin(NULL);
        h->echo = true;
        l = listen_at(wheres[i], NULL);
        fd = socket_on(SOCK_DGRAM, 0);
        for (uint8_t byte = 1; byte < 250; byte = (uint8_t)(byte * 2 + 1))
            assert_int_equal(ntohl(asked(fd, port_of(l), byte, "who?").s_addr), INADDR_LOOPBACK - 1 + byte);
        assert_int_equal(ntohl(asked(fd, port_of(l), 3, "again").s_addr), INADDR_LOOPBACK + 2);
        assert_int_equal(last(h, l, SKT_DATA)->peer.here, 2); /* each address has one number */
        no_from = true; /* an address that is ours no more: the answer comes, from where the route says */
        assert_int_equal(ntohl(asked(fd, port_of(l), 3, "and now").s_addr), INADDR_LOOPBACK);
        no_from = false;
        close(fd);
        end();
    }
}

static void a_train_too_leaves_from_where_it_was_asked_for(void **state)
{
    static const int refusals[] = { 0, -EINVAL };

    for (int i = 0; i < 2; i++) {
        struct sockaddr_in from = { 0 };
        socklen_t len = sizeof from;
        uint8_t got[2000];
        skt_link l;
        int fd;

        begin(NULL);
        l = listen_at("udp:*:0", NULL);
        fd = socket_on(SOCK_DGRAM, 0);
        h->echo = true;
        (void)asked(fd, port_of(l), 77, "x");
        no_trains = refusals[i];
        train(l, fd, 1000, 10500);
        h->out[(h->first + h->n_out - 1) % OUTS_MAX].peer = last(h, l, SKT_DATA)->peer;
        for (size_t at = 0; at < 10500; at += 1000) {
            ssize_t n;
            UNTIL((n = recvfrom(fd, got, sizeof got, 0, (struct sockaddr *)&from, &len)) >= 0);
            assert_int_equal(n, at < 10000 ? 1000 : 500);
            assert_memory_equal(got, pattern() + at, (size_t)n);
            assert_true(i || ntohl(from.sin_addr.s_addr) == INADDR_LOOPBACK + 76);
        }
        assert_int_equal(stats().datagrams_lost, 0);
        no_trains = 0;
        close(fd);
        end();
    }
}

static void unix_datagrams_find_back(void **state)
{
    char where[64];
    skt_link l, link;

    snprintf(where, sizeof where, "unixgram:@sockit-dgram-%d", getpid());
    begin(NULL);
    l = listen_at(where, NULL);
    link = open_to(where, NULL);
    UNTIL(told(h, link, SKT_OPEN));
    say(h, link, "question");
    UNTIL(!strcmp(heard(h, l), "question"));
    ask(h, (struct skt_out){
               .link = l, .kind = SKT_DATA, .share = skt_span_str("answer"), .peer = last(h, l, SKT_DATA)->peer });
    UNTIL(!strcmp(heard(h, link), "answer"));
    end();
}

static void silence_ends_a_connected_socket_but_not_a_server(void **state)
{
    int fd = socket_on(SOCK_DGRAM, 0);
    skt_link l, link;

    begin(NULL);
    l = listen_at("udp:0", &(struct skt_listen_conf){ .idle = SKT_SEC });
    link = open_to(local_text("udp:", port_of_fd(fd)), &(struct skt_open_conf){ .idle = SKT_SEC });
    UNTIL(told(h, link, SKT_OPEN));
    shift += 2 * SKT_SEC;
    UNTIL(told(h, link, SKT_CLOSE));
    assert_int_equal(last(h, link, SKT_CLOSE)->why, -ETIMEDOUT);
    assert_int_equal(told(h, l, SKT_CLOSE), 0);
    close(fd);
    end();
}

RUN(T(a_datagram_is_told_with_its_sender_and_answered), T(a_train_arrives_as_single_datagrams),
    T(what_a_full_socket_does_not_take_waits_and_room_is_told), T(what_is_too_large_is_lost_and_counted),
    T(a_close_sends_first_what_waits), T(a_connected_socket_hears_that_nobody_listens),
    T(who_has_answered_is_doubted_to_be_gone), T(what_is_held_comes_again),
    T(bound_to_every_address_it_answers_from_the_one_that_was_asked), T(a_train_too_leaves_from_where_it_was_asked_for),
    T(unix_datagrams_find_back), T(silence_ends_a_connected_socket_but_not_a_server))
