/* base/units.c: sizes, times, rates and percentages as people write them. */
#include "seed.h"

#include "base/random.h"
#include "base/text.h"

#include <errno.h>
#include <locale.h>

static char said[300];
static struct skt_room why;

/* A room for one sentence, empty. */
static struct skt_room *listen_to(void)
{
    memset(said, 0, sizeof said);
    why = skt_room_of(said, sizeof said - 1);
    return &why;
}

static void sizes_are_exact(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } rows[] = {
        { "0", 0 },
        { "100", 100 },
        { "100B", 100 },
        { "64KiB", 65536 },
        { "64K", 65536 },
        { "64k", 65536 },
        { "64kib", 65536 },
        { "64KB", 64000 },
        { "64kB", 64000 },
        { "1.5GB", 1500000000 },
        { "1.5GiB", 1610612736 },
        { "0.5K", 512 },
        { "1.0005K", 1024 },
        { "3M", 3 << 20 },
        { "1T", 1ull << 40 },
        { "2PiB", 2ull << 50 },
        { "15EiB", 15ull << 60 },
        { "15.999999999999999999999999999E", UINT64_MAX },
        { "18446744073709551615", UINT64_MAX },
        { "0.1B", 0 },
        { "0.0000000000000000000001E", 0 },
        { "007", 7 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t bytes = 1;

        assert_int_equal(skt_size_parse(rows[i].text, &bytes, NULL), 0);
        if (bytes != rows[i].bytes)
            fail_msg("%s gave %llu", rows[i].text, (unsigned long long)bytes);
    }
}

