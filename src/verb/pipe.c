/* pipe: standard input and output on one side, a peer on the other. */
#include "verb/pipe.h"

#include "base/text.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "verb/prompt.h"
#include "verb/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { HEX_ROW = 16 };

struct pipe {
    struct live *live;
    struct pipe_options o;
    struct skt_relay *relay;
    struct prompt *prompt; /* interactive */
    int engine;
    struct skt_sink transcript;
    bool has_transcript, came, progressing;
    bool on_terminal; /* what comes is shown there, escaped */
    struct screen screen;
    struct skt_sink shown;
    uint64_t total; /* bytes of the file that is sent; 0: not known */
    int silent;     /* what a job in the background has for stdin; 0: not needed */
    uint64_t at[2]; /* offset of the next hex row, by direction */
    struct skt_progress progress;
    int code; /* the first that is not 0 */
};

/* --- where --- */

static bool skip(const char **text, const char *prefix)
{
    size_t n = strlen(prefix);

    if (strncmp(*text, prefix, n) != 0)
        return false;
    *text += n;
    return true;
}

int pipe_where(
    struct skt_cli *cli, bool *udp, bool *tls, bool local, const char *host, const char *port, const char **ret_where)
{
    const char *colon;

    if (skip(&host, "udp:"))
        *udp = true;
    else if (skip(&host, "tls:"))
        *tls = true;
    else if (skip(&host, "unix:"))
        local = true;
    else if (skip(&host, "unixgram:"))
        local = *udp = true;
    colon = strchr(host, ':');
    if (port && !local && colon && (host[0] == '[' ? strstr(host, "]:") != NULL : colon == strrchr(host, ':')))
        return skt_cli_usage(cli, "the port is given twice: in '%s', and as '%s'", host, port);
    *ret_where = live_where(cli, local ? (*udp ? "unixgram:" : "unix:") : *udp ? "udp:" : "", host, port);
    return *ret_where ? 0 : skt_cli_fail(cli, SKT_PHASE_ANY, -ENOMEM, "address");
}

/* --- what passes --- */

static void hex_row(struct skt_cli *cli, bool outward, uint64_t at, struct skt_span row)
{
    char text[128];
    struct skt_room room = skt_room_of(text, sizeof text - 1);

    skt_put_fmt(&room, "%c %08llx ", outward ? '>' : '<', (unsigned long long)at);
    for (size_t i = 0; i < HEX_ROW; i++) {
        if (i < skt_len(row))
            skt_put_fmt(&room, i == 8 ? "  %02x" : " %02x", row.p[i]);
        else
            skt_put_str(&room, i == 8 ? "    " : "   ");
    }
    skt_put_str(&room, "  |");
    for (size_t i = 0; i < skt_len(row); i++)
        skt_put_u8(&room, row.p[i] >= ' ' && row.p[i] < 127 ? row.p[i] : '.');
    skt_put_str(&room, "|");
    *room.p = 0;
    skt_cli_say(cli, "%s", text);
}

static void hex(struct pipe *p, bool outward, struct skt_span bytes)
{
    while (skt_len(bytes)) {
        size_t n = skt_len(bytes) < HEX_ROW ? skt_len(bytes) : HEX_ROW;
        hex_row(p->live->cli, outward, p->at[outward], skt_get_span(&bytes, n));
        p->at[outward] += n;
    }
}

static void transcribe(struct pipe *p, bool outward, struct skt_span bytes)
{
    struct timespec t;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    skt_sink_fmt(&p->transcript, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ %c ", tm.tm_year + 1900, tm.tm_mon + 1,
        tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, t.tv_nsec / 1000, outward ? '>' : '<');
    while (skt_len(bytes)) {
        size_t n = skt_len(bytes) < 4096 ? skt_len(bytes) : 4096;
        struct skt_room room = skt_sink_room(&p->transcript, 4 * n);
        skt_put_escaped(&room, skt_get_span(&bytes, n));
        skt_sink_took(&p->transcript, room);
    }
    skt_sink_str(&p->transcript, "\n");
}

