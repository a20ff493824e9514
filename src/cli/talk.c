/* talk: what is said on stderr and in the log; one line, one write, escaped. */
#include "cli/parse.h"

#include "base/text.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    SAID_MAX = 2048,                     /* bytes of one line before it is escaped; what is longer is cut */
    LINE_MAX_BYTES = 4 * SAID_MAX + 256, /* escaping makes at most 4 of 1 */
};

static bool wants_color(const struct skt_cli *cli, int fd)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");

    if (cli->color != SKT_COLOR_AUTO)
        return cli->color == SKT_COLOR_ALWAYS;
    return !(none && *none) && term && *term && strcmp(term, "dumb") != 0 && isatty(fd);
}

uint32_t skt_cli_columns(int fd)
{
    struct winsize size;

    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1u : 79; /* the last one may wrap */
}

const char *skt_cli_style(const struct skt_cli *cli, int fd, enum skt_style style)
{
    static const char *const sequence[] = {
        [SKT_PLAIN] = "\033[0m",
        [SKT_BOLD] = "\033[1m",
        [SKT_DIM] = "\033[2m",
        [SKT_RED] = "\033[31m",
        [SKT_GREEN] = "\033[32m",
        [SKT_YELLOW] = "\033[33m",
        [SKT_BLUE] = "\033[34m",
        [SKT_CYAN] = "\033[36m",
    };

    return wants_color(cli, fd) ? sequence[style] : "";
}

/* The line goes out in one write, so that lines of several processes do not mix. Nobody can be told of a failure. */
static void write_line(int fd, const struct skt_room *line, const char *from)
{
    if (write(fd, from, (size_t)((const char *)line->p - from)) < 0)
        return;
}

static void to_stderr(
    struct skt_cli *cli, enum skt_style style, const char *before, const char *label, struct skt_span said)
{
    char line[LINE_MAX_BYTES];
    struct skt_room out = skt_room_of(line, sizeof line);

    if (cli->progress)
        skt_progress_hide(cli->progress);
    skt_put_escaped(&out, skt_span_str(before));
    if (*label)
        skt_put_fmt(&out, "%s%s%s", skt_cli_style(cli, 2, style), label, skt_cli_style(cli, 2, SKT_PLAIN));
    skt_put_escaped(&out, said);
    skt_put_str(&out, "\n");
    if (!out.bad)
        write_line(2, &out, line);
}

static void to_log(struct skt_cli *cli, const char *label, struct skt_span said)
{
    char line[LINE_MAX_BYTES], date[32] = "";
    struct skt_room out = skt_room_of(line, sizeof line);
    struct timespec now;
    struct tm utc;

    if (cli->log_fd < 0)
        return;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc))
        (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    skt_put_fmt(&out, "%s.%03ldZ %s[%ld] %s", date, now.tv_nsec / 1000000, cli->verb ? cli->verb->name : "",
        (long)getpid(), label);
    skt_put_escaped(&out, said);
    skt_put_str(&out, "\n");
    if (!out.bad)
        write_line(cli->log_fd, &out, line);
}

static struct skt_span cut(const char *said, int n)
{
    return skt_span_of(said, n < 0 ? 0 : n < SAID_MAX ? (size_t)n : SAID_MAX - 1);
}

