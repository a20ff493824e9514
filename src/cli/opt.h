#pragma once
#include <sockit/bytes.h>

/* Option rows: each is written once, as one row of a verb's table; parsing, --help, manual page, completions, JSON and
 * `sockit config` are made from it. What the variable holds before skt_cli_parse is the default.
 *
 *     SKT_OPT_U32('c', "count", &conf.count, "N", "send N probes (4)", .min = 1, .max = 1000),
 *
 * letter (0: none), long name (""; without --), variable, name of the argument, one help line; then, by name, limits
 * and flags: .min, .max (in the unit of the variable; max 0: none), .names, .required, .hidden. Shells complete file
 * names for PATH, and for texts whose argument is called FILE, PATH, DIR or DB. */
struct skt_ranges;

enum skt_opt_kind {
    SKT_KIND_END,
    SKT_KIND_FLAG,    /* bool; --name, --no-name */
    SKT_KIND_COUNT,   /* uint32_t; each -v adds 1 */
    SKT_KIND_U32,     /* whole decimal number */
    SKT_KIND_U64,     /* the same */
    SKT_KIND_SIZE,    /* uint64_t bytes; "64KiB" */
    SKT_KIND_TIME,    /* skt_time; "50ms"; a bare number is seconds */
    SKT_KIND_RATE,    /* uint64_t bytes/s; "10mbit" */
    SKT_KIND_PERCENT, /* double, a share 0..1; "0.5%" */
    SKT_KIND_STR,     /* const char *; .min and .max: its length in bytes */
    SKT_KIND_PATH,    /* the same; shells complete file names */
    SKT_KIND_CHOICE,  /* an enum (4 bytes): index in .names */
    SKT_KIND_PORTS,   /* struct skt_ranges, initialised; "1-1024,http" */
    SKT_KIND_LIST,    /* struct skt_strs; repeatable */
    SKT_KIND_ARG,     /* const char *; positional, from here on */
    SKT_KIND_ARG_OPT, /* the same, may be missing */
    SKT_KIND_ARGS,    /* struct skt_strs; all that the other positional rows leave; .min: how many at least */
    SKT_KINDS
};

struct skt_strs {
    const char *const *at; /* n of them; the cli owns the array, until skt_cli_done */
    uint32_t n;
};

struct skt_opt {
    enum skt_opt_kind kind;
    char letter;
    const char *name;
    union {
        bool *flag;
        uint32_t *u32;
        uint64_t *u64;
        skt_time *time;
        double *share;
        const char **str;
        void *choice;
        struct skt_ranges *ports;
        struct skt_strs *list;
    } to;
    const char *arg;
    const char *const *names; /* CHOICE, and texts that may be nothing else: ends with NULL */
    const char *help;
    uint64_t min, max;
    bool required, hidden;
};

/* In each, `...` is the help line and what may follow it by name. */
#define SKT_OPT_FLAG(letter_, name_, var, ...)                                                                         \
    {                                                                                                                  \
        .kind = SKT_KIND_FLAG, .letter = letter_, .name = name_, .to.flag = var, .help = __VA_ARGS__                   \
    }
#define SKT_OPT_COUNT(letter_, name_, var, ...)                                                                        \
    {                                                                                                                  \
        .kind = SKT_KIND_COUNT, .letter = letter_, .name = name_, .to.u32 = var, .help = __VA_ARGS__                   \
    }
#define SKT_OPT_U32(letter_, name_, var, arg_, ...)     SKT_OPT_(U32, letter_, name_, u32, var, arg_, __VA_ARGS__)
#define SKT_OPT_U64(letter_, name_, var, arg_, ...)     SKT_OPT_(U64, letter_, name_, u64, var, arg_, __VA_ARGS__)
#define SKT_OPT_SIZE(letter_, name_, var, arg_, ...)    SKT_OPT_(SIZE, letter_, name_, u64, var, arg_, __VA_ARGS__)
#define SKT_OPT_TIME(letter_, name_, var, arg_, ...)    SKT_OPT_(TIME, letter_, name_, time, var, arg_, __VA_ARGS__)
#define SKT_OPT_RATE(letter_, name_, var, arg_, ...)    SKT_OPT_(RATE, letter_, name_, u64, var, arg_, __VA_ARGS__)
#define SKT_OPT_PERCENT(letter_, name_, var, arg_, ...) SKT_OPT_(PERCENT, letter_, name_, share, var, arg_, __VA_ARGS__)
#define SKT_OPT_STR(letter_, name_, var, arg_, ...)     SKT_OPT_(STR, letter_, name_, str, var, arg_, __VA_ARGS__)
#define SKT_OPT_PATH(letter_, name_, var, arg_, ...)    SKT_OPT_(PATH, letter_, name_, str, var, arg_, __VA_ARGS__)
#define SKT_OPT_PORTS(letter_, name_, var, arg_, ...)   SKT_OPT_(PORTS, letter_, name_, ports, var, arg_, __VA_ARGS__)
#define SKT_OPT_LIST(letter_, name_, var, arg_, ...)    SKT_OPT_(LIST, letter_, name_, list, var, arg_, __VA_ARGS__)
/* names_: static array of strings, NULL at the end. var: pointer to an enum whose values are their indexes. */
#define SKT_OPT_CHOICE(letter_, name_, var, arg_, names_, ...)                                                         \
    {                                                                                                                  \
        .kind = SKT_KIND_CHOICE, .letter = letter_, .name = name_, .names = names_, .arg = arg_,                       \
        .to.choice = sizeof *(var) == 4 ? (var) : NULL, .help = __VA_ARGS__                                            \
    }
#define SKT_ARG(var, arg_, ...)                                                                                        \
    {                                                                                                                  \
        .kind = SKT_KIND_ARG, .to.str = var, .arg = arg_, .help = __VA_ARGS__                                          \
    }
#define SKT_ARG_OPT(var, arg_, ...)                                                                                    \
    {                                                                                                                  \
        .kind = SKT_KIND_ARG_OPT, .to.str = var, .arg = arg_, .help = __VA_ARGS__                                      \
    }
#define SKT_ARGS(var, arg_, ...)                                                                                       \
    {                                                                                                                  \
        .kind = SKT_KIND_ARGS, .to.list = var, .arg = arg_, .help = __VA_ARGS__                                        \
    }
#define SKT_OPT_END                                                                                                    \
    {                                                                                                                  \
        .kind = SKT_KIND_END                                                                                           \
    }

#define SKT_OPT_(kind_, letter_, name_, member, var, arg_, ...)                                                        \
    {                                                                                                                  \
        .kind = SKT_KIND_##kind_, .letter = letter_, .name = name_, .to.member = var, .arg = arg_, .help = __VA_ARGS__ \
    }
