/* units: sizes, times, rates and percentages as people write them. Integers throughout: no locale, no rounding that surprises. */
#include "base/text.h"

#include <errno.h>
#include <stdio.h>

#include "base/banned.h"

static bool is_digit(uint8_t c) { return '0' <= c && c <= '9'; }
static uint8_t lower(uint8_t c) { return 'A' <= c && c <= 'Z' ? c | 0x20 : c; }

/* A decimal number on its way: 1.25 is whole 1, fraction "25". */
struct number {
    uint64_t whole;
    struct skt_span fraction;
    bool huge; /* whole does not fit */
};

/* Takes a number off the front of *in. False: none there. */
static bool get_number(struct skt_span *in, struct number *ret_n)
{
    struct number n = { 0 };
    const uint8_t *p = in->p;

    for (; p < in->end && is_digit(*p); p++) {
        n.huge = n.huge || __builtin_mul_overflow(n.whole, 10, &n.whole) ||
                 __builtin_add_overflow(n.whole, (uint64_t)(*p - '0'), &n.whole);
    }
    if (p == in->p)
        return false;
    if (p < in->end && *p == '.') {
        n.fraction.p = ++p;
        while (p < in->end && is_digit(*p))
            p++;
        n.fraction.end = p;
        if (n.fraction.p == p)
            return false; /* "1." */
    }
    in->p = p;
    *ret_n = n;
    return true;
}

/* n units, rounded down, exactly: Horner from the last digit of the fraction. unit <= 2^60. False: above max. */
static bool scale(const struct number *n, uint64_t unit, uint64_t max, uint64_t *ret_v)
{
    uint64_t v, part = 0;

    for (const uint8_t *p = n->fraction.end; p > n->fraction.p;)
        part = ((uint64_t)(*--p - '0') * unit + part) / 10;
    if (n->huge || __builtin_mul_overflow(n->whole, unit, &v) || __builtin_add_overflow(v, part, &v) || v > max)
        return false;
    *ret_v = v;
    return true;
}

static bool is_above_zero(const struct number *n)
{
    for (const uint8_t *p = n->fraction.p; p < n->fraction.end; p++) {
        if (*p != '0')
            return true;
    }
    return n->whole;
}

/* ---- plain numbers, percent ---- */

int skt_u64_parse(const char *text, uint64_t max, uint64_t *ret_n, struct skt_room *why)
{
    struct skt_span s = skt_span_str(text), in = s;
    struct number n;

    if (!get_number(&in, &n) || in.p < in.end || n.fraction.p)
        return skt_refuse(why, -EINVAL, "number", s, "is not a whole number from 0 to %llu", (unsigned long long)max);
    if (n.huge || n.whole > max)
        return skt_refuse(why, -ERANGE, "number", s, "is above %llu", (unsigned long long)max);
    *ret_n = n.whole;
    return 0;
}

int skt_percent_parse(const char *text, double *ret_share, struct skt_room *why)
{
    enum { STEPS = 1000000000 }; /* of a percent: loss of 1e-9 % is below any use */
    struct skt_span s = skt_span_str(text), in = s;
    struct number n;
    uint64_t v;

    if (!get_number(&in, &n) || (in.p < in.end && !skt_span_is(in, "%")))
        return skt_refuse(why, -EINVAL, "percentage", s, "is not a number from 0 to 100, such as 0.5%%");
    if (!scale(&n, STEPS, 100ull * STEPS, &v))
        return skt_refuse(why, -ERANGE, "percentage", s, "is above 100");
    *ret_share = (double)v / (100.0 * STEPS);
    return 0;
}

/* ---- sizes and rates ---- */

/* "": 1, "k": kilo, "m": kilo^2 and so on up to "e"; "ki", "mi": 1024 in any case. Capitals are as good. */
static bool get_prefix(struct skt_span prefix, uint64_t kilo, uint64_t *ret_unit)
{
    static const char letters[] = "kmgtpe";
    size_t n = skt_len(prefix);
    bool binary = n == 2 && lower(prefix.p[1]) == 'i';
    const char *p = n - binary == 1 ? memchr(letters, lower(*prefix.p), sizeof letters - 1) : NULL;
    uint64_t unit = 1;

    if (n && !p)
        return false;
    for (ptrdiff_t i = 0; p && i <= p - letters; i++)
        unit *= binary ? 1024 : kilo;
    *ret_unit = unit;
    return true;
}

/* "64K" is 64 * 1024, as in dd, ls and curl; "64KB" is 64 * 1000, as on the box of a disk. */
static bool get_byte_unit(struct skt_span unit, uint64_t *ret_unit)
{
    bool b = skt_len(unit) && lower(unit.end[-1]) == 'b';

    unit.end -= b;
    return get_prefix(unit, b ? 1000 : 1024, ret_unit);
}

