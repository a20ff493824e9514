/* gate: cookies and refusals, without memory. Start reading at skt_gate_look(). */
#include "engine/xfer/gate.h"

enum { COOKIE_MAC = 16, COOKIE = 8 + COOKIE_MAC, COOKIE_TEXT = 8 + 1 + 16 + 2 + 4 + 1 + 16 + 32 };

void skt_gate_init(struct skt_gate *gate, const struct skt_crypt *crypt, enum skt_xfer_mode mode, const uint8_t *chance)
{
    *gate = (struct skt_gate){ .crypt = crypt, .mode = (uint8_t)mode };
    memcpy(gate->secret, chance, sizeof gate->secret);
}

/* The cookie of `time` for this INIT from this address: any other address, share or session has another. */
static void make_cookie(const struct skt_gate *gate, uint64_t time, const struct skt_xfer_packet *init,
    const struct skt_addr *from, uint8_t *ret_cookie)
{
    uint8_t text[COOKIE_TEXT], mac[SKT_SHA256];
    struct skt_room out = skt_room_of(text, sizeof text), cookie = skt_room_of(ret_cookie, COOKIE);

    skt_put_u64(&out, time);
    skt_put_u8(&out, from->family);
    skt_put(&out, skt_span_of(from->ip, sizeof from->ip));
    skt_put_u16(&out, from->port);
    skt_put_u32(&out, init->conn);
    skt_put_u8(&out, init->mode);
    skt_put(&out, skt_span_of(init->session, 16));
    skt_put(&out, skt_span_of(init->share, SKT_POINT));
    gate->crypt->hmac(gate->secret, sizeof gate->secret, skt_span_of(text, sizeof text), mac);
    skt_put_u64(&cookie, time);
    skt_put(&cookie, skt_span_of(mac, COOKIE_MAC));
}

static bool cookie_is_good(
    const struct skt_gate *gate, uint64_t now_s, const struct skt_xfer_packet *init, const struct skt_addr *from)
{
    struct skt_span in = init->cookie;
    uint8_t ours[COOKIE];
    uint64_t time = skt_get_u64(&in);

    if (skt_len(init->cookie) != COOKIE || time > now_s || now_s - time > SKT_GATE_GOOD)
        return false;
    make_cookie(gate, time, init, from, ours);
    return skt_same_secret(ours, init->cookie.p, COOKIE);
}

static void retry(const struct skt_gate *gate, uint64_t now_s, const struct skt_xfer_packet *init,
    const struct skt_addr *from, struct skt_room *room)
{
    uint8_t cookie[COOKIE] = { 0 };
    struct skt_xfer_packet answer = { .type = SKT_XFER_RETRY,
        .version = SKT_XFER_VERSION,
        .conn = init->conn,
        .cookie = skt_span_of(cookie, sizeof cookie) };

    make_cookie(gate, now_s, init, from, cookie);
    skt_xfer_put(room, &answer);
}

void skt_gate_reject(struct skt_room *room, const struct skt_xfer_packet *init, enum skt_xfer_reject code)
{
    static const uint8_t known[] = { SKT_XFER_VERSION >> 8, SKT_XFER_VERSION & 0xff };
    struct skt_xfer_packet answer = { .type = SKT_XFER_REJECT,
        .version = init->version, /* or who asked could not read it */
        .conn = init->conn,
        .code = (uint8_t)code,
        .session = init->session };

    if (code == SKT_XFER_VERSIONS)
        answer.versions = skt_span_of(known, sizeof known);
    skt_xfer_put(room, &answer);
}

enum skt_gate_says skt_gate_look(const struct skt_gate *gate, skt_time now, struct skt_span datagram,
    const struct skt_xfer_packet *packet, const struct skt_addr *from, struct skt_room *room)
{
    uint64_t now_s = (uint64_t)(now / SKT_SEC);

    if (packet->type != SKT_XFER_INIT || skt_len(datagram) < SKT_XFER_MIN || !packet->session)
        return SKT_GATE_IGNORE;
    if (packet->version != SKT_XFER_VERSION) {
        skt_gate_reject(room, packet, SKT_XFER_VERSIONS);
        return SKT_GATE_ANSWER;
    }
    if (packet->mode != gate->mode) {
        skt_gate_reject(room, packet, SKT_XFER_MODE);
        return SKT_GATE_ANSWER;
    }
    if (cookie_is_good(gate, now_s, packet, from))
        return SKT_GATE_PASS;
    retry(gate, now_s, packet, from, room);
    return SKT_GATE_ANSWER;
}
