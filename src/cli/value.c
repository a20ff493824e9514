/* value: between the text of an option and its variable. */
#include "cli/parse.h"

#include "base/ranges.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <strings.h>

enum { LIST_MAX = 1024 }; /* of a list whose row names no limit */

/* text NULL: the sentence needs no value. */
static int why_not(struct skt_room *why, int err, const char *text, const char *sentence)
{
    if (why && text)
        skt_put_fmt(why, "'%.100s' ", text);
    if (why)
        skt_put_str(why, sentence);
    return err;
}

struct unit {
    uint64_t n;
    const char *name;
};

/* Exactly, in the largest unit of which it is a multiple; base's writers for people cut to three digits. */
static void put_exact(struct skt_room *out, const struct unit *unit, uint64_t n, const char *per)
{
    while (unit->n > 1 && (n == 0 || n % unit->n))
        unit++;
    skt_put_fmt(out, "%" PRIu64 "%s%s", n / unit->n, unit->name, per);
}

static void put_number(struct skt_room *out, enum skt_opt_kind kind, uint64_t n)
{
    static const struct unit bytes[] = {
        { 1 << 30, "GiB" },
        { 1000000000, "GB" },
        { 1 << 20, "MiB" },
        { 1000000, "MB" },
        { 1 << 10, "KiB" },
        { 1000, "kB" },
        { 1, "B" },
    };
    static const struct unit times[] = {
        { 3600 * SKT_SEC, "h" },
        { 60 * SKT_SEC, "m" },
        { SKT_SEC, "s" },
        { SKT_MS, "ms" },
        { SKT_US, "us" },
        { 1, "ns" },
    };

    if (kind == SKT_KIND_SIZE)
        put_exact(out, bytes, n, "");
    else if (kind == SKT_KIND_TIME)
        put_exact(out, times, n, "");
    else if (kind == SKT_KIND_RATE)
        put_exact(out, bytes, n, "/s");
    else
        skt_put_fmt(out, "%" PRIu64, n);
}

/* The sentence of a value outside its limits: both limits, as far as there are any. */
static int check_limits(const struct skt_opt *opt, uint64_t n, const char *text, struct skt_room *why)
{
    bool below = n < opt->min, above = opt->max && n > opt->max;

    if (!below && !above)
        return 0;
    if (why) {
        skt_put_fmt(why, "'%.100s' is %s ", text, below ? "below" : "above");
        put_number(why, opt->kind, below ? opt->min : opt->max);
        skt_put_str(why, "; give ");
        put_number(why, opt->kind, opt->min);
        skt_put_str(why, opt->max ? " to " : " or more");
        if (opt->max)
            put_number(why, opt->kind, opt->max);
    }
    return -ERANGE;
}

static int set_flag(const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    static const char *const words[] = { "no", "yes", "false", "true", "off", "on", "0", "1" };

    if (!text) {
        *opt->to.flag = true;
        return 0;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcasecmp(text, words[i])) {
            *opt->to.flag = i % 2;
            return 0;
        }
    return why_not(why, -EINVAL, text, "is neither yes nor no");
}

static int set_number(const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    uint64_t n = 0, most = opt->kind == SKT_KIND_U64 ? UINT64_MAX : UINT32_MAX;
    int r;

    if (opt->kind == SKT_KIND_SIZE)
        r = skt_size_parse(text, &n, why);
    else if (opt->kind == SKT_KIND_RATE)
        r = skt_rate_parse(text, &n, why);
    else
        r = skt_u64_parse(text, opt->max ? opt->max : most, &n, why);
    if (r == 0)
        r = check_limits(opt, n, text, why);
    if (r)
        return r;
    if (opt->kind == SKT_KIND_U32 || opt->kind == SKT_KIND_COUNT)
        *opt->to.u32 = (uint32_t)n;
    else
        *opt->to.u64 = n;
    return 0;
}

#define TIME_MOST (SKT_SEC * 3600 * 24 * 36500) /* "now plus that" stays far below 2^63 ns, wherever it is added */

