/* send: files to who runs recv. */
#include "verb/verbs.h"

#include "drive/file/store.h"
#include "verb/objects.h"
#include "verb/xfer_both.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ASKED = 3 }; /* times for a code */

struct sender {
    struct xfer_both x;
    const char *pair;
    struct skt_strs args;
    struct skt_source *source;
    struct skt_xfer_meta next; /* of the source, not yet taken by the engine */
    bool has_next;
    int code;
    bool over, stopped, waiting_said;
};

/* Devices, pipes, directories that may not be read: whoever looks at the exit code, or reads the objects, must know. */
static void passed_over(struct sender *s)
{
    struct skt_source_pass p = skt_source_pass(s->source);

    xfer_passed(&s->x, p.path, p.error, p.why);
}

static bool find_next(struct sender *s)
{
    enum skt_source_found found;

    while ((found = skt_source_step(s->source, &s->next)) == SKT_SOURCE_PASSED)
        passed_over(s);
    return found == SKT_SOURCE_ENTRY;
}

/* Entries to the engine as long as it takes them. 1: that was all; 0: there are more; -errno: it cannot take the next one. */
static int64_t walk(struct sender *s)
{
    for (int r;;) {
        if (!s->has_next && !(s->has_next = find_next(s)))
            return 1;
        r = skt_xfer_offer(s->x.xfer, &s->next);
        if (r)
            return r == -ENOSPC ? 0 : r; /* asked again; or it never will be, and all would wait */
        s->has_next = false;
    }
}

static void event(struct sender *s, const struct skt_xfer_event *e)
{
    switch (e->kind) {
    case SKT_XFER_WALK: skt_xfer_answer(s->x.xfer, e->job, walk(s)); break;
    case SKT_XFER_READ:
    case SKT_XFER_LAST: skt_xfer_answer(s->x.xfer, e->job, skt_source_do(s->source, e)); break;
    case SKT_XFER_FORGET: (void)skt_source_do(s->source, e); break;
    case SKT_XFER_CLOSED_SESSION:
        s->code = xfer_ended(&s->x, e);
        s->over = true;
        break;
    case SKT_XFER_PUT_OFF:
        s->waiting_said = true;
        xfer_say(&s->x, e);
        break; /* it has answered */
    default: xfer_say(&s->x, e); break;
    }
}

/* The peer's name is resolved: the engine begins when there is somebody to talk to. 0 or an exit code, said already. */
static int dial(struct sender *s)
{
    struct skt_rt *rt = s->x.live.rt;
    struct skt_addr peer;
    const char *why;
    int r;

    while ((r = skt_rt_peer(rt, s->x.link, &peer)) == -ENOTCONN) {
        r = live_step(&s->x.live);
        if (r == -EINTR)
            return SKT_EXIT_INTERRUPTED;
        if (r <= 0)
            break;
        (void)live_due(&s->x.live);
    }
    if (!r) {
        skt_xfer_link(s->x.xfer, s->x.link, NULL);
        return 0;
    }
    why = skt_rt_why(rt, s->x.link);
    return skt_cli_fail_why(s->x.cli, strncmp(why, "resolve ", 8) != 0 ? SKT_PHASE_CONNECT : SKT_PHASE_RESOLVE, r,
        *why ? why : "the socket is gone");
}

/* UDP does not say that nobody is there. */
static void say_waiting(struct sender *s, skt_time began)
{
    if (s->x.open || s->waiting_said || skt_rt_now(s->x.live.rt) - began < 3 * SKT_SEC)
        return;
    s->waiting_said = true;
    skt_cli_say(s->x.cli, "no answer from %s yet: does recv run there, and may UDP pass?", s->x.peer);
}

