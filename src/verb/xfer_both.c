/* xfer_both: the words of send and recv. */
#include "verb/xfer_both.h"

#include "base/text.h"
#include "cli/json.h"
#include "drive/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINES_MAX = 20 }; /* of failures on the terminal; --json has them all */

/* --- the secret --- */

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

    if (skt_chance(chance, sizeof chance))
        return skt_cli_fail(x->cli, SKT_PHASE_ANY, errno, "random bytes");
    for (int i = 0; i < XFER_CODE; i++)
        x->secret[i] = (uint8_t)alphabet[chance[i] % 32];
    x->secret_n = XFER_CODE;
    snprintf(ret_shown, XFER_CODE + 2, "%.4s-%.4s", (char *)x->secret, (char *)x->secret + 4);
    return 0;
}

int xfer_new(struct xfer_both *x)
{
    int r;

    x->conf.crypt = skt_crypt();
    if (!x->conf.crypt)
        return skt_cli_fail_why(
            x->cli, SKT_PHASE_ANY, -ENOSYS, "the module sockit-crypt.so is not installed: it encrypts");
    if (skt_chance(x->conf.chance, sizeof x->conf.chance))
        return skt_cli_fail(x->cli, SKT_PHASE_ANY, errno, "random bytes");
    x->conf.secret = skt_span_of(x->secret, x->secret_n);
    r = skt_xfer_new(&x->conf, &x->xfer);
    explicit_bzero(x->conf.chance, sizeof x->conf.chance);
    return r ? skt_cli_fail(x->cli, SKT_PHASE_ANY, r, "engine") : 0;
}

/* --- what happened --- */

static void json_hash(struct skt_json *j, const uint8_t *hash)
{
    char hex[65];

    for (int i = 0; hash && i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    if (hash)
        skt_json_str(j, "blake3", hex);
}

static void json_file(struct xfer_both *x, const struct skt_xfer_event *e, const char *event)
{
    struct skt_json j;

    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", event);
    skt_json_u64(&j, "session", e->session);
    if (e->meta) {
        skt_json_span(&j, "path", e->meta->path);
        skt_json_u64(&j, "bytes", e->meta->size);
    }
    if (e->why) {
        skt_json_i64(&j, "errno", -e->why);
        skt_json_str(&j, "why", *e->text ? e->text : strerror(-e->why));
    } else {
        json_hash(&j, e->hash);
    }
    skt_json_end(&j);
}

static void file_failed(struct xfer_both *x, const struct skt_xfer_event *e)
{
    int n = e->meta ? (int)skt_len(e->meta->path) : 0;

    x->files_failed++;
    if (x->cli->json)
        json_file(x, e, "failed");
    if (x->lines++ < LINES_MAX)
        skt_cli_warn(
            x->cli, "%.*s: %s", n, n ? (const char *)e->meta->path.p : "", *e->text ? e->text : strerror(-e->why));
    else
        x->unsaid++;
}

static void opened(struct xfer_both *x, const struct skt_xfer_event *e)
{
    const char *peer = e->peer && e->peer->family ? live_addr(e->peer) : "";
    struct skt_json j;

    skt_cli_debug(x->cli, 1, "session %u%s%s: the secret is right", e->session, *peer ? " with " : "", peer);
    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "session");
    skt_json_u64(&j, "session", e->session);
    skt_json_str(&j, "peer", peer);
    skt_json_end(&j);
}

void xfer_say(struct xfer_both *x, const struct skt_xfer_event *e)
{
    if (e->kind == SKT_XFER_OPEN_SESSION)
        opened(x, e);
    if (e->kind == SKT_XFER_FILE_FAILED)
        file_failed(x, e);
    if (e->kind != SKT_XFER_FILE_DONE)
        return;
    x->files_done++;
    if (x->cli->json)
        json_file(x, e, "file");
    skt_cli_debug(x->cli, 1, "%.*s", (int)skt_len(e->meta->path), (const char *)e->meta->path.p);
}

/* --- progress --- */

static double lost_share(const struct skt_xfer_stats *s)
{
    return s->packets ? (double)s->packets_lost / (double)s->packets : 0;
}

static void json_stats(struct skt_json *j, const struct skt_xfer_stats *s)
{
    skt_json_u64(j, "files_done", s->files_done);
    if (s->files != UINT64_MAX)
        skt_json_u64(j, "files", s->files);
    skt_json_u64(j, "bytes_done", s->bytes_done);
    if (s->bytes != UINT64_MAX)
        skt_json_u64(j, "bytes", s->bytes);
    skt_json_u64(j, "bytes_same", s->bytes_same);
    skt_json_u64(j, "bytes_sent", s->bytes_sent);
    skt_json_u64(j, "bytes_resent", s->bytes_resent);
    skt_json_u64(j, "packets", s->packets);
    skt_json_u64(j, "packets_lost", s->packets_lost);
    skt_json_double(j, "rtt_ms", (double)s->rtt / SKT_MS);
    skt_json_u64(j, "rate", s->rate);
    skt_json_u64(j, "packet_size", s->packet_size);
}