static void show(struct pipe *p, struct skt_span bytes)
{
    while (skt_len(bytes)) {
        struct skt_room room = skt_sink_room(&p->shown, SCREEN_ROOM);
        (void)screen_next(&p->screen, &bytes, &room);
        skt_sink_took(&p->shown, room);
    }
}

/* --- progress --- */

/* A job in the background of its terminal: others write there. */
static bool in_background(void)
{
    pid_t front = tcgetpgrp(STDIN_FILENO);

    return front > 0 && front != getpgrp();
}

/* Bytes from or to a file or a pipe are worth a progress line; a conversation on a terminal is not. Before stdin and stdout
 * are handed over. */
static void progress_start(struct pipe *p)
{
    struct stat in, out;
    bool file = !fstat(STDIN_FILENO, &in) && S_ISREG(in.st_mode);

    if (p->o.interactive || p->o.send || (p->on_terminal && !file) || in_background())
        return;
    if (file && !fstat(STDOUT_FILENO, &out) && S_ISCHR(out.st_mode)) /* a terminal, or /dev/null: only one way counts */
        p->total = (uint64_t)in.st_size;
    skt_progress_init(&p->progress, p->live->cli, "", p->total, live_now());
    p->progressing = true;
}

static void progress_step(struct pipe *p)
{
    struct skt_rt_stats stats;

    if (!p->progressing || !p->came)
        return;
    skt_rt_stats(p->live->rt, &stats);
    skt_progress_step(&p->progress, skt_rt_now(p->live->rt), stats.bytes_out);
}

static void progress_end(struct pipe *p)
{
    if (p->progressing)
        skt_progress_done(&p->progress);
    p->progressing = false;
}

/* --- events --- */

static void fail(struct pipe *p, int code)
{
    if (!p->code)
        p->code = code;
}

/* By the stage that the sentence names, else by the error. */
static enum skt_phase phase_of(int why, const char *sentence)
{
    if (!strncmp(sentence, "resolve ", 8))
        return SKT_PHASE_RESOLVE;
    switch (why) {
    case -EPROTO:
    case -EKEYREJECTED:
    case -ECONNABORTED: return SKT_PHASE_TLS;
    case -EINVAL: return SKT_PHASE_USAGE;
    default: return SKT_PHASE_CONNECT;
    }
}

static void json_failed(struct skt_cli *cli, const char *why)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "failed");
    skt_json_str(&j, "error", why);
    skt_json_end(&j);
    (void)skt_sink_flush(&cli->out);
}

static void failed(struct pipe *p, const struct skt_relay_event *ev)
{
    const char *why = skt_rt_why(p->live->rt, ev->link);
    enum skt_phase phase = phase_of(ev->why, why);

    prompt_end(p->prompt);
    if (p->live->cli->json && !p->o.probe)
        json_failed(p->live->cli, *why ? why : strerror(-ev->why));
    fail(p, *why ? skt_cli_fail_why(p->live->cli, phase, ev->why, why)
                 : skt_cli_fail(p->live->cli, phase, ev->why, "peer"));
}

static void json_line(struct skt_cli *cli, const char *event, const struct skt_relay_event *ev)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", event);
    skt_json_str(&j, "peer", live_addr(&ev->peer));
    if (ev->what == SKT_RELAY_LEFT) {
        skt_json_u64(&j, "bytes_in", ev->in);
        skt_json_u64(&j, "bytes_out", ev->out);
        skt_json_double(&j, "duration", (double)ev->stayed / SKT_SEC);
        skt_json_str(&j, "error", ev->why ? strerror(-ev->why) : NULL);
    }
    skt_json_end(&j);
    (void)skt_sink_flush(&cli->out);
}

