/* cli: from main() to the verb and back.  Start reading at skt_cli_main(), at the end. */
#include "cli/parse.h"

#include "cli/suggest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct skt_kept {
    struct skt_kept *next;
    max_align_t bytes[];
};

void *skt_cli_keep_bytes(struct skt_cli *cli, size_t n)
{
    struct skt_kept *kept = calloc(1, sizeof *kept + n);

    if (!kept)
        return NULL;
    kept->next = cli->kept;
    cli->kept = kept;
    return kept->bytes;
}

const char *skt_cli_keep(struct skt_cli *cli, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = skt_cli_keep_bytes(cli, n);

    return copy ? memcpy(copy, text, n) : NULL;
}

void skt_cli_init(struct skt_cli *cli, const struct skt_verb *const *verbs)
{
    *cli = (struct skt_cli){ .verbs = verbs, .log_fd = -1 };
    skt_sink_init(&cli->out, 1);
}

void skt_cli_done(struct skt_cli *cli)
{
    struct skt_kept *next;

    for (struct skt_kept *kept = cli->kept; kept; kept = next) {
        next = kept->next;
        free(kept);
    }
    if (cli->log_fd >= 0)
        (void)close(cli->log_fd); /* a log that fails does not change the result */
    skt_sink_done(&cli->out);
    *cli = (struct skt_cli){ .log_fd = -1 };
}

int skt_cli_describe(struct skt_cli *cli, const struct skt_verb *verb,
    int (*fn)(struct skt_cli *cli, const struct skt_opt *opts), void *to, bool set)
{
    struct skt_cli other;
    int r;

    skt_cli_init(&other, cli->verbs);
    other.verb = verb;
    other.describe = fn;
    other.describe_to = to;
    other.describe_set = set;
    other.user_config = cli->user_config;
    other.etc_config = cli->etc_config;
    r = verb->run(&other);
    skt_cli_done(&other);
    return r == SKT_CLI_DONE ? 0 : r;
}

/* Does argv begin with the words of name? How many of argv they are; 0: no. "chat serve" may be one, quoted. */
static int words_of(const char *name, int argc, char **argv)
{
    size_t n = strcspn(name, " ");

    if (argc >= 1 && !strcmp(argv[0], name))
        return 1;
    if (argc < 1 || !name[n] || strlen(argv[0]) != n || memcmp(argv[0], name, n) != 0)
        return 0;
    return argc >= 2 && !strcmp(argv[1], name + n + 1) ? 2 : 0;
}

const struct skt_verb *skt_verb_find(const struct skt_verb *const *verbs, int argc, char **argv, int *ret_words)
{
    const struct skt_verb *found = NULL;

    *ret_words = 0;
    for (; *verbs; verbs++) {
        int n = words_of((*verbs)->name, argc, argv);

        if (n > *ret_words) { /* "chat serve" before "chat" */
            *ret_words = n;
            found = *verbs;
        }
    }
    return found;
}

/* "chat", of which there are "chat serve" and "chat join". */
bool skt_verb_is_group(const struct skt_verb *const *verbs, const char *word)
{
    size_t n = strlen(word);

    for (; *verbs; verbs++)
        if (n && !strncmp((*verbs)->name, word, n) && (*verbs)->name[n] == ' ')
            return true;
    return false;
}

/* The second words there are, told to whoever gave only the first. */
static int ask_second_word(struct skt_cli *cli, const char *group)
{
    char words[256];
    struct skt_room out = skt_room_of(words, sizeof words - 1);
    size_t n = strlen(group);

    for (const struct skt_verb *const *v = cli->verbs; *v; v++)
        if (!(*v)->hidden && !strncmp((*v)->name, group, n) && (*v)->name[n] == ' ')
            skt_put_fmt(&out, "%s%s", (char *)out.p == words ? "" : ", ", (*v)->name + n + 1);
    *out.p = 0;
    return skt_cli_usage(cli, "'%s' wants a second word: %s", group, words);
}

int skt_verb_unknown(struct skt_cli *cli, int argc, char **argv)
{
    bool group = skt_verb_is_group(cli->verbs, argv[0]), two = group && argc > 1 && argv[1][0] != '-';
    char words[128];
    struct skt_suggest near = { .word = words };

    if (group && !two)
        return ask_second_word(cli, argv[0]);
    (void)snprintf(words, sizeof words, "%.60s%s%.60s", argv[0], two ? " " : "", two ? argv[1] : "");
    for (const struct skt_verb *const *v = cli->verbs; *v; v++)
        if (!(*v)->hidden)
            skt_suggest_try(&near, (*v)->name);
    if (near.best)
        return skt_cli_usage(cli, "there is no verb '%s'; did you mean '%s'?", words, near.best);
    return skt_cli_usage(cli, "there is no verb '%s'", words);
}

static bool is_help(const char *word) { return !strcmp(word, "--help") || !strcmp(word, "-h"); }

static int run_verb(struct skt_cli *cli, int argc, char **argv)
{
    int words, r;

    cli->verb = skt_verb_find(cli->verbs, argc, argv, &words);
    if (!cli->verb && argc > 1 && skt_verb_is_group(cli->verbs, argv[0]) && is_help(argv[1])) {
        skt_help_group(cli, argv[0]);
        return 0;
    }
    if (!cli->verb)
        return skt_verb_unknown(cli, argc, argv);
    cli->argc = argc - words;
    cli->argv = argv + words;
    r = cli->verb->run(cli);
    return r == SKT_CLI_DONE ? 0 : r < 0 ? (int)skt_exit_of(SKT_PHASE_ANY, r) : r;
}

static int run(struct skt_cli *cli, int argc, char **argv)
{
    int used, r;

    if (argc > 0 && (!strcmp(argv[0], "--version") || !strcmp(argv[0], "-V"))) {
        skt_sink_str(&cli->out, "sockit " SKT_VERSION "\n");
        return 0;
    }
    r = skt_parse_leading(cli, argc, argv, &used);
    if (r)
        return r;
    if (cli->help) {
        skt_help_overview(cli, &cli->out);
        return 0;
    }
    if (used == argc)
        return skt_cli_usage(cli, "nothing to do was named; 'sockit help' lists the verbs");
    return run_verb(cli, argc - used, argv + used);
}

/* A closed descriptor 0, 1 or 2 would be given to the next socket, and talk would go into a connection. */
static void fill_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", fd == 1 ? O_RDONLY : fd ? O_RDWR : O_WRONLY); /* 0, 1: using it is an error */
}

/* The end of stdout: what is still buffered, then what the file system finds out late. A reader that went away is
 * no news to anyone. */
static int finish_stdout(struct skt_cli *cli)
{
    int r = skt_sink_flush(&cli->out);

    if (r == 0 && close(1) < 0 && errno != EINTR && errno != EBADF) /* EBADF: a runtime took it, and closed it */
        r = -errno;
    if (r == -EPIPE)
        return SKT_EXIT_LOCAL;
    return r ? skt_cli_fail(cli, SKT_PHASE_FILE, r, "stdout") : 0;
}

int skt_cli_main(int argc, char **argv, const struct skt_verb *const *verbs)
{
    struct skt_cli cli;
    int code, end;

    fill_standard_descriptors();
    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; a broken pipe is an errno here */
    skt_cli_init(&cli, verbs);
    code = run(&cli, argc > 0 ? argc - 1 : 0, argv + 1);
    end = finish_stdout(&cli);
    skt_cli_done(&cli);
    return code ? code : end;
}
