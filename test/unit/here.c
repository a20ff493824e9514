/* drive/here.c, by itself and below net.h: an answer leaves from the address that was asked. */
#include "netpair.h"

#include "drive/here.h"

static struct here h;

static int tidy(void **state)
{
    here_done(&h);
    return 0;
}

/* What the kernel says of a datagram that came to 10.0.0.`last`. */
static uint8_t came_to(uint8_t last)
{
    union {
        struct cmsghdr c;
        char bytes[HERE_SPACE];
    } control = {
        .c = { .cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo)), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO }
    };
    const struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x0a000000u | last) };

    memcpy(CMSG_DATA(&control.c), &info, sizeof info);
    return here_of(&h, &control.c);
}

static void an_address_keeps_its_number(void **state)
{
    assert_int_equal(came_to(7), 1);
    assert_int_equal(came_to(9), 2);
    assert_int_equal(came_to(7), 1);
    assert_memory_equal(here_ip(&h, 2), "\x0a\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_null(here_ip(&h, 0));
    assert_null(here_ip(&h, 3));
}

static void above_255_addresses_the_route_chooses(void **state)
{
    for (unsigned i = 0; i < HERE_MAX; i++)
        assert_int_equal(came_to((uint8_t)i), i + 1);
    assert_int_equal(came_to(255), 0);
    assert_int_equal(came_to(3), 4);
}

static void the_kernel_is_told_in_the_words_of_the_family(void **state)
{
    union {
        struct cmsghdr c;
        char bytes[HERE_SPACE];
    } control;
    struct in_pktinfo info;

    assert_int_equal(here_put(&h, 1, AF_INET, &control), 0); /* nothing came yet */
    assert_int_equal(came_to(7), 1);
    assert_int_equal(here_put(&h, 0, AF_INET, &control), 0);
    assert_int_equal(here_put(&h, 1, AF_INET, &control), CMSG_SPACE(sizeof info));
    memcpy(&info, CMSG_DATA(&control.c), sizeof info);
    assert_int_equal(info.ipi_spec_dst.s_addr, htonl(0x0a000007));
    assert_int_equal(here_put(&h, 1, AF_INET6, &control), CMSG_SPACE(sizeof(struct in6_pktinfo)));
    assert_int_equal(control.c.cmsg_type, IPV6_PKTINFO);
}

/* Connected sockets hear nobody but whom they asked. The route alone would answer each from 127.0.0.1. */
static void each_is_answered_from_the_address_that_it_asked(struct skt_sock *server)
{
    const char *port = strrchr(skt_sock_local(server), ':');
    struct skt_sock *asker[3];
    struct skt_addr from[3];
    struct skt_span got;
    char text[64];

    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "udp:127.0.0.%d%s", 7 + i, port);
        asker[i] = dialled(text);
        assert_int_equal(skt_send_all(asker[i], skt_span_str(text), SOON), 0);
        assert_int_equal(skt_recvfrom(server, &got, &from[i], SOON), 1);
    }
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(skt_sendto(server, skt_span_str(text), &from[i], SOON), 0);
        assert_int_equal(skt_recv(asker[i], &got, SOON), 1);
        assert_int_equal(got.p[0], '0' + i);
        skt_sock_close(asker[i]);
    }
    skt_sock_close(server);
}

static void net_answers_from_there(void **state) { each_is_answered_from_the_address_that_it_asked(bound("udp:*:0")); }

static void net_answers_from_there_by_ipv6(void **state)
{
    const struct skt_bind_conf dual = { .dual = true };
    struct skt_sock *server;

    if (skt_bind("udp:[::]:0", &dual, SOON, &server, NULL))
        skip(); /* no IPv6 here */
    each_is_answered_from_the_address_that_it_asked(server);
}

static void a_number_of_another_socket_is_left_to_the_route(void **state)
{
    struct skt_sock *server = bound("udp:127.0.0.1:0"), *asker;
    struct skt_addr from;
    struct skt_span got;
    char text[64];

    snprintf(text, sizeof text, "udp:%s", skt_sock_local(server));
    asker = dialled(text);
    assert_int_equal(skt_send_all(asker, skt_span_str("?"), SOON), 0);
    assert_int_equal(skt_recvfrom(server, &got, &from, SOON), 1);
    assert_int_equal(from.here, 0); /* there is but one */
    from.here = 9;
    assert_int_equal(skt_sendto(server, skt_span_str("!"), &from, SOON), 0);
    assert_int_equal(skt_recv(asker, &got, SOON), 1);
    skt_sock_close(asker);
    skt_sock_close(server);
}

RUN(cmocka_unit_test_teardown(an_address_keeps_its_number, tidy),
    cmocka_unit_test_teardown(above_255_addresses_the_route_chooses, tidy),
    cmocka_unit_test_teardown(the_kernel_is_told_in_the_words_of_the_family, tidy), T(net_answers_from_there),
    T(net_answers_from_there_by_ipv6), T(a_number_of_another_socket_is_left_to_the_route))
