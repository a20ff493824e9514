/* shake: who is there, and does he know the secret? Start reading at skt_shake_recv(). */
#include "engine/xfer/shake.h"

#include <errno.h>

enum { AD = 7 };
enum { RETRY_NONE, RETRY_ANSWER, RETRY_ANSWERED };
#define GAP_FIRST (SKT_SEC / 2)
#define GAP_LEAST (50 * SKT_MS)
#define GAP_MOST  (2 * SKT_SEC)
#define REST_MOST (4 * SKT_SEC)
enum { UNHEARD = 2 }; /* an INIT and its copy with a new cookie may be under way: the last word still holds */
static const char name[] = "sockit xfer 1"; /* CI of CPace, and the salt */

static int why_of(uint8_t code)
{
    switch ((enum skt_xfer_reject)code) {
    case SKT_XFER_WRONG: return -EKEYREJECTED;
    case SKT_XFER_MODE: return -EPROTOTYPE;
    case SKT_XFER_VERSIONS: return -EPROTONOSUPPORT;
    case SKT_XFER_BUSY: return -EBUSY;
    case SKT_XFER_LOCKED: return -EKEYREVOKED;
    }
    return -EPROTO;
}

/* What each said besides its share: mode, version and the numbers cannot be changed under way. */
static struct skt_span said(uint8_t *bytes, uint8_t mode, uint32_t conn)
{
    struct skt_room out = skt_room_of(bytes, AD);

    if (mode)
        skt_put_u8(&out, mode);
    skt_put_u16(&out, SKT_XFER_VERSION);
    skt_put_u32(&out, conn);
    return skt_span_of(bytes, (size_t)(out.p - bytes));
}

/* Both shares are known: the keys of this conversation. */
static int meet(struct skt_shake *s, uint32_t other, const uint8_t *theirs)
{
    uint8_t isk[SKT_ISK], key[SKT_SHA256], a[AD], b[AD];
    struct skt_span sid = skt_span_of(s->session, sizeof s->session), none = skt_span_of(NULL, 0);
    struct skt_span ada = said(a, s->mode, s->sender ? s->ours : other);
    struct skt_span adb = said(b, 0, s->sender ? other : s->ours);
    int r = s->crypt->isk(
        s->scalar, theirs, sid, s->sender ? s->share : theirs, ada, s->sender ? theirs : s->share, adb, isk);

    if (r)
        return r;
    s->other = other;
    memcpy(s->theirs, theirs, sizeof s->theirs);
    s->crypt->extract(skt_span_str(name), skt_span_of(isk, sizeof isk), s->prk);
    s->crypt->expand(s->prk, "confirm", none, key, sizeof key);
    s->crypt->hmac(key, sizeof key, skt_span_str(s->sender ? "sender" : "receiver"), s->mac_ours);
    s->crypt->hmac(key, sizeof key, skt_span_str(s->sender ? "receiver" : "sender"), s->mac_theirs);
    skt_wipe(isk, sizeof isk);
    skt_wipe(key, sizeof key);
    skt_wipe(s->scalar, sizeof s->scalar);
    return 0;
}

/* To the first repetition: three round trips, if that is known. */
static skt_time first_gap(const struct skt_shake *s)
{
    skt_time gap = s->rtt ? 3 * s->rtt : GAP_FIRST;

    return gap < GAP_LEAST ? GAP_LEAST : gap < GAP_FIRST ? gap : GAP_FIRST;
}

/* A packet of this kind was not sent yet. */
static void begin(struct skt_shake *s, enum skt_shake_state state, skt_time now)
{
    s->state = state;
    s->due = now;
    s->gap = first_gap(s);
    s->sent = 0;
}

int skt_shake_init(struct skt_shake *s, const struct skt_shake_conf *conf, skt_time now)
{
    const struct skt_xfer_packet *init = conf->init;
    int r = 0;

    *s = (struct skt_shake){
        .crypt = conf->crypt, .sender = conf->sender, .mode = (uint8_t)conf->mode, .ours = conf->ours
    };
    memcpy(s->session, init ? init->session : conf->chance, sizeof s->session);
    s->crypt->share(conf->secret, skt_span_str(name), skt_span_of(s->session, sizeof s->session), conf->chance,
        s->scalar, s->share);
    begin(s, s->sender ? SKT_SHAKE_ASKS : SKT_SHAKE_ACCEPTS, now);
    if (init)
        r = meet(s, init->conn, init->share);
    if (r)
        skt_shake_done(s);
    return r;
}

void skt_shake_done(struct skt_shake *s) { skt_wipe(s, sizeof *s); }

static void fail(struct skt_shake *s, skt_time now, int why)
{
    s->state = SKT_SHAKE_FAILED;
    s->why = why;
    s->due = s->sender ? SKT_NEVER : now;
}

bool skt_shake_same(const struct skt_shake *s, const struct skt_xfer_packet *init)
{
    return !s->sender && init->type == SKT_XFER_INIT && init->conn == s->other && init->session && init->share &&
           !memcmp(init->session, s->session, sizeof s->session) && !memcmp(init->share, s->theirs, sizeof s->theirs);
}

/* The answer to the only copy of a packet measures the path. */
static void measure(struct skt_shake *s, skt_time now)
{
    if (s->sent == 1)
        s->rtt = now > s->sent_at ? now - s->sent_at : 1;
}