static int talk(struct sender *s)
{
    skt_time began;
    int r = live_every(&s->x.live, 200 * SKT_MS); /* for the line of progress: also when nothing comes */

    if (r || (r = dial(s)))
        return r;
    s->x.began = began = skt_rt_now(s->x.live.rt);
    for (r = 1; !s->over && r;) {
        struct skt_xfer_event e;
        r = s->stopped ? skt_rt_step(s->x.live.rt) : live_step(&s->x.live);
        if (r == -EINTR && s->stopped)
            return SKT_EXIT_INTERRUPTED;
        if (r == -EINTR)
            xfer_stop(&s->x);
        else if (r < 0)
            return skt_cli_fail(s->x.cli, SKT_PHASE_TALK, r, "runtime");
        s->stopped |= r == -EINTR;
        while (!s->over && skt_xfer_next(s->x.xfer, &e))
            event(s, &e);
        (void)live_due(&s->x.live);
        xfer_progress(&s->x);
        if (!s->over && !s->stopped)
            say_waiting(s, began);
        if (s->x.cli->json)
            (void)skt_sink_flush(&s->x.cli->out);
    }
    if (!s->over)
        return xfer_gone(&s->x);
    xfer_farewell(&s->x);
    return s->code;
}

/* What no code looks like is asked for again: it was never sent. One that looks right is a guess, and goes its way. */
static void ask(struct sender *s)
{
    static char typed[64]; /* pair points to it */

    for (int left = ASKED; left--;) {
        (void)fputs("pair code that recv shows: ", stderr);
        if (!fgets(typed, sizeof typed, stdin))
            return;
        typed[strcspn(typed, "\n")] = 0;
        s->pair = typed;
        if (xfer_code(&s->x, typed))
            return;
        if (left)
            skt_cli_say(s->x.cli, "a code has 8 letters and digits, such as k7qm-2xpd; '%s' is none", typed);
    }
}

/* The code is an argument, a variable or typed in; the key a file. */
static int secret(struct sender *s)
{
    if (s->pair && s->x.key_file)
        return skt_cli_usage(s->x.cli, "--pair and --key-file exclude each other");
    if (s->x.key_file)
        return xfer_key(&s->x);
    s->x.conf.pair = true;
    if (!s->pair && isatty(STDIN_FILENO) && !s->x.cli->quiet)
        ask(s);
    if (!s->pair)
        return skt_cli_usage(s->x.cli, "give --pair CODE (recv shows it; or set SOCKIT_SEND_PAIR) or --key-file FILE");
    if (!xfer_code(&s->x, s->pair))
        return skt_cli_usage(
            s->x.cli, "--pair '%s' is not a code: it has 8 letters and digits, such as k7qm-2xpd", s->pair);
    return 0;
}

static int start(struct sender *s, const char *peer)
{
    const char *where = live_where(s->x.cli, "udp:", peer, NULL);
    struct skt_open_conf open = { .pmtu = true, .doubt = true };
    struct live_need need = { .peer = where, .trees = { s->args.at, s->args.n - 1 } };
    uint64_t files, bytes;
    int r, engine;

    if ((r = xfer_open(&s->x)) || (r = xfer_new(&s->x)))
        return r;
    s->x.peer = peer;
    skt_source_totals(s->source, &files, &bytes);
    skt_xfer_totals(s->x.xfer, files, bytes);
    engine = skt_rt_add(s->x.live.rt, skt_xfer_engine(s->x.xfer));
    if ((r = skt_rt_open(s->x.live.rt, engine, where, &open, &s->x.link)))
        return skt_cli_fail_why(
            s->x.cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_CONNECT, r, skt_rt_why(s->x.live.rt, s->x.link));
    if ((r = live_shut_in(&s->x.live, &need)))
        return r;
    return talk(s);
}

/* "HOST:PORT", "[::1]:PORT", "PORT" of this machine; not "HOST", "[::1]". */
static bool has_port(const char *peer)
{
    const char *end = strchr(peer, ']');

    return strchr(*peer == '[' && end ? end : peer, ':') || !peer[strspn(peer, "0123456789")];
}

static bool is_number(const char *text) { return *text && !text[strspn(text, "0123456789")]; }