/* The peer's end without an error is success; local's: only if all was written. */
static void left(struct pipe *p, const struct skt_relay_event *ev)
{
    struct skt_cli *cli = p->live->cli;
    const char *why = skt_rt_why(p->live->rt, ev->link);
    bool typing = !prompt_ended(p->prompt);

    prompt_end(p->prompt);
    if (ev->peer.family)
        skt_cli_debug(cli, 1, "%s left: %llu bytes in, %llu out", live_addr(&ev->peer), (unsigned long long)ev->in,
            (unsigned long long)ev->out);
    if (cli->json && !p->o.probe && p->came)
        json_line(cli, "disconnected", ev);
    if (!ev->why && p->came && typing)
        skt_cli_say(cli, "%s closed the connection", live_addr(&ev->peer));
    if (!ev->why || !p->came)
        return;
    if (ev->outward)
        fail(p, skt_cli_fail(cli, SKT_PHASE_FILE, ev->why, "standard output"));
    else if (*why)
        fail(p, skt_cli_fail_why(cli, ev->why == -ECONNABORTED ? SKT_PHASE_TLS : SKT_PHASE_TALK, ev->why, why));
    else
        fail(p, skt_cli_fail(cli, SKT_PHASE_TALK, ev->why, live_addr(&ev->peer)));
}

static void events(struct pipe *p, skt_link *listener)
{
    struct skt_relay_event ev;

    while (skt_relay_next(p->relay, &ev)) {
        switch (ev.what) {
        case SKT_RELAY_CAME:
            if (!p->came && p->progressing) /* the time before is not part of the rate */
                skt_progress_init(&p->progress, p->live->cli, "", p->total, live_now());
            p->came = true;
            skt_cli_debug(p->live->cli, 1, "connected to %s", live_addr(&ev.peer));
            if (p->live->cli->json && !p->o.probe)
                json_line(p->live->cli, "connected", &ev);
            if (*listener && !p->o.keep && !p->o.udp) {
                (void)skt_rt_close(p->live->rt, *listener);
                *listener = 0;
            }
            break;
        case SKT_RELAY_FAILED: failed(p, &ev); break;
        case SKT_RELAY_LEFT: left(p, &ev); break;
        case SKT_RELAY_BYTES:
            if (p->o.hex)
                hex(p, ev.outward, ev.bytes);
            if (p->has_transcript)
                transcribe(p, ev.outward, ev.bytes);
            if (p->prompt && !ev.outward)
                prompt_show(p->prompt, ev.bytes);
            if (p->on_terminal && !ev.outward) {
                progress_end(p); /* they would share a line */
                show(p, ev.bytes);
            }
            break;
        }
    }
}

/* --- life --- */

int pipe_engine(const struct pipe *p) { return p->engine; }
void pipe_expect(struct pipe *p, skt_link peer) { skt_relay_expect(p->relay, peer); }

static int transcript_open(struct pipe *p)
{
    int fd = open(p->o.transcript, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return skt_cli_fail(p->live->cli, SKT_PHASE_FILE, errno, p->o.transcript);
    skt_sink_init(&p->transcript, fd);
    p->has_transcript = true;
    return 0;
}

static void say_text(struct pipe *p)
{
    if (!p->o.probe)
        (void)skt_relay_say(p->relay, skt_span_str(p->o.send));
    if (!p->o.probe && !p->o.udp)
        (void)skt_relay_say(p->relay, skt_span_str("\n"));
    (void)skt_relay_say_end(p->relay);
}

/* A job in the background that reads its terminal is stopped by it, so it hears silence instead: a pipe in which nobody
 * writes. Gives its end to read, or -errno. */
static int silence(struct pipe *p)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return -errno;
    p->silent = ends[1];
    return ends[0];
}

/* stdin and stdout become one link; what is not read from stdin, because it is said otherwise, leaves it alone. */
static int take_stdio(struct pipe *p, struct skt_relay_conf *conf)
{
    bool in = !p->o.send && !p->o.interactive;
    int out = STDOUT_FILENO, r;

    r = !in ? -1 : in_background() ? silence(p) : STDIN_FILENO;
    if (in && r < 0)
        return r;
    if (p->o.interactive || p->o.probe || p->on_terminal) /* the prompt or we show what comes; a probe nothing */
        out = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return skt_rt_adopt(p->live->rt, p->engine, r, out, &conf->local);
}

