/* recv: a directory for who runs send. */
#include "verb/verbs.h"

#include "cli/json.h"
#include "drive/qr.h"
#include "drive/file/storethread.h"
#include "verb/objects.h"
#include "verb/xfer_both.h"

#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "drive/sock.h"

enum { ADDRESSES_SHOWN = 4, GUESSES = 3, KEEP_FREE = 16 << 20 };

struct receiver {
    struct xfer_both x;
    const char *dir, *listen;
    bool keep, qr;
    struct skt_store_conf files;
    struct skt_store *store;
    struct skt_storethread *disk;               /* the store is its own */
    struct skt_addr at, addrs[ADDRESSES_SHOWN]; /* the socket's; where others may reach it */
    uint32_t n_addrs;
    uint32_t ended, guesses; /* sessions so far; codes spent by wrong guesses */
    int code;                /* of the last session that did not go well */
    bool locked, stopped;
};

/* --- where we are, and the code --- */

/* The addresses by which others may reach a wildcard socket. */
static uint32_t addresses(const struct receiver *v, struct skt_addr *ret_addrs)
{
    struct ifaddrs *all, *i;
    uint32_t n = 0;

    if (getifaddrs(&all))
        return 0;
    for (i = all; i && n < ADDRESSES_SHOWN; i = i->ifa_next) {
        struct skt_addr a;
        if (!i->ifa_addr || (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
            continue;
        a = sock_addr((const struct sockaddr_storage *)(const void *)i->ifa_addr,
            i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        if ((a.family == SKT_IP4 && a.ip[0] == 127) || (a.family == SKT_IP6 && (a.id || a.ip[0] == 0xfe || !a.ip[0])))
            continue; /* loopback, link-local */
        a.port = v->at.port;
        ret_addrs[n++] = a;
    }
    freeifaddrs(all);
    return n;
}

static bool is_wildcard(const struct skt_addr *a)
{
    static const uint8_t zeros[16];

    return !memcmp(a->ip, zeros, a->family == SKT_IP4 ? 4 : 16);
}

static void show_qr(struct receiver *v, const char *text)
{
    char drawn[8192];
    struct skt_room room = skt_room_of(drawn, sizeof drawn - 1);

    if (!v->qr)
        return;
    if (skt_qr(text, &room) || room.bad) {
        skt_cli_warn(v->x.cli, "--qr: the module sockit-qr.so is not installed");
        return;
    }
    *room.p = 0;
    (void)fputs(drawn, stderr);
}

static void json_listening(struct receiver *v, const struct skt_addr *addrs, uint32_t n, const char *code)
{
    struct skt_json j;

    if (!v->x.cli->json)
        return;
    skt_json_begin(&j, &v->x.cli->out);
    skt_json_str(&j, "event", "listening");
    skt_json_array(&j, "addresses");
    for (uint32_t i = 0; i < n; i++)
        skt_json_str(&j, NULL, live_addr(&addrs[i]));
    skt_json_close(&j);
    if (code)
        skt_json_str(&j, "code", code);
    skt_json_end(&j);
    (void)skt_sink_flush(&v->x.cli->out);
}

/* Asked for once, before the sandbox: later the kernel is not asked any more. */
static void find_addresses(struct receiver *v)
{
    v->addrs[0] = v->at;
    v->n_addrs = is_wildcard(&v->at) ? addresses(v, v->addrs) : 1;
    if (v->n_addrs)
        return;
    v->addrs[0] = (struct skt_addr){ .family = SKT_IP4, .port = v->at.port, .ip = { 127, 0, 0, 1 } };
    v->n_addrs = 1; /* no interface is up but loopback */
}

/* On a line of its own where both do not fit: a terminal would break the code in two. */
static void say_command(struct receiver *v, const char *what, const char *line)
{
    if (!isatty(2) || strlen(what) + 2 + strlen(line) <= skt_cli_columns(2)) {
        skt_cli_answer(v->x.cli, "%s  %s", what, line);
        return;
    }
    skt_cli_answer(v->x.cli, "%s", what);
    skt_cli_answer(v->x.cli, "%s", line);
}

/* The command for the other end, to be typed or copied. */
static void show(struct receiver *v, const char *code)
{
    char line[256];

    json_listening(v, v->addrs, v->n_addrs, code);
    for (uint32_t i = 0; i < v->n_addrs; i++) {
        if (code)
            snprintf(line, sizeof line, "sockit send --pair %s PATH... %s", code, live_addr(&v->addrs[i]));
        else
            snprintf(line, sizeof line, "sockit send --key-file FILE PATH... %s", live_addr(&v->addrs[i]));
        say_command(v, i ? "or" : "at the other end type:", line);
        if (!i)
            show_qr(v, line);
    }
}

static int new_code(struct receiver *v)
{
    char code[XFER_CODE + 2];
    int r = xfer_code_new(&v->x, code);

    if (!r && v->x.xfer)
        r = skt_xfer_secret(v->x.xfer, skt_span_of(v->x.secret, v->x.secret_n));
    if (!r)
        show(v, code);
    return r;
}

/* --- events --- */

static void json_spent(struct receiver *v)
{
    struct skt_json j;

    if (!v->x.cli->json)
        return;
    skt_json_begin(&j, &v->x.cli->out);
    skt_json_str(&j, "event", "wrong_code");
    skt_json_u64(&j, "left", GUESSES - v->guesses);
    skt_json_end(&j);
}

static void spent(struct receiver *v)
{
    v->guesses++;
    json_spent(v);
    if (v->guesses < GUESSES) {
        skt_cli_warn(v->x.cli, "somebody typed a wrong code: it is spent, here is the next");
        (void)new_code(v);
        return;
    }
    v->locked = true;
    v->code = skt_cli_fail_why(v->x.cli, SKT_PHASE_TLS, -EKEYREVOKED,
        "three wrong codes: no more are taken. If that was not you, somebody guesses; else start again");
}

static void opened(struct receiver *v, const struct skt_xfer_event *e)
{
    xfer_say(&v->x, e);
    if (v->x.conf.pair && v->keep)
        (void)new_code(v); /* the last one was good for this session */
}

static void ended(struct receiver *v, const struct skt_xfer_event *e)
{
    int code = xfer_ended(&v->x, e);

    v->ended++;
    v->code = code ? code : v->code;
}

/* Without -k it was for those who came in the meantime; a locked one has nobody to wait for. */
static bool is_over(const struct receiver *v) { return !v->x.open && (v->locked || (v->ended && !v->keep)); }

/* What the disk has done by now. */
static void answers(struct receiver *v)
{
    int64_t result;
    uint32_t job;

    while (skt_storethread_next(v->disk, &job, &result))
        skt_xfer_answer(v->x.xfer, job, result);
}

static void to_disk(struct receiver *v, const struct skt_xfer_event *e)
{
    int64_t result;

    if (skt_storethread_do(v->disk, e, &result) && e->job)
        skt_xfer_answer(v->x.xfer, e->job, result);
}

static void event(struct receiver *v, const struct skt_xfer_event *e)
{
    if (e->job || e->kind == SKT_XFER_DROP || e->kind == SKT_XFER_CLOSED_SESSION)
        to_disk(v, e);
    switch (e->kind) {
    case SKT_XFER_SECRET_SPENT: spent(v); break;
    case SKT_XFER_OPEN_SESSION: opened(v, e); break;
    case SKT_XFER_CLOSED_SESSION: ended(v, e); break;
    default: xfer_say(&v->x, e); break;
    }
}

/* A signal ends what goes on; where nothing does it ends us at once. */
static bool on_signal(struct receiver *v)
{
    if (v->stopped || !v->x.open)
        return true;
    v->stopped = true;
    skt_storethread_stop(v->disk);
    xfer_stop(&v->x);
    return false;
}

static int interrupted(const struct receiver *v) { return v->keep && v->ended ? 0 : SKT_EXIT_INTERRUPTED; }

static int talk(struct receiver *v)
{
    int r = 1;

    while (!is_over(v) && r) {
        struct skt_xfer_event e;
        r = v->stopped ? skt_rt_step(v->x.live.rt) : live_step(&v->x.live);
        if (r == -EINTR && on_signal(v))
            return interrupted(v);
        if (r < 0 && r != -EINTR)
            return skt_cli_fail(v->x.cli, SKT_PHASE_TALK, r, "runtime");
        answers(v);
        while (!is_over(v) && skt_xfer_next(v->x.xfer, &e))
            event(v, &e);
        if (v->stopped && !v->x.open)
            break;
        xfer_progress(&v->x);
        if (v->x.cli->json)
            (void)skt_sink_flush(&v->x.cli->out);
    }
    if (!r && !is_over(v) && !v->stopped)
        return xfer_gone(&v->x);
    xfer_farewell(&v->x);
    return v->stopped ? interrupted(v) : v->code;
}

/* --- start --- */

/* Without --listen: all addresses, as nothing is taken from who does not know the secret. */
static int listen_at(struct receiver *v, int engine, skt_link *ret_link)
{
    struct skt_listen_conf conf = { .pmtu = true };
    const char *where = v->listen ? live_where(v->x.cli, "udp:", v->listen, NULL) : "udp:*:7411";
    int r = skt_rt_listen(v->x.live.rt, engine, where, &conf, ret_link);

    if (r == -EADDRINUSE && !v->listen)
        r = skt_rt_listen(v->x.live.rt, engine, "udp:*:0", &conf, ret_link);
    if (r)
        return skt_cli_fail_why(
            v->x.cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_LISTEN, r, skt_rt_why(v->x.live.rt, 0));
    return 0;
}

static int start(struct receiver *v)
{
    struct live_need need = { .trees = { &v->dir, 1 }, .trees_written = true };
    int r;

    if ((r = xfer_open(&v->x)))
        return r;
    v->disk = skt_storethread_new(v->store, v->x.live.rt);
    if (!v->disk)
        return skt_cli_fail(v->x.cli, SKT_PHASE_ANY, -ENOMEM, "store");
    if (v->x.key_file)
        r = xfer_key(&v->x);
    else
        v->x.conf.pair = true;
    if (r || (v->x.conf.pair && (r = xfer_code_new(&v->x, (char[XFER_CODE + 2]){ 0 }))))
        return r;
    if ((r = xfer_new(&v->x)) || (r = listen_at(v, skt_rt_add(v->x.live.rt, skt_xfer_engine(v->x.xfer)), &v->x.link)))
        return r;
    skt_xfer_link(v->x.xfer, v->x.link, NULL);
    (void)skt_rt_local(v->x.live.rt, v->x.link, &v->at);
    find_addresses(v);
    if (v->x.conf.pair)
        r = new_code(v);
    else
        show(v, NULL);
    if (!r)
        r = live_shut_in(&v->x.live, &need);
    return r ? r : talk(v);
}

static int not_made(struct receiver *v, int r)
{
    char why[300];

    if (r != -ENOENT)
        return skt_cli_fail(v->x.cli, SKT_PHASE_FILE, r, v->dir);
    snprintf(why, sizeof why, "%.200s cannot be made: the directory above it is missing", v->dir);
    return skt_cli_fail_why(v->x.cli, SKT_PHASE_FILE, r, why);
}

static int receive(struct skt_cli *cli)
{
    struct receiver v = { .x.cli = cli, .x.peer = "a sender", .files.keep_free = KEEP_FREE };
    const struct skt_opt opts[] = {
        SKT_OPT_STR('l', "listen", &v.listen, "[HOST:]PORT",
            "where to listen (all addresses, port 7411; if it is taken, a free one)"),
        SKT_OPT_FLAG('k', "keep", &v.keep, "stay for the next sender, with the next code"),
        SKT_OPT_FLAG(0, "qr", &v.qr, "draw the sender's command as a QR code"),
        SKT_OPT_FLAG(0, "overwrite", &v.files.overwrite, "replace files that exist and differ"),
        SKT_OPT_SIZE(0, "max-bytes", &v.x.conf.max_bytes, "SIZE", "take at most SIZE of one sender (the disk's space)"),
        SKT_OPT_U32(0, "max-files", &v.x.conf.max_files, "N", "take at most N files of one sender (1000000)"),
        SKT_OPT_SIZE(0, "keep-free", &v.files.keep_free, "SIZE", "leave SIZE of the disk free (16MiB)"),
        SKT_OPT_SIZE(0, "window", &v.x.conf.window, "SIZE",
            "ask for up to SIZE ahead of what is stored, less of a slow disk (64MiB)", .min = 1 << 20,
            .max = 1ULL << 32),
        XFER_ROWS(&v.x),
        SKT_ARG(&v.dir, "DIR", "where the files go; made if it is missing, the directory above it is not"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    if ((r = skt_store_new(v.dir, &v.files, &v.store)))
        return not_made(&v, r);
    r = start(&v);
    skt_storethread_free(v.disk); /* before the buffers from which it writes */
    if (v.x.live.rt)
        r = xfer_close(&v.x, r);
    skt_store_free(v.store);
    return r;
}

const struct skt_verb skt_verb_recv = {
    "recv",
    "Receive files from who runs send, into a directory",
    receive,
    .usage = "[OPTION]... DIR",
    .about =
        "Shows an address and a pair code; who types both into `sockit send` may put files into DIR, once (-k: the next one with the next "
        "code). A wrong code is spent by that, and three lock. A used code is a wrong one: with -k and several guests give each the code that is shown after the one before him has come, as recv cannot tell him who types an old one from him who guesses; or use --key-file. With --key-file there is no code: who has the same key may come. Nothing outside DIR is "
        "touched, nothing that exists is overwritten unless asked. A file has its name when it is whole and verified; "
        "what broke off before that waits as NAME.part-sockit, and goes on from there. The disk is asked once, at the end: after a power "
        "cut before that a file may have its name and not its bytes; then --overwrite sends it again.\n\n"
        "--overwrite is about bytes: a file that is there with the same ones, and a directory, get the sender's mode and time in any case, as "
        "with rsync -a. NAME.part-sockit is recv's own name: a plain file of yours that is called so is taken for what a transfer "
        "left, compared, cut or lengthened, and used up.\n\n"
        "Exit codes are those of send; -k ends by a signal, with 0 if anybody came.",
    .examples = SKT_EXAMPLES({ "sockit recv inbox", "shows what to type at the other end" },
        { "sockit recv -k --key-file ~/.config/sockit/team.key inbox", "stays up, for all who have the key" },
        { "sockit recv --listen 127.0.0.1:9000 --max-bytes 10GiB --json inbox", "for a program" }),
    .objects = objects_recv,
    .see_also = "send,impair",
};