/* What people try first. 0 or an exit code. */
static int check_args(struct skt_cli *cli, const struct skt_strs *args)
{
    const char *peer = args->at[args->n - 1], *before = args->at[args->n - 2];

    for (uint32_t i = 0; i + 1 < args->n; i++)
        if (!strcmp(args->at[i], "-"))
            return skt_cli_usage(cli,
                "'-': send is for files, which have names; stdin goes by `sockit connect HOST:PORT` to `sockit listen PORT` "
                "(a file that is called so: ./-)");
    if (args->n > 2 && is_number(peer) && access(before, F_OK))
        return skt_cli_usage(cli, "there is no file '%s'; if it is the host: write %s:%s", before, before, peer);
    if (!strchr(peer, ':') && !access(peer, F_OK))
        return skt_cli_usage(cli, "'%s' is a file: the last argument says where recv listens, HOST[:PORT]", peer);
    return 0;
}

static int send_files(struct skt_cli *cli)
{
    struct sender s = { .x.cli = cli };
    char text[512];
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    const char **paths, *peer;
    char host[300];
    const struct skt_opt opts[] = {
        SKT_OPT_STR(0, "pair", &s.pair, "CODE", "the code that recv shows; good for one transfer"),
        SKT_OPT_RATE(0, "limit-rate", &s.x.conf.rate, "RATE", "send at most so much a second: 10mbit, 1MB/s"),
        XFER_ROWS(&s.x),
        SKT_ARGS(&s.args, "PATH... HOST[:PORT]", "files and directories, then where recv listens", .min = 2),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    assert(s.args.at && s.args.n >= 2); /* the row says so */
    peer = s.args.at[s.args.n - 1];
    if ((r = check_args(cli, &s.args)))
        return r;
    if (!has_port(peer)) {
        snprintf(host, sizeof host, "%.250s:%d", peer, XFER_PORT);
        peer = host;
    }
    paths = calloc(s.args.n, sizeof *paths);
    if (!paths)
        return skt_cli_fail(cli, SKT_PHASE_ANY, -ENOMEM, "paths");
    memcpy(paths, s.args.at, (s.args.n - 1) * sizeof *paths);
    s.x.conf.send = true;
    if ((r = skt_source_new(paths, &s.source, &why))) { /* before anybody goes to fetch a code for it */
        *why.p = 0;
        r = skt_cli_fail_why(cli, SKT_PHASE_FILE, r, text);
    } else if (!(r = secret(&s))) {
        r = start(&s, peer);
    }
    if (s.x.live.rt)
        r = xfer_close(&s.x, r);
    skt_source_free(s.source);
    free(paths);
    return r;
}

const struct skt_verb skt_verb_send = {
    "send",
    "Send files to who runs recv: encrypted, verified, resumed",
    send_files,
    .usage = "[OPTION]... PATH... HOST[:PORT]",
    .about =
        "Where the files are to go, run `sockit recv DIR`: it shows an address and a pair code for this end. Without "
        ":PORT the port is 7411; without --pair or SOCKIT_SEND_PAIR (which `ps` does not show) the code is asked for on a terminal. Directories go with all that is in them: modes, times, "
        "symbolic and hard links, holes.\n\n"
        "Exit code 0 means: stored there, and verified by both. What broke off goes on where it was when both ends are started again: "
        "what is there already is compared, not sent. Else 4 or 5: nobody is there, or no longer; 6: the other end broke off; 7: the secret is wrong; "
        "8: not all files went over; 10: recv takes no more.",
    .examples = SKT_EXAMPLES(
        { "sockit send --pair k7qm-2xpd photos 192.168.1.5:7411", "with the code that recv shows" },
        { "sockit send --key-file ~/.config/sockit/team.key build.tar db.lan:7411", "with a secret that both have" },
        { "sockit send --limit-rate 20mbit --key-file k big.iso far.example.org:7411", "leave room for others" }),
    .objects = objects_send,
    .see_also = "recv,impair",
};