static bool on_confirm(struct skt_shake *s, skt_time now, const uint8_t *mac)
{
    bool right = skt_same_secret(mac, s->mac_theirs, sizeof s->mac_theirs);

    if (s->state == SKT_SHAKE_DONE || s->state == SKT_SHAKE_FAILED) {
        if (!s->sender && right == (s->state == SKT_SHAKE_DONE))
            s->due = now; /* our answer to it was lost */
        return false;
    }
    if (s->state == SKT_SHAKE_ASKS)
        return false;
    if (!right) {
        fail(s, now, -EKEYREJECTED);
        return true;
    }
    measure(s, now);
    begin(s, SKT_SHAKE_DONE, now);
    if (s->sender)
        s->due = SKT_NEVER;
    return true;
}

static void on_retry(struct skt_shake *s, skt_time now, struct skt_span cookie)
{
    s->cookie_len = (uint8_t)skt_len(cookie);
    memcpy(s->cookie, cookie.p, skt_len(cookie));
    if (s->retry == RETRY_NONE && !s->rests) {
        if (!s->cookied) { /* the one with a cookie is another packet */
            measure(s, now);
            s->sent = 0;
            s->gap = first_gap(s);
        }
        s->cookied = true;
        s->retry = RETRY_ANSWER;
        s->due = now;
    }
}

static bool on_accept(struct skt_shake *s, skt_time now, const struct skt_xfer_packet *packet)
{
    if (meet(s, packet->other, packet->share))
        return false; /* not from who knows how to make a share */
    measure(s, now);
    begin(s, SKT_SHAKE_CONFIRMS, now);
    return true;
}

static bool names_ours(struct skt_span versions)
{
    while (skt_len(versions))
        if (skt_get_u16(&versions) == SKT_XFER_VERSION)
            return true;
    return false;
}

/* REJECT has no check, as all versions share its form: a bit of it, or of the version of our INIT, may have been another one.
 * So it is believed when it says what a receiver says at this point: 1 to CONFIRM, all others to INIT. */
static bool believes(const struct skt_shake *s, const struct skt_xfer_packet *reject)
{
    enum skt_shake_state at = reject->code == SKT_XFER_WRONG ? SKT_SHAKE_CONFIRMS : SKT_SHAKE_ASKS;

    return s->sender && s->state == at && !memcmp(reject->session, s->session, sizeof s->session) &&
           !names_ours(reject->versions);
}

/* No place, or no code at the moment: the same INIT again in a while. Its repetitions are answered so as well, and count
 * once. */
static void put_off(struct skt_shake *s, skt_time now)
{
    if (s->rests)
        return;
    s->busy = s->rests = true;
    s->rest = !s->rest ? GAP_FIRST : s->rest < REST_MOST ? 2 * s->rest : s->rest;
    s->due = now + s->rest;
    s->gap = first_gap(s);
    s->sent = 0;
}

bool skt_shake_is_put_off(const struct skt_shake *s)
{
    return s->busy && s->state == SKT_SHAKE_ASKS && s->sent <= UNHEARD;
}

static bool on_reject(struct skt_shake *s, skt_time now, const struct skt_xfer_packet *packet)
{
    if (!believes(s, packet))
        return false;
    if (packet->code == SKT_XFER_BUSY) {
        put_off(s, now);
        return false;
    }
    fail(s, now, why_of(packet->code));
    return true;
}

bool skt_shake_recv(struct skt_shake *s, skt_time now, const struct skt_xfer_packet *packet)
{
    if (packet->version != SKT_XFER_VERSION)
        return false;
    switch ((enum skt_xfer_type)packet->type) {
    case SKT_XFER_INIT:
        if (skt_shake_same(s, packet) && s->state == SKT_SHAKE_ACCEPTS)
            s->due = now;
        return false;
    case SKT_XFER_RETRY:
        if (s->state == SKT_SHAKE_ASKS)
            on_retry(s, now, packet->cookie);
        return false;
    case SKT_XFER_ACCEPT: return s->state == SKT_SHAKE_ASKS && on_accept(s, now, packet);
    case SKT_XFER_CONFIRM: return on_confirm(s, now, packet->mac);
    case SKT_XFER_REJECT: return on_reject(s, now, packet);
    case SKT_XFER_SEALED: break;
    }
    return false;
}

void skt_shake_put(struct skt_shake *s, skt_time now, struct skt_room *room)
{
    struct skt_xfer_packet p = { .version = SKT_XFER_VERSION, .conn = s->other };

    switch (s->state) {
    case SKT_SHAKE_ASKS:
        p.type = SKT_XFER_INIT;
        p.conn = s->ours;
        p.mode = s->mode;
        p.session = s->session;
        p.share = s->share;
        p.cookie = skt_span_of(s->cookie, s->cookie_len);
        break;
    case SKT_SHAKE_ACCEPTS:
        p.type = SKT_XFER_ACCEPT;
        p.other = s->ours;
        p.share = s->share;
        break;
    case SKT_SHAKE_CONFIRMS:
    case SKT_SHAKE_DONE:
        p.type = SKT_XFER_CONFIRM;
        p.mac = s->mac_ours;
        break;
    case SKT_SHAKE_FAILED:
        p.type = SKT_XFER_REJECT;
        p.code = SKT_XFER_WRONG;
        p.session = s->session;
        break;
    }
    skt_xfer_put(room, &p);
    s->sent++;
    s->sent_at = now;
    s->rests = false;
    s->due = s->state == SKT_SHAKE_ASKS || s->state == SKT_SHAKE_CONFIRMS ? now + s->gap : SKT_NEVER;
    if (s->retry == RETRY_ANSWER) { /* out of turn: the repetition keeps its rhythm */
        s->retry = RETRY_ANSWERED;
        return;
    }
    s->retry = RETRY_NONE;
    s->gap = s->gap < GAP_MOST ? s->gap * 2 : s->gap;
}
