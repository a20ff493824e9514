/* cli/value.c: what a variable holds can be written, and read back the same. */
#include "test.h"

#include "cli.h"

#include <errno.h>

static struct skt_cli cli;
static char text[256], why_text[256];

static const char *shown(const struct skt_opt *opt)
{
    struct skt_room out = skt_room_of(text, sizeof text - 1);

    skt_opt_put_value(&out, opt);
    assert_false(out.bad);
    *out.p = 0;
    return text;
}

static int set(const struct skt_opt *opt, const char *value, bool again)
{
    struct skt_room why = skt_room_of(why_text, sizeof why_text - 1);
    int r = skt_opt_set(&cli, opt, value, again, &why);

    *why.p = 0;
    assert_true((r == 0) == (why_text[0] == 0)); /* a sentence if and only if it failed */
    return r;
}

static void a_value_is_written_as_it_can_be_read(void **state)
{
    static const struct {
        int row;
        const char *in, *out;
    } cases[] = {
        { 0, "true", "yes" },
        { 0, "OFF", "no" },
        { 1, "4294967295", "4294967295" },
        { 2, "18446744073709551615", "18446744073709551615" },
        { 3, "65536", "64KiB" },
        { 3, "1000001", "1000001B" },
        { 3, "0", "0B" },
        { 4, "1500ms", "1500ms" },
        { 4, "1h30m", "90m" },
        { 4, "0", "0ns" },
        { 5, "8mbit", "1MB/s" },
        { 6, "0.5", "0.5%" },
        { 7, "a b", "a b" },
        { 8, "square", "square" },
        { 9, "1-10,80,12", "1-10,12,80" },
    };
    struct skt_ranges ports;
    bool flag;
    uint32_t u32;
    uint64_t u64, size, rate;
    skt_time time;
    double share;
    const char *str;
    enum shape shape;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG(0, "flag", &flag, ""),
        SKT_OPT_U32(0, "u32", &u32, "N", ""),
        SKT_OPT_U64(0, "u64", &u64, "N", ""),
        SKT_OPT_SIZE(0, "size", &size, "SIZE", ""),
        SKT_OPT_TIME(0, "time", &time, "TIME", ""),
        SKT_OPT_RATE(0, "rate", &rate, "RATE", ""),
        SKT_OPT_PERCENT(0, "share", &share, "PCT", ""),
        SKT_OPT_STR(0, "str", &str, "TEXT", ""),
        SKT_OPT_CHOICE(0, "shape", &shape, "SHAPE", shape_names, ""),
        SKT_OPT_PORTS(0, "ports", &ports, "PORTS", ""),
    };

    assert_int_equal(skt_ranges_init(&ports, 10), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct skt_opt *opt = &opts[cases[i].row];
        char first[256];

        assert_int_equal(set(opt, cases[i].in, false), 0);
        assert_string_equal(shown(opt), cases[i].out);
        (void)snprintf(first, sizeof first, "%s", text);
        assert_int_equal(set(opt, first, false), 0);
        assert_string_equal(shown(opt), first);
    }
    skt_ranges_done(&ports);
}

static void a_failure_leaves_the_variable_alone(void **state)
{
    struct skt_ranges ports;
    uint32_t n = 7;
    bool flag = true;
    enum shape shape = SQUARE;
    const struct skt_opt number = SKT_OPT_U32(0, "n", &n, "N", "", .min = 5, .max = 9);
    const struct skt_opt yes = SKT_OPT_FLAG(0, "flag", &flag, "");
    const struct skt_opt choice = SKT_OPT_CHOICE(0, "shape", &shape, "SHAPE", shape_names, "");
    const struct skt_opt port_list = SKT_OPT_PORTS(0, "ports", &ports, "PORTS", "");

    assert_int_equal(skt_ranges_init(&ports, 3), 0);
    assert_int_equal(set(&port_list, "1,3", false), 0);
    assert_true(set(&number, "4", false) < 0);
    assert_true(set(&number, "10", false) < 0);
    assert_true(set(&number, "x", false) < 0);
    assert_true(set(&yes, "maybe", false) < 0);
    assert_true(set(&choice, "Round", false) < 0);
    assert_true(set(&port_list, "5,70000", false) < 0);
    assert_true(set(&port_list, "5,7", true) < 0); /* 4 pieces of 3 */
    assert_true(n == 7 && flag && shape == SQUARE);
    assert_string_equal(shown(&port_list), "1,3");
    skt_ranges_done(&ports);
}

static void lists_keep_their_order_and_their_cap(void **state)
{
    struct skt_strs list = { 0 };
    const struct skt_opt opt = SKT_OPT_LIST(0, "list", &list, "X", "");
    char item[16];

    for (int i = 0; i < 1024; i++) {
        (void)snprintf(item, sizeof item, "%d", i);
        assert_int_equal(set(&opt, item, i > 0), 0);
    }
    assert_int_equal(set(&opt, "x", true), -ENOSPC);
    assert_int_equal(list.n, 1024);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(atol(list.at[i]), i);
    assert_int_equal(set(&opt, "new", false), 0);
    assert_string_equal(shown(&opt), "new");
}

static void nothing_is_shown_of_what_is_unset(void **state)
{
    const char *str = NULL;
    struct skt_strs list = { 0 };
    const struct skt_opt s = SKT_OPT_STR(0, "s", &str, "S", ""), l = SKT_OPT_LIST(0, "l", &list, "L", "");

    assert_true(skt_opt_unset(&s) && skt_opt_unset(&l));
    assert_string_equal(shown(&s), "");
    assert_string_equal(shown(&l), "");

    uint32_t n = 0;
    skt_time time = 0;
    const struct skt_opt u = SKT_OPT_U32(0, "u", &n, "N", "", .min = 68),
                         d = SKT_OPT_TIME(0, "t", &time, "TIME", "", .min = SKT_MS);

    assert_true(skt_opt_unset(&u) && skt_opt_unset(&d)); /* 0 is not what may be given: it says that nothing was */
    assert_string_equal(shown(&u), "");
    assert_string_equal(shown(&d), "");
    n = 68, time = SKT_MS;
    assert_string_equal(shown(&u), "68");
    assert_string_equal(shown(&d), "1ms");
}

static int set_up(void **state)
{
    begin(&cli, &try_verb);
    return 0;
}

static int tear_down(void **state)
{
    skt_cli_done(&cli);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = { T(a_value_is_written_as_it_can_be_read), T(a_failure_leaves_the_variable_alone),
        T(lists_keep_their_order_and_their_cap), T(nothing_is_shown_of_what_is_unset) };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
