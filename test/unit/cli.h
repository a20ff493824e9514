#pragma once
/* For tests of src/cli: what was said on stderr, and a verb whose variables the test can see. Included after test.h. */
#include "cli/parse.h"

#include "base/ranges.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static int said_fd = -1, real_stderr = -1;
static char said_text[64 * 1024];

static inline void listen_to_stderr(void)
{
    said_fd = memfd_create("stderr", MFD_CLOEXEC);
    real_stderr = dup(2);
    assert(said_fd >= 0 && real_stderr >= 0 && dup2(said_fd, 2) == 2);
}

/* What was said since; stderr is itself again. */
static inline const char *said(void)
{
    ssize_t n = pread(said_fd, said_text, sizeof said_text - 1, 0);

    assert(n >= 0 && dup2(real_stderr, 2) == 2);
    said_text[n] = 0;
    (void)close(said_fd);
    (void)close(real_stderr);
    said_fd = real_stderr = -1;
    return said_text;
}

enum shape { ROUND, SQUARE };
static const char *const shape_names[] = { "round", "square", NULL };

/* What the verb below parsed last. */
static struct {
    bool deep, open, ran, count_given;
    uint32_t count, level;
    uint64_t big, size, rate;
    skt_time wait;
    double loss;
    const char *name, *file, *host, *port;
    enum shape shape;
    struct skt_strs allow, more;
    uint64_t ports; /* how many */
    bool has_80, json, quiet;
    uint32_t verbose;
    const char *pcap;
} got;

static inline int try_run(struct skt_cli *cli)
{
    struct skt_ranges ports;
    int r = skt_ranges_init(&ports, 100);

    memset(&got, 0, sizeof got);
    got.open = true;
    got.count = 4;
    got.wait = 2 * SKT_SEC;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG('d', "deep", &got.deep, "go deep"),
        SKT_OPT_FLAG(0, "open", &got.open, "stay open"),
        SKT_OPT_COUNT('l', "level", &got.level, "one level more"),
        SKT_OPT_U32('c', "count", &got.count, "N", "that many (4)", .min = 1, .max = 100),
        SKT_OPT_U64(0, "big", &got.big, "N", "a big number"),
        SKT_OPT_SIZE('s', "size", &got.size, "SIZE", "bytes", .max = 1024 * 1024),
        SKT_OPT_RATE(0, "limit-rate", &got.rate, "RATE", "not faster"),
        SKT_OPT_TIME('w', "wait", &got.wait, "TIME", "wait so long (2s)", .min = SKT_MS),
        SKT_OPT_PERCENT(0, "loss", &got.loss, "PCT", "lose that share"),
        SKT_OPT_STR('n', "name", &got.name, "NAME", "a name", .min = 1, .max = 8),
        SKT_OPT_PATH('f', "file", &got.file, "FILE", "a file"),
        SKT_OPT_CHOICE(0, "shape", &got.shape, "SHAPE", shape_names, "round or square"),
        SKT_OPT_PORTS('p', "ports", &ports, "PORTS", "these ports"),
        SKT_OPT_LIST(0, "allow", &got.allow, "CIDR", "let in; repeatable", .max = 3),
        SKT_OPT_U32(0, "secret-knob", &got.level, "N", "for tests", .hidden = true),
        SKT_ARG(&got.host, "HOST", "where"),
        SKT_ARG_OPT(&got.port, "PORT", "which port"),
        SKT_OPT_END,
    };
    if (r == 0)
        r = skt_cli_parse(cli, opts);
    got.count_given = r == 0 && skt_cli_given(cli, opts, "count");
    got.ports = skt_ranges_count(&ports);
    got.has_80 = skt_ranges_has(&ports, 80);
    skt_ranges_done(&ports);
    got.json = cli->json;
    got.quiet = cli->quiet;
    got.verbose = cli->verbose;
    got.pcap = cli->pcap;
    got.ran = r == 0;
    return r;
}

/* "send PATH... HOST:PORT" */
static inline int try_send(struct skt_cli *cli)
{
    memset(&got, 0, sizeof got);
    const struct skt_opt opts[] = {
        SKT_OPT_STR('k', "key-file", &got.file, "FILE", "the key", .required = true),
        SKT_OPT_FLAG('q', "quick", &got.deep, "its own -q"),
        SKT_ARGS(&got.more, "PATH", "what to send", .min = 1),
        SKT_ARG(&got.host, "HOST:PORT", "where to"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    got.quiet = cli->quiet;
    got.ran = r == 0;
    return r;
}

static const struct skt_verb try_verb = { "try", "Try something", try_run,
    .about = "One paragraph that is long enough to be wrapped at the end of a line of a terminal, which has 80.\n\n"
             "Another one, with *stars* and under_scores.",
    .examples = SKT_EXAMPLES({ "sockit try -c 1 localhost", "it's one" }), .see_also = "try send" };
static const struct skt_verb try_send_verb = { "try send", "Send it", try_send };
static const struct skt_verb hidden_verb = { "hidden", "Not shown", try_send, .hidden = true };
static const struct skt_verb *const try_verbs[] = { &try_verb, &try_send_verb, &hidden_verb, NULL };

/* The settings of whoever runs the tests do not count. */
static inline void begin(struct skt_cli *cli, const struct skt_verb *verb)
{
    skt_cli_init(cli, try_verbs);
    cli->verb = verb;
    cli->user_config = "/nonexistent/user";
    cli->etc_config = "/nonexistent/etc";
}

/* Runs the verb with words that a space separates. What it said is in said_text. */
static inline int run_words(struct skt_cli *cli, const char *line)
{
    static char words[4096];
    static char *argv[64];
    char *rest = words;

    (void)snprintf(words, sizeof words, "%s", line);
    cli->argv = argv;
    cli->argc = 0;
    for (char *word; (word = strsep(&rest, " "));)
        if (*word)
            argv[cli->argc++] = word;
    listen_to_stderr();
    int r = cli->verb->run(cli);
    (void)said();
    return r;
}
