/* cli/parse.h: what people type and what their files say. The input is words, each ended by NUL; after an empty word
 * comes the text of a configuration file. No crash, no leak, no control character on stderr, and what was parsed is
 * within its limits and reads back the same. */
#include "cli/parse.h"

#include "base/ranges.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WORDS_MAX = 32, SAID_MAX = 256 * 1024, VALUE_MAX = 64 * 1024 };

static const char *const names[] = { "auto", "one", "two", NULL };
enum name { AUTO, ONE, TWO };

/* What is written is read back, and written the same again. */
static void reads_back(struct skt_cli *cli, const struct skt_opt *opt)
{
    static char first[VALUE_MAX], second[VALUE_MAX];
    struct skt_room a = skt_room_of(first, sizeof first - 1), b = skt_room_of(second, sizeof second - 1);

    if (opt->kind == SKT_KIND_PERCENT || opt->kind == SKT_KIND_LIST || opt->kind == SKT_KIND_ARGS || skt_opt_unset(opt))
        return; /* a share is rounded; lists are written for people */
    skt_opt_put_value(&a, opt);
    assert(!a.bad);
    *a.p = 0;
    assert(skt_opt_set(cli, opt, first, false, NULL) == 0);
    skt_opt_put_value(&b, opt);
    *b.p = 0;
    assert(!strcmp(first, second));
}

static int try(struct skt_cli *cli)
{
    bool flag = false, on = true;
    uint32_t level = 0, count = 4;
    uint64_t big = 0, bytes = 1, rate = 0;
    skt_time wait = SKT_SEC;
    double loss = 0;
    const char *text = NULL, *file = NULL, *host = NULL, *last = NULL;
    enum name name = AUTO;
    struct skt_strs allow = { 0 }, rest = { 0 };
    struct skt_ranges ports;
    const struct skt_opt opts[] = {
        SKT_OPT_FLAG('f', "flag", &flag, "a flag"),
        SKT_OPT_FLAG('o', "on", &on, "on at first"),
        SKT_OPT_COUNT('l', "level", &level, "one more"),
        SKT_OPT_U32('c', "count", &count, "N", "a number", .min = 1, .max = 100),
        SKT_OPT_U64('b', "big", &big, "N", "a big one"),
        SKT_OPT_SIZE('s', "size", &bytes, "SIZE", "bytes", .min = 1, .max = 1 << 30),
        SKT_OPT_RATE('r', "rate", &rate, "RATE", "bytes/s"),
        SKT_OPT_TIME('w', "wait", &wait, "TIME", "wait", .max = 3600 * SKT_SEC),
        SKT_OPT_PERCENT('L', "loss", &loss, "PCT", "a share"),
        SKT_OPT_STR('t', "text", &text, "TEXT", "a text", .min = 1, .max = 16),
        SKT_OPT_PATH('F', "file", &file, "FILE", "a file"),
        SKT_OPT_CHOICE('n', "name", &name, "NAME", names, "a name"),
        SKT_OPT_PORTS('p', "ports", &ports, "PORTS", "ports"),
        SKT_OPT_LIST('a', "allow", &allow, "CIDR", "a list", .max = 4),
        SKT_ARG(&host, "HOST", "where"),
        SKT_ARGS(&rest, "PATH", "what"),
        SKT_ARG_OPT(&last, "LAST", "never reached"),
        SKT_OPT_END,
    };
    int r = skt_ranges_init(&ports, 64);

    if (r == 0)
        r = skt_cli_parse(cli, opts);
    if (r == 0) {
        assert(host && 1 <= count && count <= 100 && 1 <= bytes && bytes <= 1 << 30 && wait <= 3600 * SKT_SEC);
        assert(name <= TWO && allow.n <= 4 && 0 <= loss && loss <= 1);
        assert(!text || (1 <= strlen(text) && strlen(text) <= 16));
        for (const struct skt_opt *opt = opts; opt->kind; opt++)
            reads_back(cli, opt);
    }
    skt_ranges_done(&ports);
    return r;
}

static const struct skt_verb verb = { "try", "Try", try };
static const struct skt_verb *const verbs[] = { &verb, NULL };

/* The talk of one run, which a terminal would get. */
static void check_talk(int fd)
{
    static uint8_t said[SAID_MAX];
    ssize_t n = pread(fd, said, sizeof said, 0);

    for (ssize_t i = 0; i < n; i++)
        assert(said[i] == '\n' || (said[i] >= ' ' && said[i] != 0x7f));
    assert(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

/* stderr goes to memory; where the sanitizer writes its report it stays what it was. */
static int talk_fd(void)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("talk", MFD_CLOEXEC);
    assert(fd >= 0);
    return fd;
}

static void put_config(int fd, const char *text, size_t n)
{
    assert(ftruncate(fd, 0) == 0 && pwrite(fd, text, n, 0) == (ssize_t)n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    static char path[64];
    char *text = malloc(size + 1), *argv[WORDS_MAX], *word = text;
    struct skt_cli cli;
    int argc = 0, real = dup(2), talk = talk_fd();

    assert(text && real >= 0);
    if (file < 0) {
        file = memfd_create("config", MFD_CLOEXEC);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    for (; word < text + size && *word && argc < WORDS_MAX; word += strlen(word) + 1)
        argv[argc++] = word;
    word += word < text + size;
    put_config(file, word, (size_t)(text + size - word) * (word < text + size));

    skt_cli_init(&cli, verbs);
    skt_sink_init(&cli.out, -1); /* --help */
    cli.log_fd = dup(talk);      /* as if open already: --log must not make files here */
    cli.verb = &verb;
    cli.argc = argc;
    cli.argv = argv;
    cli.user_config = path;
    cli.etc_config = "/nonexistent";
    assert(dup2(talk, 2) == 2);
    int r = verb.run(&cli);
    assert(dup2(real, 2) == 2);
    assert(r == 0 || r == SKT_EXIT_USAGE || r == SKT_CLI_DONE);
    check_talk(talk);
    skt_cli_done(&cli);
    (void)close(real);
    free(text);
    return 0;
}