static void times_are_exact(void **state)
{
    static const struct {
        const char *text;
        skt_time time;
    } rows[] = {
        { "5", 5 * SKT_SEC },
        { "1.5", 1500 * SKT_MS },
        { "50ms", 50 * SKT_MS },
        { "1.5s", 1500 * SKT_MS },
        { "2m", 120 * SKT_SEC },
        { "2min", 120 * SKT_SEC },
        { "1h", 3600 * SKT_SEC },
        { "1d", 86400 * SKT_SEC },
        { "7us", 7000 },
        { "7\xc2\xb5s", 7000 },
        { "9ns", 9 },
        { "0", 0 },
        { "1h30m", 5400 * SKT_SEC },
        { "2m05s", 125 * SKT_SEC },
        { "1.5h0.5s", 5400 * SKT_SEC + 500 * SKT_MS },
        { "0.0000000019s", 1 },
        { "9223372036854775806ns", SKT_NEVER - 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        skt_time time = -1;

        assert_int_equal(skt_time_parse(rows[i].text, &time, NULL), 0);
        if (time != rows[i].time)
            fail_msg("%s gave %lld", rows[i].text, (long long)time);
    }
}

static void rates_are_bytes_per_second(void **state)
{
    static const struct {
        const char *text;
        uint64_t rate;
    } rows[] = {
        { "0", 0 },
        { "100", 100 },
        { "10mbit", 1250000 },
        { "10Mbit", 1250000 },
        { "10mbit/s", 1250000 },
        { "1kbit", 125 },
        { "1kibit", 128 },
        { "1gbit", 125000000 },
        { "2.5Gbit", 312500000 },
        { "8bit", 1 },
        { "1bit", 1 },
        { "9bit", 2 },
        { "0bit", 0 },
        { "1MB/s", 1000000 },
        { "100KiB/s", 102400 },
        { "64K", 65536 },
        { "64k/s", 65536 },
        { "5B/s", 5 },
        { "1MB", 1000000 },
        { "0.1", 1 },
        { "1.5MiB/s", 1572864 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t rate = 7;

        assert_int_equal(skt_rate_parse(rows[i].text, &rate, NULL), 0);
        if (rate != rows[i].rate)
            fail_msg("%s gave %llu", rows[i].text, (unsigned long long)rate);
    }
}

static int size(const char *text, struct skt_room *room) { return skt_size_parse(text, &(uint64_t){ 0 }, room); }
static int span(const char *text, struct skt_room *room) { return skt_time_parse(text, &(skt_time){ 0 }, room); }
static int rate(const char *text, struct skt_room *room) { return skt_rate_parse(text, &(uint64_t){ 0 }, room); }
static int percent(const char *text, struct skt_room *room) { return skt_percent_parse(text, &(double){ 0 }, room); }
static int upto_ten(const char *text, struct skt_room *room) { return skt_u64_parse(text, 10, &(uint64_t){ 0 }, room); }
static void a_wrong_value_is_named_and_the_way_out_too(void **state)
{
    static const struct {
        int (*parse)(const char *text, struct skt_room *room);
        const char *text;
        int error;
        const char *said;
    } rows[] = {
        { size, "", -EINVAL, "size '' is not a number with a unit, such as 64KiB" },
        { size, "-1", -EINVAL, "size '-1' is not a number with a unit, such as 64KiB" },
        { size, "1.", -EINVAL, "size '1.' is not a number with a unit, such as 64KiB" },
        { size, ".5K", -EINVAL, "size '.5K' is not a number with a unit, such as 64KiB" },
        { size, "64 K", -EINVAL, "size '64 K' has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB" },
        { size, "64X", -EINVAL, "size '64X' has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB" },
        { size, "64iB", -EINVAL, "size '64iB' has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB" },
        { size, "64KKB", -EINVAL, "size '64KKB' has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB" },
        { size, "64Bi", -EINVAL, "size '64Bi' has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB" },
        { size, "16E", -ERANGE, "size '16E' is above 16EiB" },
        { size, "18446744073709551616", -ERANGE, "size '18446744073709551616' is above 16EiB" },
        { size, "99999999999999999999999999", -ERANGE, "size '99999999999999999999999999' is above 16EiB" },
        { span, "", -EINVAL, "time '' is not a number with a unit, such as 50ms or 1.5s" },
        { span, "s", -EINVAL, "time 's' is not a number with a unit, such as 50ms or 1.5s" },
        { span, "-5s", -EINVAL, "time '-5s' is not a number with a unit, such as 50ms or 1.5s" },
        { span, "5 s", -EINVAL, "time '5 s' has an unknown unit: use ns, us, ms, s, m, h or d" },
        { span, "5S", -EINVAL, "time '5S' has an unknown unit: use ns, us, ms, s, m, h or d" },
        { span, "1m30", -EINVAL, "time '1m30' has an unknown unit: use ns, us, ms, s, m, h or d" },
        { span, "0s5", -EINVAL, "time '0s5' has an unknown unit: use ns, us, ms, s, m, h or d" },
        { span, "9223372036854775807ns", -ERANGE, "time '9223372036854775807ns' is above 292 years" },
        { span, "200000d1d", -ERANGE, "time '200000d1d' is above 292 years" },
        { span, "9223372036s1s", -ERANGE, "time '9223372036s1s' is above 292 years" },
        { rate, "fast", -EINVAL, "rate 'fast' is not a number with a unit, such as 10mbit or 1MB/s" },
        { rate, "10mbps", -EINVAL, "rate '10mbps' could mean bits or bytes: write mbit or MB/s, kbit or kB/s" },
        { rate, "10MBps", -EINVAL, "rate '10MBps' could mean bits or bytes: write mbit or MB/s, kbit or kB/s" },
        { rate, "10Mb/s", -EINVAL, "rate '10Mb/s' could mean bits or bytes: write mbit or MB/s, kbit or kB/s" },
        { rate, "10Mb", -EINVAL, "rate '10Mb' could mean bits or bytes: write mbit or MB/s, kbit or kB/s" },
        { rate, "10m/h", -EINVAL,
            "rate '10m/h' has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s" },
        { rate, "10Bbit", -EINVAL,
            "rate '10Bbit' has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s" },
        { rate, "10kkkkbit", -EINVAL,
            "rate '10kkkkbit' has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s" },
        { rate, "1EiB/s", -EINVAL,
            "rate '1EiB/s' has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s" },
        { rate, "9999999P", -ERANGE, "rate '9999999P' is above 2EiB/s" },
        { percent, "101", -ERANGE, "percentage '101' is above 100" },
        { percent, "100.000000001%", -ERANGE, "percentage '100.000000001%' is above 100" },
        { percent, "x", -EINVAL, "percentage 'x' is not a number from 0 to 100, such as 0.5%" },
        { percent, "5%%", -EINVAL, "percentage '5%%' is not a number from 0 to 100, such as 0.5%" },
        { upto_ten, "11", -ERANGE, "number '11' is above 10" },
        { upto_ten, "99999999999999999999999", -ERANGE, "number '99999999999999999999999' is above 10" },
        { upto_ten, "1.5", -EINVAL, "number '1.5' is not a whole number from 0 to 10" },
        { upto_ten, "0x1", -EINVAL, "number '0x1' is not a whole number from 0 to 10" },
        { upto_ten, "+1", -EINVAL, "number '+1' is not a whole number from 0 to 10" },
        { upto_ten, "", -EINVAL, "number '' is not a whole number from 0 to 10" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(rows[i].parse(rows[i].text, listen_to()), rows[i].error);
        assert_string_equal(said, rows[i].said);
        assert_int_equal(rows[i].parse(rows[i].text, NULL), rows[i].error);
    }
}

static void ret_stays_untouched_on_failure(void **state)
{
    uint64_t n = 7;
    skt_time t = 7;
    double share = 7;

    assert_int_equal(skt_size_parse("16E", &n, NULL), -ERANGE);
    assert_int_equal(skt_rate_parse("9999999P", &n, NULL), -ERANGE);
    assert_int_equal(skt_u64_parse("8", 7, &n, NULL), -ERANGE);
    assert_int_equal(skt_time_parse("1s1x", &t, NULL), -EINVAL);
    assert_int_equal(skt_percent_parse("101", &share, NULL), -ERANGE);
    assert_true(n == 7 && t == 7 && share == 7);
}

static void percentages_become_shares(void **state)
{
    double share;

    assert_int_equal(skt_percent_parse("0.5%", &share, NULL), 0);
    assert_true(share == 0.005);
    assert_int_equal(skt_percent_parse("30", &share, NULL), 0);
    assert_true(share == 0.3);
    assert_int_equal(skt_percent_parse("100%", &share, NULL), 0);
    assert_true(share == 1);
    assert_int_equal(skt_percent_parse("0", &share, NULL), 0);
    assert_true(share == 0);
}

/* ---- writers ---- */

static const char *size_text(uint64_t bytes)
{
    struct skt_room *out = listen_to();

    skt_put_size(out, bytes);
    assert_false(out->bad);
    return said;
}

static const char *rate_text(uint64_t bytes)
{
    skt_put_rate(listen_to(), bytes);
    return said;
}

static const char *time_text(skt_time time)
{
    skt_put_time(listen_to(), time);
    return said;
}

static void people_read_three_digits(void **state)
{
    assert_string_equal(size_text(0), "0B");
    assert_string_equal(size_text(1023), "1023B");
    assert_string_equal(size_text(1024), "1KiB");
    assert_string_equal(size_text(65536), "64KiB");
    assert_string_equal(size_text(1536), "1.50KiB");
    assert_string_equal(size_text(1048575), "1023KiB");
    assert_string_equal(size_text(20 * 1048576 + 400000), "20.3MiB");
    assert_string_equal(size_text(UINT64_MAX), "15.9EiB");
    assert_string_equal(rate_text(1250000), "1.19MiB/s");
    assert_string_equal(time_text(0), "0ns");
    assert_string_equal(time_text(999), "999ns");
    assert_string_equal(time_text(1500), "1.50us");
    assert_string_equal(time_text(50 * SKT_MS), "50ms");
    assert_string_equal(time_text(50 * SKT_MS + 370 * SKT_US), "50.3ms");
    assert_string_equal(time_text(1050 * SKT_MS), "1.05s");
    assert_string_equal(time_text(60 * SKT_SEC - 1), "59.9s");
    assert_string_equal(time_text(60 * SKT_SEC), "1m");
    assert_string_equal(time_text(125 * SKT_SEC), "2m05s");
    assert_string_equal(time_text(3599 * SKT_SEC), "59m59s");
    assert_string_equal(time_text(3600 * SKT_SEC), "1h");
    assert_string_equal(time_text(12000 * SKT_SEC), "3h20m");
    assert_string_equal(time_text(86400 * SKT_SEC * 4 + 6 * 3600 * SKT_SEC), "4d06h");
    assert_string_equal(time_text(-1500 * SKT_MS), "-1.50s");
    assert_string_equal(time_text(SKT_NEVER), "never");
    assert_string_equal(time_text(INT64_MIN), "-106751d23h");
}

/* Cut to three digits, so at most 1 % below; never above. Times of two units are cut to the smaller: 1/24 at worst. */
static void what_is_written_is_read_back(void **state)
{
    FOR_SEEDS(20000)
    {
        struct skt_random random;
        uint64_t x, got = 0;
        skt_time time = 0;

        skt_random_init(&random, unit_seed);
        x = skt_random_u64(&random) >> skt_random_below(&random, 64);
        CHECK(!skt_size_parse(size_text(x), &got, NULL));
        CHECK(got <= x && (double)(x - got) <= (double)x * .01);
        x >>= 4; /* below 1 EiB/s, the last unit of rates being PiB */
        CHECK(!skt_rate_parse(rate_text(x), &got, NULL));
        CHECK(got <= x && (double)(x - got) <= (double)x * .01);
        CHECK(!skt_time_parse(time_text((skt_time)x), &time, NULL));
        CHECK(time <= (skt_time)x && (double)((skt_time)x - time) <= (double)x * .042);
    }
}

static void the_decimal_point_is_no_matter_of_the_locale(void **state)
{
    uint64_t n = 0;

    (void)setlocale(LC_ALL, "de_DE.UTF-8"); /* where it is installed the point of printf is a comma */
    assert_string_equal(size_text(1536), "1.50KiB");
    assert_int_equal(skt_size_parse("1.5K", &n, NULL), 0);
    assert_int_equal(n, 1536);
    (void)setlocale(LC_ALL, "C");
}

RUN(T(sizes_are_exact), T(times_are_exact), T(rates_are_bytes_per_second),
    T(a_wrong_value_is_named_and_the_way_out_too), T(ret_stays_untouched_on_failure), T(percentages_become_shares),
    T(people_read_three_digits), T(what_is_written_is_read_back), T(the_decimal_point_is_no_matter_of_the_locale))
