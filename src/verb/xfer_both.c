/* xfer_both: the words of send and recv. */
#include "verb/xfer_both.h"

#include "base/text.h"
#include "drive/crypt.h"
#include "drive/tap.h"
#include "verb/xfer_json.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    ENOUGH = 1000,   /* packets, of which a share that is lost says something */
    RATED = 1 << 20, /* bytes, of which a rate does */
    LINES_MAX = 20   /* of failures on the terminal; --json has them all */
};
#define KEPT "; what has arrived is kept: the same commands at both ends go on from there"
static const skt_time LOOK = 100 * SKT_MS; /* from one look at the progress to the next */
static const skt_time TICK = 20 * SKT_MS;
static const skt_time FAREWELL = 3 * SKT_SEC; /* for who is slow to hear our last packet */

/* --- the secret --- */

/* The end of the last line is no part of the secret: echo writes it, printf does not. */
static size_t without_newline(const uint8_t *text, size_t n)
{
    if (n && text[n - 1] == '\n')
        return n - 1 - (n > 1 && text[n - 2] == '\r');
    return n;
}

int xfer_key(struct xfer_both *x)
{
    int fd = open(x->key_file, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return skt_cli_fail(x->cli, SKT_PHASE_FILE, errno, x->key_file);
    while (
        x->secret_n < sizeof x->secret && (n = read(fd, x->secret + x->secret_n, sizeof x->secret - x->secret_n)) > 0)
        x->secret_n += (size_t)n;
    close(fd);
    if (n < 0)
        return skt_cli_fail(x->cli, SKT_PHASE_FILE, errno, x->key_file);
    if (x->secret_n < sizeof x->secret)
        x->secret_n = without_newline(x->secret, x->secret_n);
    if (!x->secret_n)
        return skt_cli_usage(x->cli, "--key-file %s is empty: put a secret text into it", x->key_file);
    if (x->secret_n == sizeof x->secret)
        return skt_cli_usage(x->cli, "--key-file %s has more than 64 KiB: a line of text is enough", x->key_file);
    return 0;
}

/* 32 letters and digits that nobody mistakes for another (Crockford's base 32): 40 bits in 8 of them. */
static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

bool xfer_code(struct xfer_both *x, const char *typed)
{
    x->secret_n = 0;
    for (; *typed; typed++) {
        char c = *typed >= 'A' && *typed <= 'Z' ? (char)(*typed + 32) : *typed;
        if (c == '-' || c == ' ')
            continue;
        c = (char)(c == 'o' ? '0' : c == 'i' || c == 'l' ? '1' : c);
        if (!strchr(alphabet, c) || x->secret_n == XFER_CODE)
            return false;
        x->secret[x->secret_n++] = (uint8_t)c;
    }
    return x->secret_n == XFER_CODE;
}

int xfer_code_new(struct xfer_both *x, char *ret_shown)
{
    uint8_t chance[XFER_CODE];
    int r = skt_chance(chance, sizeof chance);

    if (r)
        return skt_cli_fail(x->cli, SKT_PHASE_ANY, r, "random bytes");
    for (int i = 0; i < XFER_CODE; i++)
        x->secret[i] = (uint8_t)alphabet[chance[i] % 32];
    x->secret_n = XFER_CODE;
    snprintf(ret_shown, XFER_CODE + 2, "%.4s-%.4s", (char *)x->secret, (char *)x->secret + 4);
    return 0;
}

int xfer_open(struct xfer_both *x)
{
    const char *path = x->cli->pcap;
    struct skt_tap_conf tap = { .wall = skt_tap_wall() };
    int r;

    if (!x->plain)
        return live_open(&x->live, x->cli, NULL);
    if (!path)
        return skt_cli_usage(x->cli, "--pcap-plain is about --pcap: add --pcap FILE");
    if ((r = skt_tap_open(path, &tap, &x->tap)))
        return skt_cli_fail(x->cli, SKT_PHASE_FILE, r, path);
    x->conf.plain = true;
    x->cli->pcap = NULL;
    r = live_open(&x->live, x->cli, NULL);
    x->cli->pcap = path;
    return r;
}

int xfer_new(struct xfer_both *x)
{
    int r;

    x->conf.crypt = skt_crypt();
    if (!x->conf.crypt)
        return skt_cli_fail_why(
            x->cli, SKT_PHASE_ANY, -ENOSYS, "the module sockit-crypt.so is not installed: it encrypts");
    if ((r = skt_chance(x->conf.chance, sizeof x->conf.chance)))
        return skt_cli_fail(x->cli, SKT_PHASE_ANY, r, "random bytes");
    x->conf.secret = skt_span_of(x->secret, x->secret_n);
    x->conf.sessions = XFER_SESSIONS;
    x->conf.deadline = x->conf.silence;
    r = skt_xfer_new(&x->conf, &x->xfer);
    explicit_bzero(x->conf.chance, sizeof x->conf.chance);
    return r ? skt_cli_fail(x->cli, SKT_PHASE_ANY, r, "engine") : 0;
}

/* --- what happened --- */

/* The words of who knows more than the number; for some numbers there are better ones than the system's. NULL: no better ones. */
static const char *words_of(const struct skt_xfer_event *e)
{
    if (*e->text)
        return e->text;
    switch (-e->why) {
    case ECONNREFUSED: return "nobody listens there: does recv run?";
    case EEXIST: return "exists there and differs; recv --overwrite replaces it";
    case ENOSPC: return "No space left where recv stores it (--keep-free leaves some)";
    case ESTALE: return "it changed meanwhile; send it again";
    case EBUSY: return "another transfer is at this file";
    case EINVAL: return "the receiver takes no file of this name";
    default: return NULL;
    }
}

static const char *why_of(const struct skt_xfer_event *e)
{
    const char *words = words_of(e);

    return words ? words : strerror(-e->why);
}

/* Where only the system has words, at which end it said so belongs to them. */
static void put_file_why(const struct xfer_both *x, const struct skt_xfer_event *e, struct skt_room *out)
{
    const char *words = words_of(e);

    if (words)
        skt_put_str(out, words);
    else if (e->here)
        skt_put_fmt(out, "cannot be %s here: %s", x->conf.send ? "read" : "stored", strerror(-e->why));
    else
        skt_put_fmt(out, "the other end cannot %s it: %s", x->conf.send ? "store" : "read", strerror(-e->why));
}

/* Each in an object of --json, the first ones on the terminal. */
static void say_failed(struct xfer_both *x, struct skt_span path, const char *why)
{
    if (x->lines++ < LINES_MAX)
        skt_cli_warn(x->cli, "%.*s: %s", (int)skt_len(path), skt_len(path) ? (const char *)path.p : "", why);
    else
        x->unsaid++;
}

static void file_failed(struct xfer_both *x, const struct skt_xfer_event *e)
{
    struct xfer_session *s = &x->sessions[e->session];
    char why[256];
    struct skt_room out = skt_room_of(why, sizeof why - 1);

    put_file_why(x, e, &out);
    *out.p = 0;
    s->failed++;
    xfer_json_file(x, e, why);
    say_failed(x, e->meta ? e->meta->path : skt_span_of(NULL, 0), why);
}

void xfer_passed(struct xfer_both *x, struct skt_span path, int error, const char *why)
{
    char text[1600];

    snprintf(text, sizeof text, "%s%s", error ? "cannot be read here: " : "", why);
    x->passed++;
    xfer_json_passed(x, path, error, text);
    say_failed(x, path, text);
}

static void file_done(struct xfer_both *x, const struct skt_xfer_event *e)
{
    if (e->meta->kind == SKT_XFER_DIR_AGAIN) /* it was told when it was made */
        return;
    x->sessions[e->session].kinds[e->meta->kind]++;
    xfer_json_file(x, e, NULL);
    skt_cli_debug(x->cli, 1, "%.*s", (int)skt_len(e->meta->path), (const char *)e->meta->path.p);
}

static void opened(struct xfer_both *x, const struct skt_xfer_event *e)
{
    struct xfer_session *s = &x->sessions[e->session];
    *s = (struct xfer_session){ .open = true, .began = skt_rt_now(x->live.rt) };
    s->said = s->began;
    if (e->peer && e->peer->family)
        s->peer = *e->peer;
    else
        (void)skt_rt_peer(x->live.rt, x->link, &s->peer);
    x->open++;
    skt_cli_debug(x->cli, 1, "%s knows the secret", live_addr(&s->peer));
    xfer_json_session(x, e->session);
}

static void capture(struct xfer_both *x, const struct skt_xfer_event *e)
{
    struct skt_addr local, peer = *e->peer;

    if (skt_rt_local(x->live.rt, x->link, &local) || (!peer.family && skt_rt_peer(x->live.rt, x->link, &peer)))
        return; /* the socket is gone: it was the last packet of all */
    skt_tap_datagram(x->tap, skt_rt_now(x->live.rt), 0, e->why ? SKT_TAP_OUT : SKT_TAP_IN, &local, &peer, e->data, 0);
}

static void put_off(struct xfer_both *x, const struct skt_xfer_event *e)
{
    skt_cli_say(x->cli, "the receiver at %s is busy, or has no code at the moment: trying again", x->peer);
    xfer_json_put_off(x, e->session);
}

void xfer_say(struct xfer_both *x, const struct skt_xfer_event *e)
{
    if (e->kind == SKT_XFER_PUT_OFF)
        put_off(x, e);
    if (e->kind == SKT_XFER_PLAIN)
        capture(x, e);
    if (e->kind == SKT_XFER_OPEN_SESSION)
        opened(x, e);
    if (e->kind == SKT_XFER_FILE_FAILED)
        file_failed(x, e);
    if (e->kind == SKT_XFER_FILE_DONE)
        file_done(x, e);
}

/* --- progress --- */

static double lost_share(const struct skt_xfer_stats *s)
{
    return s->packets ? (double)s->packets_lost / (double)s->packets : 0;
}

static void add(uint64_t *sum, uint64_t n) { *sum = *sum == UINT64_MAX || n == UINT64_MAX ? UINT64_MAX : *sum + n; }

/* What one line can say of several sessions: sums, and of round trips the longest. */
static void put_label(struct xfer_both *x, const struct skt_xfer_stats *s)
{
    struct skt_room room = skt_room_of(x->label, sizeof x->label - 1);

    if (x->open > 1)
        skt_put_fmt(&room, "%u senders  ", x->open);
    skt_put_fmt(&room, "%" PRIu64, s->files_done);
    if (s->files != UINT64_MAX && s->files)
        skt_put_fmt(&room, "/%" PRIu64, s->files);
    skt_put_fmt(&room, " files  rtt %.1fms  loss %.1f%%", (double)s->rtt / SKT_MS, 100 * lost_share(s));
    *room.p = 0;
}

void xfer_progress(struct xfer_both *x)
{
    struct skt_xfer_stats sum = { 0 }, s;
    skt_time now = skt_rt_now(x->live.rt);

    if (!x->open || now - x->looked < LOOK)
        return;
    x->looked = now;
    for (uint32_t i = 0; i < XFER_SESSIONS; i++) {
        if (!x->sessions[i].open || !skt_xfer_stats(x->xfer, i, &s))
            continue;
        xfer_json_progress(x, i, &s, now);
        sum.files_done += s.files_done;
        sum.bytes_done += s.bytes_done;
        sum.packets += s.packets;
        sum.packets_lost += s.packets_lost;
        sum.rtt = s.rtt > sum.rtt ? s.rtt : sum.rtt;
        add(&sum.files, s.files);
        add(&sum.bytes, s.bytes);
    }
    if (!x->progress.cli)
        skt_progress_init(&x->progress, x->cli, x->label, 0, now);
    x->progress.total = sum.bytes == UINT64_MAX ? 0 : sum.bytes;
    put_label(x, &sum);
    skt_progress_step(&x->progress, now, sum.bytes_done);
}

/* --- the end --- */

/* What to do now. */
static const char *hint_for(const struct xfer_both *x, int why, bool was_open)
{
    if (why == -EKEYREJECTED && x->conf.pair)
        return ": each try spends a code, recv shows the next";
    if (why == -EKEYREJECTED)
        return ": both ends need the same --key-file";
    return was_open && (why == -ETIMEDOUT || why == -ECONNRESET || why == -ECONNREFUSED) ? KEPT : "";
}

/* An error of the peer or ours, to the phase and the errno that make the exit code which scripts look at. */
static int exit_of(struct xfer_both *x, const struct xfer_session *session, int why, const char *text, bool was_open)
{
    enum skt_phase phase = SKT_PHASE_TALK;
    char said[400];

    switch (-why) {
    case EKEYREJECTED:
    case EKEYREVOKED:
    case EPROTOTYPE:
    case EPROTONOSUPPORT: phase = SKT_PHASE_TLS; break;
    case ECONNREFUSED: phase = SKT_PHASE_CONNECT; break;
    case EBUSY:                        /* too many of us */
    case EACCES: why = -EUSERS; break; /* a limit of the receiver's */
    case EIO: phase = SKT_PHASE_FILE; break;
    default: break;
    }
    snprintf(said, sizeof said, "%s: %s%s", session->peer.family ? live_addr(&session->peer) : x->peer, text,
        hint_for(x, why, was_open));
    return skt_cli_fail_why(x->cli, phase, why, said);
}

static void put_count(struct skt_room *out, uint64_t n, const char *one, const char *many)
{
    if (n)
        skt_put_fmt(out, "%" PRIu64 " %s, ", n, n == 1 ? one : many);
}

static void say_sum(
    struct xfer_both *x, const struct xfer_session *session, const struct skt_xfer_stats *s, skt_time took)
{
    char text[256];
    struct skt_room t = skt_room_of(text, sizeof text - 1);
    uint64_t moved = s->bytes_done - (s->bytes_same < s->bytes_done ? s->bytes_same : s->bytes_done);

    skt_put_fmt(&t, "%" PRIu64 " file%s, ", s->files_done, s->files_done == 1 ? "" : "s");
    put_count(&t, session->kinds[SKT_XFER_DIR], "directory", "directories");
    put_count(&t, session->kinds[SKT_XFER_SYMLINK] + session->kinds[SKT_XFER_HARDLINK], "link", "links");
    skt_put_size(&t, s->bytes_done);
    if (!x->conf.send)
        skt_put_fmt(&t, " from %s", live_addr(&session->peer));
    if (took < SKT_SEC)
        skt_put_fmt(&t, ", stored and verified in %.0f ms", (double)took / SKT_MS);
    else
        skt_put_fmt(&t, ", stored and verified in %.1f s", (double)took / SKT_SEC);
    if (moved >= RATED && took > 0) {
        skt_put_str(&t, " (");
        skt_put_rate(&t, (uint64_t)((double)moved * SKT_SEC / (double)took));
        skt_put_str(&t, ")");
    }
    if (s->bytes_same) {
        skt_put_str(&t, "; ");
        skt_put_size(&t, s->bytes_same);
        skt_put_str(&t, " were there already");
    }
    if (x->conf.send && s->packets_lost && s->packets >= ENOUGH) /* of a few packets it says nothing */
        skt_put_fmt(&t, "; %.2f%% of the packets lost", 100 * lost_share(s));
    *t.p = 0;
    skt_cli_say(x->cli, "%s", text);
}

int xfer_ended(struct xfer_both *x, const struct skt_xfer_event *e)
{
    struct xfer_session *session = &x->sessions[e->session];
    struct skt_xfer_stats s = { 0 };
    bool was_open = session->open;
    skt_time took = skt_rt_now(x->live.rt) - (was_open ? session->began : x->began);

    if (x->progress.cli)
        skt_progress_hide(&x->progress);
    (void)skt_xfer_stats(x->xfer, e->session, &s);
    xfer_json_ended(x, e, e->why ? why_of(e) : NULL, &s, took);
    x->open -= session->open;
    session->open = false;
    if (x->unsaid)
        skt_cli_warn(x->cli, "and %u more failed", x->unsaid);
    x->lines = x->unsaid = 0;
    if ((session->failed || x->passed) && e->hash) { /* the conversation itself went well */
        say_sum(x, session, &s, took);
        skt_cli_warn(x->cli, "%" PRIu64 " did not go over: see above", session->failed + x->passed);
        return SKT_EXIT_LOCAL;
    }
    if (e->why == -ECANCELED) {
        skt_cli_say(x->cli, "%s" KEPT, x->stopped ? why_of(e) : "the other end was stopped");
        return SKT_EXIT_INTERRUPTED;
    }
    if (e->why)
        return exit_of(x, session, e->why, why_of(e), was_open);
    say_sum(x, session, &s, took);
    return 0;
}

int xfer_gone(struct xfer_both *x)
{
    const char *why = skt_rt_why(x->live.rt, x->link);

    return skt_cli_fail_why(x->cli, SKT_PHASE_TALK, -ENOTCONN, *why ? why : "the system has closed the socket");
}

/* --- the last packets --- */

void xfer_stop(struct xfer_both *x)
{
    x->stopped = true;
    skt_xfer_stop(x->xfer);
    (void)skt_rt_step(x->live.rt); /* the signal may have stopped two steps: the one that it met, and the next */
}

void xfer_farewell(struct xfer_both *x)
{
    struct skt_engine engine = skt_xfer_engine(x->xfer);
    skt_time until = skt_rt_now(x->live.rt) + FAREWELL;
    struct skt_xfer_event e;

    if (!x->conf.send)
        skt_xfer_shut(x->xfer); /* there is nobody any more who would store it */
    x->live.every = x->live.due = 0;
    if (live_every(&x->live, TICK))
        return;
    do {
        if (skt_rt_step(x->live.rt) < 0) /* a second signal */
            return;
        while (skt_xfer_next(x->xfer, &e)) /* of sessions that are over: there is nothing to be done any more */
            if (e.job)
                skt_xfer_answer(x->xfer, e.job, -ECANCELED);
            else if (e.kind == SKT_XFER_PLAIN)
                capture(x, &e);
        (void)live_due(&x->live);
    } while (engine.ops->wake(engine.self) != SKT_NEVER && skt_rt_now(x->live.rt) < until);
}

int xfer_close(struct xfer_both *x, int code)
{
    int r;

    if (x->progress.cli)
        skt_progress_done(&x->progress);
    skt_xfer_free(x->xfer);
    explicit_bzero(x->secret, sizeof x->secret);
    if ((r = skt_tap_close(x->tap)))
        r = skt_cli_fail(x->cli, SKT_PHASE_FILE, r, x->cli->pcap);
    return live_close(&x->live, code ? code : r);
}
