/* xfer_json: what send and recv say with --json. */
#include "verb/xfer_json.h"

#include "cli/json.h"

#include <stdio.h>

static void json_hash(struct skt_json *j, const char *name, const uint8_t *hash)
{
    char hex[65];

    for (int i = 0; hash && i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    if (hash)
        skt_json_str(j, name, hex);
}

static const char *kind_name(uint8_t kind)
{
    switch ((enum skt_xfer_kind)kind) {
    case SKT_XFER_FILE: return "file";
    case SKT_XFER_DIR:
    case SKT_XFER_DIR_AGAIN: return "directory";
    case SKT_XFER_SYMLINK: return "symlink";
    case SKT_XFER_HARDLINK: return "hardlink";
    }
    return "";
}

void xfer_json_file(struct xfer_both *x, const struct skt_xfer_event *e, const char *why)
{
    struct skt_json j;

    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", e->why ? "failed" : "file");
    skt_json_u64(&j, "session", e->session);
    if (e->meta) {
        skt_json_span(&j, "path", e->meta->path);
        skt_json_str(&j, "kind", kind_name(e->meta->kind));
        skt_json_u64(&j, "bytes", e->meta->size);
    }
    if (e->why) {
        skt_json_i64(&j, "errno", -e->why);
        skt_json_str(&j, "why", why);
    } else {
        json_hash(&j, "blake3", e->hash);
    }
    skt_json_end(&j);
}

void xfer_json_passed(struct xfer_both *x, struct skt_span path, int error, const char *why)
{
    struct skt_json j;

    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "failed");
    skt_json_u64(&j, "session", 0); /* a sender has no other one */
    skt_json_span(&j, "path", path);
    if (error)
        skt_json_i64(&j, "errno", error);
    skt_json_str(&j, "why", why);
    skt_json_end(&j);
}

void xfer_json_session(struct xfer_both *x, uint32_t session)
{
    struct skt_json j;

    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "session");
    skt_json_u64(&j, "session", session);
    skt_json_str(&j, "peer", live_addr(&x->sessions[session].peer));
    skt_json_end(&j);
}

void xfer_json_put_off(struct xfer_both *x, uint32_t session)
{
    struct skt_json j;

    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "put_off");
    skt_json_u64(&j, "session", session);
    skt_json_str(&j, "peer", x->peer);
    skt_json_end(&j);
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

void xfer_json_progress(struct xfer_both *x, uint32_t session, const struct skt_xfer_stats *s, skt_time now)
{
    struct skt_json j;

    if (!x->cli->json || now - x->sessions[session].said < SKT_SEC)
        return;
    x->sessions[session].said = now;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", "progress");
    skt_json_u64(&j, "session", session);
    json_stats(&j, s);
    skt_json_end(&j);
    (void)skt_sink_flush(&x->cli->out);
}

void xfer_json_ended(
    struct xfer_both *x, const struct skt_xfer_event *e, const char *why, const struct skt_xfer_stats *s, skt_time took)
{
    struct skt_json j;

    if (!x->cli->json)
        return;
    skt_json_begin(&j, &x->cli->out);
    skt_json_str(&j, "event", e->why ? "broken" : "done");
    skt_json_u64(&j, "session", e->session);
    json_stats(&j, s);
    skt_json_u64(&j, "files_failed", x->sessions[e->session].failed + x->passed);
    skt_json_double(&j, "seconds", (double)took / SKT_SEC);
    skt_json_str(&j, "aead", s->aead ? s->aead : "");
    if (e->why)
        skt_json_str(&j, "why", why);
    else
        json_hash(&j, "sum", e->hash);
    skt_json_end(&j);
}