int skt_size_parse(const char *text, uint64_t *ret_bytes, struct skt_room *why)
{
    struct skt_span s = skt_span_str(text), in = s;
    struct number n;
    uint64_t unit;

    if (!get_number(&in, &n))
        return skt_refuse(why, -EINVAL, "size", s, "is not a number with a unit, such as 64KiB");
    if (!get_byte_unit(in, &unit))
        return skt_refuse(why, -EINVAL, "size", s, "has an unknown unit: use KiB, MiB, GiB, TiB or kB, MB, GB, TB");
    if (!scale(&n, unit, UINT64_MAX, ret_bytes))
        return skt_refuse(why, -ERANGE, "size", s, "is above 16EiB");
    return 0;
}

/* Takes text off the end of *s, if it is there. */
static bool drop_end(struct skt_span *s, const char *text)
{
    size_t n = strlen(text);

    if (skt_len(*s) < n || memcmp(s->end - n, text, n) != 0)
        return false;
    s->end -= n;
    return true;
}

enum rate_unit { NO_UNIT, RATE_UNIT, AMBIGUOUS };

/* How many bits per second the unit is; 1 kbit is 1000 of them. "Mb" and "mbps" are refused: to tc(8) the latter are
 * megabytes, to most people megabits. */
static enum rate_unit get_rate_unit(struct skt_span unit, uint64_t *ret_bits)
{
    uint64_t bytes;

    if (drop_end(&unit, "bps") || drop_end(&unit, "Bps"))
        return AMBIGUOUS;
    (void)drop_end(&unit, "/s"); /* may be left out */
    if (drop_end(&unit, "bit"))
        return get_prefix(unit, 1000, ret_bits) ? RATE_UNIT : NO_UNIT;
    if (skt_len(unit) && unit.end[-1] == 'b')
        return AMBIGUOUS;
    if (!get_byte_unit(unit, &bytes) || bytes > 1ull << 50)
        return NO_UNIT; /* in bits an exbyte does not fit scale() */
    *ret_bits = 8 * bytes;
    return RATE_UNIT;
}

int skt_rate_parse(const char *text, uint64_t *ret_rate, struct skt_room *why)
{
    struct skt_span s = skt_span_str(text), in = s;
    struct number n;
    uint64_t unit, bits;

    if (!get_number(&in, &n))
        return skt_refuse(why, -EINVAL, "rate", s, "is not a number with a unit, such as 10mbit or 1MB/s");
    switch (get_rate_unit(in, &unit)) {
    case AMBIGUOUS:
        return skt_refuse(why, -EINVAL, "rate", s, "could mean bits or bytes: write mbit or MB/s, kbit or kB/s");
    case NO_UNIT:
        return skt_refuse(
            why, -EINVAL, "rate", s, "has an unknown unit: use kbit, mbit, gbit or kB/s, MB/s, KiB/s, MiB/s");
    case RATE_UNIT: break;
    }
    if (!scale(&n, unit, UINT64_MAX - 7, &bits))
        return skt_refuse(why, -ERANGE, "rate", s, "is above 2EiB/s");
    if (!bits && is_above_zero(&n))
        bits = 1;
    *ret_rate = (bits + 7) / 8; /* rounded up: 0 means "no limit" in many places, and 1bit does not */
    return 0;
}

/* ---- times ---- */

/* "m" is minutes and "M" is nothing: no unit of time has a capital, and a month has no length. */
static const struct {
    const char *name;
    skt_time ns;
} time_units[] = {
    { "ns", 1 },
    { "us", SKT_US },
    { "\xc2\xb5s", SKT_US },
    { "ms", SKT_MS },
    { "s", SKT_SEC },
    { "m", 60 * SKT_SEC },
    { "min", 60 * SKT_SEC },
    { "h", 3600 * SKT_SEC },
    { "d", 86400 * SKT_SEC },
};

/* Takes the letters off the front of *in. 0: no unit of time. */
static uint64_t get_time_unit(struct skt_span *in)
{
    struct skt_span name = { .p = in->p };

    while (in->p < in->end && !is_digit(*in->p))
        in->p++;
    name.end = in->p;
    for (size_t i = 0; i < sizeof time_units / sizeof *time_units; i++) {
        if (skt_span_is(name, time_units[i].name))
            return (uint64_t)time_units[i].ns;
    }
    return 0;
}