static void json_progress(struct xfer_both *x, uint32_t session, const struct skt_xfer_stats *s, skt_time now)
{
    struct skt_json j;

    if (!x->cli->json || now - x->said < SKT_SEC)
        return;
    x->said = now;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "progress");
    skt_json_u64(&j, "session", session);
    json_stats(&j, s);
    skt_json_end(&j);
    (void)skt_sink_flush(&x->cli->out);
}

void xfer_progress(struct xfer_both *x, uint32_t session)
{
    struct skt_xfer_stats s;
    skt_time now = skt_rt_now(x->live.rt);

    if (!skt_xfer_stats(x->xfer, session, &s))
        return;
    json_progress(x, session, &s, now);
    if (!x->progress.cli)
        skt_progress_init(&x->progress, x->cli, x->label, 0, now);
    x->progress.total = s.bytes == UINT64_MAX ? 0 : s.bytes;
    snprintf(x->label, sizeof x->label, "%" PRIu64 " files  loss %.1f%%  rtt %.1fms ", s.files_done,
        100 * lost_share(&s), (double)s.rtt / SKT_MS);
    skt_progress_step(&x->progress, now, s.bytes_done);
}

/* --- the end --- */

/* An error of the peer or ours, to the phase and so the exit code that scripts look at. */
static enum skt_phase phase_of(int why)
{
    switch (-why) {
    case EACCES:
    case EKEYREJECTED: return SKT_PHASE_TLS; /* the secret */
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH: return SKT_PHASE_CONNECT;
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS: return SKT_PHASE_FILE;
    default: return SKT_PHASE_TALK;
    }
}

static void summary(struct xfer_both *x, const struct skt_xfer_stats *s, skt_time took)
{
    char bytes[32] = "", rate[32] = "", same[32] = "";
    struct skt_room b = skt_room_of(bytes, sizeof bytes - 1), r = skt_room_of(rate, sizeof rate - 1),
                    k = skt_room_of(same, sizeof same - 1);
    double seconds = (double)(took > 0 ? took : 1) / SKT_SEC;

    skt_put_size(&b, s->bytes_done);
    skt_put_rate(&r, (uint64_t)((double)s->bytes_done / seconds));
    skt_put_size(&k, s->bytes_same);
    skt_cli_say(x->cli, "%" PRIu64 " files, %s in %.1f s (%s), stored and verified%s%s%s; loss %.2f%%", s->files_done,
        bytes, seconds, rate, s->bytes_same ? ", " : "", s->bytes_same ? same : "",
        s->bytes_same ? " were there already" : "", 100 * lost_share(s));
}

static void json_ended(
    struct xfer_both *x, const struct skt_xfer_event *e, const struct skt_xfer_stats *s, skt_time took)
{
    struct skt_json j;

    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", e->why ? "broken" : "done");
    skt_json_u64(&j, "session", e->session);
    json_stats(&j, s);
    skt_json_u64(&j, "files_failed", x->files_failed);
    skt_json_double(&j, "seconds", (double)took / SKT_SEC);
    if (e->why)
        skt_json_str(&j, "why", *e->text ? e->text : strerror(-e->why));
    else
        json_hash(&j, e->hash);
    skt_json_end(&j);
}

int xfer_ended(struct xfer_both *x, const struct skt_xfer_event *e)
{
    struct skt_xfer_stats s = { 0 };
    skt_time took = skt_rt_now(x->live.rt) - x->began;

    if (x->progress.cli)
        skt_progress_done(&x->progress);
    (void)skt_xfer_stats(x->xfer, e->session, &s);
    if (x->cli->json)
        json_ended(x, e, &s, took);
    if (x->unsaid)
        skt_cli_warn(x->cli, "and %u more files failed", x->unsaid);
    if (e->why == -ECANCELED)
        return SKT_EXIT_INTERRUPTED;
    if (e->why)
        return skt_cli_fail_why(x->cli, phase_of(e->why), e->why, *e->text ? e->text : strerror(-e->why));
    summary(x, &s, took);
    if (x->files_failed)
        return skt_cli_fail_why(x->cli, SKT_PHASE_FILE, 0, "not all files went: see above");
    return 0;
}

void xfer_stop(struct xfer_both *x)
{
    skt_xfer_stop(x->xfer);
    (void)skt_rt_step(x->live.rt); /* which sends it */
}

int xfer_close(struct xfer_both *x, int code)
{
    if (x->progress.cli)
        skt_progress_done(&x->progress);
    skt_xfer_free(x->xfer);
    explicit_bzero(x->secret, sizeof x->secret);
    return live_close(&x->live, code);
}
