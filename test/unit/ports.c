/* base/ports.c: numbers, names and lists of ports. */
#include "test.h"

#include "base/text.h"

#include "failing.h"

#include "base/ranges.c" /* its allocations fail where a test wants it */

static char said[300];
static struct skt_room why;

/* A room for one sentence, empty. */
static struct skt_room *listen_to(void)
{
    memset(said, 0, sizeof said);
    why = skt_room_of(said, sizeof said - 1);
    return &why;
}

static int port(const char *text, struct skt_room *room) { return skt_port_parse(text, &(uint16_t){ 0 }, room); }
static int ports_in_3(const char *text, struct skt_room *room)
{
    struct skt_ranges ports;
    int r;

    skt_ranges_init(&ports, 3);
    r = skt_ports_parse(text, &ports, room);
    assert_int_equal(ports.n, 0);
    skt_ranges_done(&ports);
    return r;
}

static void a_wrong_port_is_named_and_the_way_out_too(void **state)
{
    static const struct {
        int (*parse)(const char *text, struct skt_room *room);
        const char *text;
        int error;
        const char *said;
    } rows[] = {
        { port, "70000", -ERANGE, "port '70000' is above 65535" },
        { port, "65536", -ERANGE, "port '65536' is above 65535" },
        { port, "99999999999999999999999", -ERANGE, "port '99999999999999999999999' is above 65535" },
        { port, "4294967376", -ERANGE, "port '4294967376' is above 65535" }, /* 80, if it wrapped */
        { port, "8080x", -EINVAL, "port '8080x' is neither a number nor a well-known service" },
        { port, "80.5", -EINVAL, "port '80.5' is neither a number nor a well-known service" },
        { port, "", -EINVAL, "port '' is neither a number nor a well-known service" },
        { ports_in_3, "", -EINVAL, "ports '' have an empty place: write for example 22,80,8000-8100" },
        { ports_in_3, "22,,80", -EINVAL, "ports '22,,80' have an empty place: write for example 22,80,8000-8100" },
        { ports_in_3, "22,", -EINVAL, "ports '22,' have an empty place: write for example 22,80,8000-8100" },
        { ports_in_3, "1024-1", -EINVAL, "ports '1024-1' run backwards: write 1-1024" },
        { ports_in_3, "22,http,70000", -ERANGE, "port '70000' is above 65535" },
        { ports_in_3, "1-2-3", -EINVAL, "port '2-3' is neither a number nor a well-known service" },
        { ports_in_3, "nope", -EINVAL, "port 'nope' is neither a number nor a well-known service" },
        { ports_in_3, "1,3,5,7", -ENOSPC, "ports '1,3,5,7' are more than 3 pieces: give them in parts" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rows[i].parse(rows[i].text, listen_to()), rows[i].error);
        assert_string_equal(said, rows[i].said);
        assert_int_equal(rows[i].parse(rows[i].text, NULL), rows[i].error);
    }
}

static const char *ports_of(const char *text)
{
    struct skt_ranges ports;
    struct skt_room out = { 0 };

    skt_ranges_init(&ports, 100);
    assert_int_equal(skt_ports_parse(text, &ports, NULL), 0);
    memset(said, 0, sizeof said);
    out = skt_room_of(said, sizeof said - 1);
    for (uint32_t i = 0; i < ports.n; i++)
        skt_put_fmt(&out, "%u-%u ", (unsigned)ports.items[i].from, (unsigned)ports.items[i].to - 1);
    skt_ranges_done(&ports);
    return said;
}

static void lists_of_ports_become_ranges(void **state)
{
    assert_string_equal(ports_of("80"), "80-80 ");
    assert_string_equal(ports_of("1-1024,8080,http"), "1-1024 8080-8080 ");
    assert_string_equal(ports_of("443,22,23"), "22-23 443-443 ");
    assert_string_equal(ports_of("-"), "1-65535 ");
    assert_string_equal(ports_of("60000-"), "60000-65535 ");
    assert_string_equal(ports_of("-3,0"), "0-3 ");
    assert_string_equal(ports_of("65535"), "65535-65535 ");
    assert_string_equal(ports_of("ftp-data"), "20-20 "); /* a name with a '-' of its own */
    assert_string_equal(ports_of("ftp-ssh"), "21-22 ");
}

static void ports_join_what_is_there_or_leave_it_alone(void **state)
{
    struct skt_ranges ports;

    skt_ranges_init(&ports, 3);
    assert_int_equal(skt_ports_parse("10-20", &ports, NULL), 0);
    assert_int_equal(skt_ports_parse("30,21", &ports, NULL), 0);
    assert_int_equal(ports.n, 2);
    assert_int_equal(skt_ports_parse("40,50", &ports, NULL), -ENOSPC); /* 40 alone would fit */
    assert_int_equal(ports.n, 2);
    assert_false(skt_ranges_has(&ports, 40));
    assert_true(skt_ranges_has_all(&ports, 10, 22));
    skt_ranges_done(&ports);
}

static void ports_without_memory_say_so_and_change_nothing(void **state)
{
    struct skt_ranges ports;

    skt_ranges_init(&ports, 100);
    assert_int_equal(skt_ports_parse("1,3,5", &ports, NULL), 0);
    for (long n = 0; n < 2; n++) { /* the copy of what is there, then its growth for a ninth piece */
        allocations_left = n;
        assert_int_equal(skt_ports_parse("7,9,11,13,15,17", &ports, listen_to()), -ENOMEM);
        allocations_left = -1;
        assert_string_equal(said, "ports '7,9,11,13,15,17' find no memory");
        assert_int_equal(ports.n, 3);
    }
    skt_ranges_done(&ports);
}

static void the_best_known_services_have_their_port(void **state)
{
    static const struct {
        const char *name;
        uint16_t port;
    } rows[] = { { "ssh", 22 }, { "http", 80 }, { "https", 443 }, { "domain", 53 }, { "imaps", 993 },
        { "mongodb", 27017 } };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint16_t got = 0;

        assert_int_equal(skt_port_parse(rows[i].name, &got, NULL), 0);
        assert_int_equal(got, rows[i].port);
    }
    assert_int_equal(port("0", NULL), 0);
    assert_int_equal(port("00022", NULL), 0);
}

RUN(T(a_wrong_port_is_named_and_the_way_out_too), T(lists_of_ports_become_ranges),
    T(ports_join_what_is_there_or_leave_it_alone), T(ports_without_memory_say_so_and_change_nothing),
    T(the_best_known_services_have_their_port))