void skt_cli_say(struct skt_cli *cli, const char *fmt, ...)
{
    char said[SAID_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
    if (!cli->quiet)
        to_stderr(cli, SKT_PLAIN, "", "", cut(said, n));
    to_log(cli, "", cut(said, n));
}

void skt_cli_answer(struct skt_cli *cli, const char *fmt, ...)
{
    char said[SAID_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
    to_stderr(cli, SKT_PLAIN, "", "", cut(said, n));
    to_log(cli, "", cut(said, n));
}

void skt_cli_debug(struct skt_cli *cli, uint32_t level, const char *fmt, ...)
{
    char said[SAID_MAX];
    va_list ap;
    int n;

    if (cli->verbose < level && cli->log_fd < 0)
        return;
    va_start(ap, fmt);
    n = vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
    if (cli->verbose >= level && !cli->quiet)
        to_stderr(cli, SKT_DIM, "", "debug: ", cut(said, n));
    to_log(cli, "debug: ", cut(said, n));
}

/* "sockit ping: " */
static void put_name(char *name, size_t size, const struct skt_cli *cli)
{
    (void)snprintf(name, size, "sockit%s%.60s: ", cli->verb ? " " : "", cli->verb ? cli->verb->name : "");
}

static void complain(struct skt_cli *cli, enum skt_style style, const char *label, struct skt_span said)
{
    char name[96];

    put_name(name, sizeof name, cli);
    to_stderr(cli, style, name, label, said);
    to_log(cli, label, said);
}

void skt_cli_warn(struct skt_cli *cli, const char *fmt, ...)
{
    char said[SAID_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
    complain(cli, SKT_YELLOW, "warning: ", cut(said, n));
}

int skt_cli_usage(struct skt_cli *cli, const char *fmt, ...)
{
    char said[SAID_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(said, sizeof said, fmt, ap);
    va_end(ap);
    complain(cli, SKT_RED, "error: ", cut(said, n));
    n = snprintf(said, sizeof said, "see 'sockit %s%s--help'", cli->verb ? cli->verb->name : "", cli->verb ? " " : "");
    to_stderr(cli, SKT_PLAIN, "", "", cut(said, n));
    return SKT_EXIT_USAGE;
}

/* What to do about it; NULL: nothing is known. */
static const char *advice(enum skt_phase phase, int err)
{
    static const struct {
        enum skt_phase phase;
        int err;
        const char *text;
    } rows[] = {
        { SKT_PHASE_LISTEN, EADDRINUSE, "choose another port, or find its owner with 'ss -lntup'" },
        { SKT_PHASE_LISTEN, EACCES, "needs CAP_NET_BIND_SERVICE (or choose a port >= 1024)" },
        { SKT_PHASE_LISTEN, EADDRNOTAVAIL, "this machine has no such address; 'ip addr' lists them" },
        { SKT_PHASE_CONNECT, ECONNREFUSED, "nothing listens there" },
        { SKT_PHASE_CONNECT, ETIMEDOUT, "no answer; check the address, or allow more time with --timeout" },
        { SKT_PHASE_CONNECT, ENETUNREACH, "this machine has no route there" },
        { SKT_PHASE_CONNECT, EHOSTUNREACH, "no way there, or a firewall said no" },
        { SKT_PHASE_CONNECT, ENOENT, "no such socket; is the server running?" },
        { SKT_PHASE_TALK, ECONNRESET, "the other end broke the connection off" },
        { SKT_PHASE_TALK, ETIMEDOUT, "the other end stopped answering" },
        { SKT_PHASE_FILE, ENOSPC, "the disk is full" },
        { SKT_PHASE_FILE, EACCES, "check the rights of the file and of its directory" },
        { SKT_PHASE_ANY, EMFILE, "raise the limit with 'ulimit -n'" },
        { SKT_PHASE_ANY, ENOSYS, "this part is not installed, or this kernel is too old; see 'sockit doctor'" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].err == err && (rows[i].phase == phase || rows[i].phase == SKT_PHASE_ANY))
            return rows[i].text;
    return NULL;
}

int skt_cli_fail(struct skt_cli *cli, enum skt_phase phase, int err, const char *what)
{
    const char *doing = skt_phase_name(phase), *way_out = advice(phase, abs(err));
    char said[SAID_MAX];
    int n = snprintf(said, sizeof said, "%s%s%.1024s: %s%s%s%s", doing, *doing ? " " : "", what, strerror(abs(err)),
        way_out ? " (" : "", way_out ? way_out : "", way_out ? ")" : "");

    complain(cli, SKT_RED, "error: ", cut(said, n));
    return (int)skt_exit_of(phase, err);
}

int skt_cli_fail_why(struct skt_cli *cli, enum skt_phase phase, int err, const char *why)
{
    complain(cli, SKT_RED, "error: ", skt_span_of(why, strnlen(why, SAID_MAX)));
    return (int)skt_exit_of(phase, err);
}

int skt_cli_open_log(struct skt_cli *cli)
{
    if (!cli->log || cli->log_fd >= 0)
        return 0;
    cli->log_fd = open(cli->log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
    return cli->log_fd < 0 ? skt_cli_fail(cli, SKT_PHASE_FILE, errno, cli->log) : 0;
}