static int start(struct pipe *p)
{
    struct skt_relay_conf conf = { .keep = p->o.keep,
        .crlf = p->o.crlf,
        .rate = p->o.rate,
        .datagrams = p->o.udp,
        .linger = p->o.linger,
        .waits = p->o.waits,
        .late_end = p->live->tls != NULL,
        .watch = p->o.hex || p->o.transcript || p->o.interactive || p->on_terminal,
        .say_only = p->o.send || p->o.interactive };
    struct skt_cli *cli = p->live->cli;
    int r;

    if (p->o.transcript && (r = transcript_open(p)))
        return r;
    p->engine = skt_rt_add(p->live->rt, (struct skt_engine){ 0 });
    if ((r = take_stdio(p, &conf)))
        return skt_cli_fail(cli, SKT_PHASE_FILE, r, "standard input and output");
    p->relay = skt_relay_new(&conf);
    if (!p->relay)
        return skt_cli_fail(cli, SKT_PHASE_ANY, -ENOMEM, "engine");
    skt_rt_set(p->live->rt, p->engine, skt_relay_engine(p->relay));
    if (p->o.send)
        say_text(p);
    if (p->o.interactive && (r = prompt_open(p->live, p->relay, &p->prompt)))
        return r;
    return 0;
}

int pipe_open(struct live *live, const struct pipe_options *options, struct pipe **ret_pipe)
{
    struct pipe *p = calloc(1, sizeof *p);
    int r;

    if (!p)
        return skt_cli_fail(live->cli, SKT_PHASE_ANY, -ENOMEM, "pipe");
    p->live = live;
    p->o = *options;
    p->on_terminal = !p->o.interactive && !p->o.probe && isatty(STDOUT_FILENO);
    skt_sink_init(&p->shown, STDOUT_FILENO);
    progress_start(p);
    if (live->cli->json && !p->o.probe) { /* what passes has stdout; its events take the place of talk */
        live->cli->out.fd = STDERR_FILENO;
        live->cli->quiet = true;
    }
    if ((r = start(p))) {
        pipe_close(p);
        return r;
    }
    *ret_pipe = p;
    return 0;
}

void pipe_close(struct pipe *p)
{
    if (!p)
        return;
    if (p->has_transcript) {
        close(p->transcript.fd);
        skt_sink_done(&p->transcript);
    }
    if (p->silent)
        close(p->silent);
    skt_sink_done(&p->shown);
    prompt_close(p->prompt);
    skt_relay_free(p->relay);
    free(p);
}

/* The kernel may refuse to watch a socket: then nobody will ever come. */
static bool listener_lost(struct pipe *p, skt_link listener)
{
    struct skt_addr at;

    if (!listener || skt_rt_local(p->live->rt, listener, &at) != -ESTALE)
        return false;
    fail(p, skt_cli_fail_why(p->live->cli, SKT_PHASE_LISTEN, -ENOMEM, "listen: the kernel would not watch the socket"));
    return true;
}

static void shown_flush(struct pipe *p)
{
    int r = skt_sink_flush(&p->shown);

    if (r && !p->code)
        fail(p, skt_cli_fail(p->live->cli, SKT_PHASE_FILE, r, "standard output"));
}

int pipe_run(struct pipe *p, skt_link listener)
{
    int r, e;

    while ((r = live_step(p->live)) > 0) {
        events(p, &listener);
        shown_flush(p);
        progress_step(p);
        if ((p->code && !p->o.keep) || (p->came && p->o.probe) || listener_lost(p, listener))
            break;
    }
    events(p, &listener);
    shown_flush(p);
    progress_end(p);
    if (p->has_transcript && (e = skt_sink_flush(&p->transcript)))
        fail(p, skt_cli_fail(p->live->cli, SKT_PHASE_FILE, e, p->o.transcript));
    if (live_interrupted())
        fail(p, SKT_EXIT_INTERRUPTED);
    else if (r < 0 && r != -EINTR)
        fail(p, skt_cli_fail(p->live->cli, SKT_PHASE_ANY, r, "runtime"));
    return p->code;
}