static int set_time(const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    skt_time time = 0;
    int r = skt_time_parse(text, &time, why);

    if (r == 0 && time > TIME_MOST)
        r = skt_refuse(why, -ERANGE, "time", skt_span_str(text), "is above 100 years");
    if (r == 0)
        r = check_limits(opt, (uint64_t)time, text, why);
    if (r == 0)
        *opt->to.time = time;
    return r;
}

static int none_of(const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    (void)why_not(why, -EINVAL, text, "is none of");
    for (uint32_t i = 0; why && opt->names[i]; i++)
        skt_put_fmt(why, "%s %s", i ? "," : "", opt->names[i]);
    return -EINVAL;
}

/* The number of text among the names; UINT32_MAX: none of them. */
static uint32_t name_number(const struct skt_opt *opt, const char *text)
{
    for (uint32_t i = 0; opt->names[i]; i++)
        if (!strcmp(text, opt->names[i]))
            return i;
    return UINT32_MAX;
}

static int set_text(struct skt_cli *cli, const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    size_t n = strlen(text);

    if (n < opt->min)
        return why_not(why, -ERANGE, n ? text : NULL, n ? "is too short" : "must not be empty");
    if (opt->max && n > opt->max)
        return why_not(why, -ERANGE, text, "is too long");
    if (opt->names && name_number(opt, text) == UINT32_MAX)
        return none_of(opt, text, why);
    text = skt_cli_keep(cli, text);
    if (!text)
        return why_not(why, -ENOMEM, NULL, "out of memory");
    *opt->to.str = text;
    return 0;
}

static int set_choice(const struct skt_opt *opt, const char *text, struct skt_room *why)
{
    uint32_t i = name_number(opt, text);

    if (i == UINT32_MAX)
        return none_of(opt, text, why);
    memcpy(opt->to.choice, &i, sizeof i);
    return 0;
}

static int set_ports(const struct skt_opt *opt, const char *text, bool again, struct skt_room *why)
{
    struct skt_ranges ports;
    int r = skt_ranges_init(&ports, opt->to.ports->max);

    if (r == 0)
        r = skt_ports_parse(text, again ? opt->to.ports : &ports, why);
    if (r == 0 && !again) { /* instead of the default, not beside it */
        struct skt_ranges old = *opt->to.ports;

        *opt->to.ports = ports;
        ports = old;
    }
    skt_ranges_done(&ports);
    return r;
}

/* The array grows by doubling into new kept bytes; the old ones stay until the cli goes, so earlier copies hold. */
static int add_to_list(
    struct skt_cli *cli, const struct skt_opt *opt, const char *text, bool again, struct skt_room *why)
{
    struct skt_strs list = again ? *opt->to.list : (struct skt_strs){ 0 };
    uint64_t max = opt->max ? opt->max : LIST_MAX;
    const char **at = (const char **)(uintptr_t)list.at; /* ours, from the round before */

    if (list.n >= max) {
        if (why)
            skt_put_fmt(why, "'%.100s' is one too many; at most %" PRIu64 " are allowed", text, max);
        return -ENOSPC;
    }
    if ((list.n & (list.n - 1)) == 0) { /* 0 or full: sizes are powers of two */
        at = skt_cli_keep_bytes(cli, (list.n ? 2 * (size_t)list.n : 1) * sizeof *at);
        if (at && list.n)
            memcpy(at, list.at, list.n * sizeof *at);
    }
    text = skt_cli_keep(cli, text);
    if (!at || !text)
        return why_not(why, -ENOMEM, NULL, "out of memory");
    at[list.n] = text;
    *opt->to.list = (struct skt_strs){ at, list.n + 1 };
    return 0;
}