int skt_time_parse(const char *text, skt_time *ret_time, struct skt_room *why)
{
    struct skt_span s = skt_span_str(text), in = s;
    uint64_t sum = 0, part, unit;
    struct number n;
    bool first = true;

    do {
        if (!get_number(&in, &n))
            return skt_refuse(why, -EINVAL, "time", s, "is not a number with a unit, such as 50ms or 1.5s");
        unit = in.p == in.end && first ? (uint64_t)SKT_SEC : get_time_unit(&in);
        if (!unit)
            return skt_refuse(why, -EINVAL, "time", s, "has an unknown unit: use ns, us, ms, s, m, h or d");
        if (!scale(&n, unit, SKT_NEVER - 1 - sum, &part))
            return skt_refuse(why, -ERANGE, "time", s, "is above 292 years");
        sum += part;
        first = false;
    } while (in.p < in.end);
    *ret_time = (skt_time)sum;
    return 0;
}

/* ---- for people ---- */

/* Cut, never rounded up: 99.99 % of a file is not all of it, and 59.99 s is no minute. No printf of doubles, whose point
 * is a comma in some locales. */
static void put_chars(struct skt_room *out, const char *digits, const char *unit)
{
    char text[40];

    snprintf(text, sizeof text, "%s%s", digits, unit);
    skt_put_str(out, text);
}

/* Three digits of whole.thousandths, cut: 1.50, 15.2, 150; nothing after the point if it is exactly whole. */
static void put_three(struct skt_room *out, uint64_t whole, unsigned thousandths, bool exact, const char *unit)
{
    char digits[32];

    if (exact || whole >= 100)
        snprintf(digits, sizeof digits, "%llu", (unsigned long long)whole);
    else if (whole >= 10)
        snprintf(digits, sizeof digits, "%llu.%u", (unsigned long long)whole, thousandths / 100);
    else
        snprintf(digits, sizeof digits, "%llu.%02u", (unsigned long long)whole, thousandths / 10);
    put_chars(out, digits, unit);
}

static void put_bytes(struct skt_room *out, uint64_t bytes, const char *per)
{
    static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    unsigned k = 0, shift, kept; /* of the bits after the point 50 are kept, so that * 1000 does not wrap */
    uint64_t rest;
    char unit[8];

    while (k < 6 && bytes >> (10 * (k + 1)))
        k++;
    shift = 10 * k;
    rest = bytes & ((1ull << shift) - 1);
    snprintf(unit, sizeof unit, "%s%s", names[k], per);
    kept = shift < 50 ? shift : 50;
    put_three(out, bytes >> shift, (unsigned)((rest >> (shift - kept)) * 1000 >> kept), !rest, unit);
}

void skt_put_size(struct skt_room *out, uint64_t bytes) { put_bytes(out, bytes, ""); }
void skt_put_rate(struct skt_room *out, uint64_t bytes_per_s) { put_bytes(out, bytes_per_s, "/s"); }

/* Below a minute: one unit with three digits. */
static void put_short_time(struct skt_room *out, uint64_t ns)
{
    static const struct {
        uint64_t ns;
        const char *name;
    } units[] = { { SKT_SEC, "s" }, { SKT_MS, "ms" }, { SKT_US, "us" }, { 1, "ns" } };
    size_t i = 0;

    while (i < 3 && ns < units[i].ns)
        i++;
    put_three(
        out, ns / units[i].ns, (unsigned)(ns % units[i].ns * 1000 / units[i].ns), !(ns % units[i].ns), units[i].name);
}

/* Above: two neighbours, "2m05s", "3h20m", "4d06h". */
static void put_long_time(struct skt_room *out, uint64_t seconds)
{
    static const struct {
        uint64_t above, unit;
        const char *name, *rest;
    } pairs[] = { { 86400, 3600, "d", "h" }, { 3600, 60, "h", "m" }, { 60, 1, "m", "s" } };
    size_t i = 0;
    uint64_t rest;
    char text[40];

    while (i < 2 && seconds < pairs[i].above)
        i++;
    rest = seconds % pairs[i].above / pairs[i].unit;
    snprintf(text, sizeof text, "%llu%s", (unsigned long long)(seconds / pairs[i].above), pairs[i].name);
    if (rest)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%02llu%s", (unsigned long long)rest, pairs[i].rest);
    skt_put_str(out, text);
}

void skt_put_time(struct skt_room *out, skt_time time)
{
    uint8_t text[48];
    struct skt_room room = skt_room_of(text, sizeof text);
    uint64_t ns = time < 0 ? 0 - (uint64_t)time : (uint64_t)time;

    if (time == SKT_NEVER) {
        skt_put_str(&room, "never");
    } else {
        skt_put_str(&room, time < 0 ? "-" : "");
        if (ns < 60 * SKT_SEC)
            put_short_time(&room, ns);
        else
            put_long_time(&room, ns / SKT_SEC);
    }
    skt_put(out, skt_span_of(text, (size_t)(room.p - text)));
}
