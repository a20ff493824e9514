#pragma once
#include "cli/exit.h"
#include "cli/opt.h"
#include "cli/sink.h"

/* cli: what all verbs share. A verb is one file that ends in its row; src/verb/main.c lists the rows.
 *
 *     static int ping(struct skt_cli *cli)
 *     {
 *         struct skt_probe_conf conf = { .count = 4 };
 *         const char *peer = NULL;
 *         const struct skt_opt opts[] = {
 *             SKT_OPT_U32('c', "count", &conf.count, "N", "send N probes (4)", .min = 1),
 *             SKT_ARG(&peer, "HOST:PORT", "a UDP echo service"),
 *             SKT_OPT_END
 *         };
 *         int r = skt_cli_parse(cli, opts);
 *         if (r)
 *             return r;              // before this line nothing but defaults: it also runs for help and completion
 *         ...
 *         if ((r = skt_rt_listen(...)) < 0)
 *             return skt_cli_fail(cli, SKT_PHASE_LISTEN, r, where);
 *         skt_sink_fmt(&cli->out, "%u replies\n", n);     // data: stdout, buffered, errors noticed at the end
 *         skt_cli_say(cli, "probing %s", peer);            // talk: stderr, a whole line, escaped, not under -q
 *         return 0;                                        // an enum skt_exit
 *     }
 *     const struct skt_verb skt_verb_ping = { "ping", "Measure the round trip to a UDP echo service", ping,
 *         .examples = SKT_EXAMPLES({ "sockit ping -c 1 localhost:7", "one probe" }), .see_also = "scan" };
 *
 * Every verb has --json, --quiet/-q, --verbose/-v, --pcap, --color, --log and --help/-h without asking; a verb's own
 * row with the same name or letter wins. Names of two words ("chat serve") are fine.
 *
 * A cli has no lock: threads of a verb take turns with it. SIGPIPE is ignored; who starts a command gives it back. */
struct skt_cli;

struct skt_example {
    const char *command, *what; /* what: one line, ends without a full stop */
};
#define SKT_EXAMPLES(...)                                                                                              \
    (const struct skt_example[])                                                                                       \
    {                                                                                                                  \
        __VA_ARGS__, { NULL, NULL }                                                                                    \
    }

/* An object of --json, for the manual: its "event", when it comes, and its other members with their units. */
struct skt_object {
    const char *event, *when, *members;
};
#define SKT_OBJECTS(...)                                                                                               \
    (const struct skt_object[])                                                                                        \
    {                                                                                                                  \
        __VA_ARGS__, { NULL, NULL, NULL }                                                                              \
    }

/* What a verb needs told at length, such as the lines of a file that it reads: `sockit help NAME`, and a section of its
 * manual page. */
struct skt_topic {
    const char *name, *title;
    const char *about;               /* paragraphs, as of a verb */
    const struct skt_example *lines; /* what is written, and what it means */
};

struct skt_verb {
    const char *name;                   /* one word, or two with a space */
    const char *summary;                /* one line of at most 60 characters, no full stop */
    int (*run)(struct skt_cli *cli);    /* an enum skt_exit, or what skt_cli_parse gave */
    const struct skt_example *examples; /* SKT_EXAMPLES(...); NULL: none */
    const char *see_also;               /* names of verbs, separated by commas; NULL: none */
    const char *usage;                  /* what follows the name in the usage line; NULL: made from the rows */
    const struct skt_object *objects;   /* SKT_OBJECTS(...): what --json prints; NULL: not described */
    const char *about;                  /* paragraphs between usage and options, separated by empty lines; NULL: none */
    const struct skt_topic *topic;      /* NULL: none */
    bool hidden;
};

enum skt_color { SKT_COLOR_AUTO, SKT_COLOR_ALWAYS, SKT_COLOR_NEVER };
enum skt_style { SKT_PLAIN, SKT_BOLD, SKT_DIM, SKT_RED, SKT_GREEN, SKT_YELLOW, SKT_BLUE, SKT_CYAN };

struct skt_origin; /* where a value came from; cli/parse.h */
struct skt_kept;

struct skt_cli {
    /* For verbs: the options of all verbs, and stdout. */
    bool json, quiet;
    uint32_t verbose;       /* how many -v */
    const char *pcap, *log; /* NULL: none */
    enum skt_color color;
    struct skt_sink out; /* stdout; put data here, flush when about to wait. The end of the program checks it */

    const struct skt_verb *verb;         /* which runs */
    const struct skt_verb *const *verbs; /* all, NULL at the end */
    int argc;                            /* what follows the verb's name */
    char **argv;

    /* For src/cli only. */
    bool help;                                                        /* --help was given */
    int (*describe)(struct skt_cli *cli, const struct skt_opt *opts); /* instead of parsing */
    void *describe_to;
    bool describe_set; /* environment and configuration first */
    struct skt_origin *sources;
    struct skt_kept *kept;                /* strings and arrays that live as long as the cli */
    struct skt_progress *progress;        /* on the terminal's last line now; NULL: none */
    const char *user_config, *etc_config; /* paths; NULL: looked up */
    int log_fd;                           /* -1: not open */
};

enum { SKT_CLI_DONE = -1000 }; /* from skt_cli_parse: all is done, return this */

/* 0: go on. Else return it from run: usage error (2), or SKT_CLI_DONE after --help and in describe mode. */
int skt_cli_parse(struct skt_cli *cli, const struct skt_opt *opts);
/* After it: whether the command line gave this option of the verb, not the environment or a file. */
bool skt_cli_given(const struct skt_cli *cli, const struct skt_opt *opts, const char *name);
/* The usage error of a verb's own checks: "--echo and --to exclude each other". Gives 2. */
int skt_cli_usage(struct skt_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "sockit ping: connect 127.0.0.1:7: Connection refused", and what to do where we know it. Gives the exit code.
 * what: peer, address or file. err: errno or -errno. */
int skt_cli_fail(struct skt_cli *cli, enum skt_phase phase, int err, const char *what);
/* The same where the sentence is known already, as by skt_rt_why. */
int skt_cli_fail_why(struct skt_cli *cli, enum skt_phase phase, int err, const char *why);

/* Talk, on stderr and in --log: one line, without its LF; whatever would harm a terminal is escaped. */
void skt_cli_say(struct skt_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));  /* not under -q */
void skt_cli_warn(struct skt_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3))); /* always */
/* The same under -q also: somebody asked. */
void skt_cli_answer(struct skt_cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With at least `level` -v, or in the log. */
void skt_cli_debug(struct skt_cli *cli, uint32_t level, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The escape sequence that begins a style (SKT_PLAIN: ends it) on descriptor 1 or 2, or "" where there is no colour. */
const char *skt_cli_style(const struct skt_cli *cli, int fd, enum skt_style style);
/* Of that terminal, so many can be used; 79 where there is none. */
uint32_t skt_cli_columns(int fd);

/* A copy that lives as long as the cli; NULL: out of memory. */
const char *skt_cli_keep(struct skt_cli *cli, const char *text);

/* The whole program: finds the verb, runs it, checks stdout. Gives the exit code. */
int skt_cli_main(int argc, char **argv, const struct skt_verb *const *verbs);