int skt_opt_set(struct skt_cli *cli, const struct skt_opt *opt, const char *text, bool again, struct skt_room *why)
{
    switch (opt->kind) {
    case SKT_KIND_FLAG: return set_flag(opt, text, why);
    case SKT_KIND_COUNT:
        if (text)
            return set_number(opt, text, why);
        *opt->to.u32 = again ? *opt->to.u32 + 1 : 1;
        return 0;
    case SKT_KIND_U32:
    case SKT_KIND_U64:
    case SKT_KIND_SIZE:
    case SKT_KIND_RATE: return set_number(opt, text, why);
    case SKT_KIND_TIME: return set_time(opt, text, why);
    case SKT_KIND_PERCENT: return skt_percent_parse(text, opt->to.share, why);
    case SKT_KIND_STR:
    case SKT_KIND_PATH:
    case SKT_KIND_ARG:
    case SKT_KIND_ARG_OPT: return set_text(cli, opt, text, why);
    case SKT_KIND_CHOICE: return set_choice(opt, text, why);
    case SKT_KIND_PORTS: return set_ports(opt, text, again, why);
    case SKT_KIND_LIST:
    case SKT_KIND_ARGS: return add_to_list(cli, opt, text, again, why);
    case SKT_KIND_END:
    case SKT_KINDS: break;
    }
    return -EINVAL;
}

bool skt_opt_unset(const struct skt_opt *opt)
{
    switch (opt->kind) {
    case SKT_KIND_STR:
    case SKT_KIND_PATH:
    case SKT_KIND_ARG:
    case SKT_KIND_ARG_OPT: return !*opt->to.str;
    case SKT_KIND_PORTS: return skt_ranges_count(opt->to.ports) == 0;
    case SKT_KIND_LIST:
    case SKT_KIND_ARGS: return opt->to.list->n == 0;
    case SKT_KIND_COUNT:
    case SKT_KIND_U32: return *opt->to.u32 < opt->min;
    case SKT_KIND_U64:
    case SKT_KIND_SIZE:
    case SKT_KIND_RATE: return *opt->to.u64 < opt->min;
    case SKT_KIND_TIME: return (uint64_t)*opt->to.time < opt->min;
    default: return false;
    }
}

static void put_ports(struct skt_room *out, const struct skt_ranges *ports)
{
    struct skt_range range = { 0, 0 };

    for (bool more = false; skt_ranges_next(ports, range.to, &range); more = true) {
        skt_put_fmt(out, "%s%" PRIu64, more ? "," : "", range.from);
        if (range.to - range.from > 1)
            skt_put_fmt(out, "-%" PRIu64, range.to - 1);
    }
}

static void put_list(struct skt_room *out, const struct skt_strs *list)
{
    for (uint32_t i = 0; i < list->n; i++)
        skt_put_fmt(out, "%s%s", i ? ", " : "", list->at[i]);
}

void skt_opt_put_value(struct skt_room *out, const struct skt_opt *opt)
{
    uint32_t i;

    if (skt_opt_unset(opt))
        return;
    switch (opt->kind) {
    case SKT_KIND_FLAG: skt_put_str(out, *opt->to.flag ? "yes" : "no"); break;
    case SKT_KIND_COUNT:
    case SKT_KIND_U32: put_number(out, opt->kind, *opt->to.u32); break;
    case SKT_KIND_U64:
    case SKT_KIND_SIZE:
    case SKT_KIND_RATE: put_number(out, opt->kind, *opt->to.u64); break;
    case SKT_KIND_TIME: put_number(out, opt->kind, (uint64_t)*opt->to.time); break;
    case SKT_KIND_PERCENT: skt_put_fmt(out, "%g%%", 100 * *opt->to.share); break;
    case SKT_KIND_STR:
    case SKT_KIND_PATH:
    case SKT_KIND_ARG:
    case SKT_KIND_ARG_OPT: skt_put_str(out, *opt->to.str); break;
    case SKT_KIND_CHOICE:
        memcpy(&i, opt->to.choice, sizeof i);
        skt_put_str(out, opt->names[i]);
        break;
    case SKT_KIND_PORTS: put_ports(out, opt->to.ports); break;
    case SKT_KIND_LIST:
    case SKT_KIND_ARGS: put_list(out, opt->to.list); break;
    case SKT_KIND_END:
    case SKT_KINDS: break;
    }
}
