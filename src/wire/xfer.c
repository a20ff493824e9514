/* xfer: packets and frames of the transfer protocol, doc/protocol/xfer.md; its messages are in xfermessage.c. A get takes what is
 * exactly so or nothing: what is left over, out of its range or without a meaning is refused, so that each thing has one form. */
#include "wire/xfer.h"

#include "wire/xferinside.h"

#include <assert.h>

enum {
    SESSION = 16,
    SHARE = 32,
    MAC = 32,
    CHECK = 4,         /* of INIT, ACCEPT, CONFIRM */
    VERSIONS_MAX = 64, /* bytes of REJECT's list */
    TEXT_MAX = 255     /* of CLOSE: len[1] */
};

static void put_zeros(struct skt_room *out, size_t n)
{
    if (out->bad || n > skt_left(*out)) {
        out->bad = true;
        return;
    }
    if (n)
        memset(out->p, 0, n);
    out->p += n;
}

/* --- packets --- */

/* The check of a packet that begins at begin, over what it has so far. */
static struct skt_span check_of(const uint8_t *begin, const uint8_t *end, uint8_t *hash)
{
    skt_blake3(skt_span_of(begin, (size_t)(end - begin)), hash);
    return skt_span_of(hash, CHECK);
}

/* Damage only: who changes a packet on purpose computes the check as well. */
static void get_check(struct skt_span *in, const uint8_t *begin)
{
    const uint8_t *end = in->p;
    struct skt_span check = skt_get_span(in, CHECK);
    uint8_t hash[SKT_HASH];

    if (!in->bad)
        in->bad = !skt_span_eq(check, check_of(begin, end, hash));
}

static void put_check(struct skt_room *out, const uint8_t *begin)
{
    uint8_t hash[SKT_HASH];

    if (!out->bad)
        skt_put(out, check_of(begin, out->p, hash));
}

static bool is_mode(uint8_t mode) { return mode == SKT_XFER_PAIR || mode == SKT_XFER_KEY; }

static struct skt_span get_cookie(struct skt_span *in)
{
    uint8_t n = skt_get_u8(in);

    in->bad |= n > SKT_XFER_COOKIE_MAX;
    return skt_get_span(in, n);
}

static void get_init(struct skt_span *in, struct skt_xfer_packet *p, const uint8_t *begin)
{
    p->mode = skt_get_u8(in);
    p->session = get_bytes(in, SESSION);
    if (p->version == SKT_XFER_VERSION) {
        p->share = get_bytes(in, SHARE);
        p->cookie = get_cookie(in);
        in->bad |= !is_mode(p->mode);
        get_check(in, begin);
    }
    in->p = in->end; /* padding */
}

static void get_reject(struct skt_span *in, struct skt_xfer_packet *p)
{
    p->code = skt_get_u8(in);
    p->session = get_bytes(in, SESSION);
    if (p->code == SKT_XFER_VERSIONS)
        p->versions = skt_get_span(in, skt_len(*in));
    in->bad |= !p->code || (p->code > SKT_XFER_BUSY && p->code != SKT_XFER_LOCKED);
    in->bad |= skt_len(p->versions) % 2 || skt_len(p->versions) > VERSIONS_MAX;
    in->bad |= p->code == SKT_XFER_VERSIONS && !skt_len(p->versions);
}

static void get_body(struct skt_span *in, struct skt_xfer_packet *p, const uint8_t *begin)
{
    switch ((enum skt_xfer_type)p->type) {
    case SKT_XFER_INIT: get_init(in, p, begin); return;
    case SKT_XFER_RETRY:
        p->cookie = get_cookie(in);
        in->bad |= !skt_len(p->cookie);
        return;
    case SKT_XFER_ACCEPT:
        p->other = skt_get_u32(in);
        p->share = get_bytes(in, SHARE);
        get_check(in, begin);
        return;
    case SKT_XFER_CONFIRM:
        p->mac = get_bytes(in, MAC);
        get_check(in, begin);
        return;
    case SKT_XFER_REJECT: get_reject(in, p); return;
    case SKT_XFER_SEALED:
        in->bad |= skt_len(*in) <= SKT_XFER_TAG;
        p->body = skt_get_span(in, skt_len(*in));
        return;
    }
    in->bad = true;
}

bool skt_xfer_get(struct skt_span datagram, struct skt_xfer_packet *ret_packet)
{
    struct skt_span in = datagram;
    struct skt_xfer_packet p = { .type = skt_get_u8(&in) };

    p.epoch = skt_get_u8(&in);
    p.version = skt_get_u16(&in);
    p.conn = skt_get_u32(&in);
    p.number = skt_get_u64(&in);
    if (in.bad || (p.type == SKT_XFER_INIT && skt_len(datagram) < SKT_XFER_MIN))
        return false;
    if (p.version != SKT_XFER_VERSION && p.type != SKT_XFER_INIT) {
        *ret_packet = p;
        return true;
    }
    if (p.version == SKT_XFER_VERSION && p.type != SKT_XFER_SEALED && (p.epoch || p.number))
        return false;
    get_body(&in, &p, datagram.p);
    if (in.bad || skt_len(in))
        return false;
    *ret_packet = p;
    return true;
}

void skt_xfer_put_head(struct skt_room *out, const struct skt_xfer_packet *packet)
{
    struct skt_room copy = *out;

    skt_put_u8(&copy, packet->type);
    skt_put_u8(&copy, packet->epoch);
    skt_put_u16(&copy, packet->version);
    skt_put_u32(&copy, packet->conn);
    skt_put_u64(&copy, packet->number);
    commit(out, copy);
}

static void put_init(struct skt_room *out, const struct skt_xfer_packet *p, const uint8_t *begin)
{
    size_t used = SKT_XFER_HEAD + 1 + SESSION + SHARE + 1 + skt_len(p->cookie) + CHECK;

    assert(is_mode(p->mode) && skt_len(p->cookie) <= SKT_XFER_COOKIE_MAX);
    skt_put_u8(out, p->mode);
    skt_put(out, skt_span_of(p->session, SESSION));
    skt_put(out, skt_span_of(p->share, SHARE));
    skt_put_u8(out, (uint8_t)skt_len(p->cookie));
    skt_put(out, p->cookie);
    put_check(out, begin);
    put_zeros(out, SKT_XFER_MIN - used);
}

static void put_body(struct skt_room *out, const struct skt_xfer_packet *p, const uint8_t *begin)
{
    assert(p->type != SKT_XFER_SEALED); /* its head is put, and what is sealed */
    switch ((enum skt_xfer_type)p->type) {
    case SKT_XFER_INIT: put_init(out, p, begin); return;
    case SKT_XFER_RETRY:
        assert(skt_len(p->cookie) && skt_len(p->cookie) <= SKT_XFER_COOKIE_MAX);
        skt_put_u8(out, (uint8_t)skt_len(p->cookie));
        skt_put(out, p->cookie);
        return;
    case SKT_XFER_ACCEPT:
        skt_put_u32(out, p->other);
        skt_put(out, skt_span_of(p->share, SHARE));
        put_check(out, begin);
        return;
    case SKT_XFER_CONFIRM:
        skt_put(out, skt_span_of(p->mac, MAC));
        put_check(out, begin);
        return;
    case SKT_XFER_REJECT:
        assert(skt_len(p->versions) <= VERSIONS_MAX && !skt_len(p->versions) == (p->code != SKT_XFER_VERSIONS));
        skt_put_u8(out, p->code);
        skt_put(out, skt_span_of(p->session, SESSION));
        skt_put(out, p->versions);
        return;
    case SKT_XFER_SEALED: return;
    }
}

void skt_xfer_put(struct skt_room *out, const struct skt_xfer_packet *packet)
{
    struct skt_room copy = *out;

    skt_xfer_put_head(&copy, packet);
    put_body(&copy, packet, out->p);
    commit(out, copy);
}

/* --- frames --- */

/* Numbers from..to - 1 of the next range, the last of which is `last`. */
static struct skt_xfer_range get_range(struct skt_span *in, uint64_t last)
{
    uint32_t more = skt_get_u32(in);

    in->bad |= more > last;
    return (struct skt_xfer_range){ last - more, last + 1 };
}

static void get_ack(struct skt_span *in, struct skt_xfer_ack *ret_ack)
{
    uint64_t largest = skt_get_u64(in);
    uint32_t delay = skt_get_u32(in), n = skt_get_u8(in) + 1U;
    struct skt_xfer_range *range = ret_ack->range;

    in->bad |= n > SKT_XFER_RANGES + 1 || largest == UINT64_MAX;
    if (in->bad)
        return;
    range[0] = get_range(in, largest);
    for (uint32_t i = 1; i < n && !in->bad; i++) {
        uint64_t gap = skt_get_u32(in) + UINT64_C(1);
        in->bad |= gap >= range[i - 1].from;
        range[i] = get_range(in, range[i - 1].from - 1 - gap);
    }
    ret_ack->delay = delay;
    ret_ack->n = n;
}

/* offset[8] len[2] bytes[len]; of one byte at least, and none beyond the longest file. */
static void get_piece(struct skt_span *in, struct skt_xfer_frame *f)
{
    uint16_t len;

    f->offset = skt_get_u64(in);
    len = skt_get_u16(in);
    f->bytes = skt_get_span(in, len);
    in->bad |= !len || f->offset > SIZE_LIMIT - len;
}

static void get_pad(struct skt_span *in, struct skt_xfer_frame *f)
{
    const uint8_t *begin = in->p - 1;

    while (in->p < in->end && *in->p == SKT_XFER_PAD)
        in->p++;
    f->bytes = skt_span_of(begin, (size_t)(in->p - begin));
}

static void get_frame_body(struct skt_span *in, struct skt_xfer_frame *f)
{
    switch ((enum skt_xfer_frame_kind)f->kind) {
    case SKT_XFER_PAD: get_pad(in, f); return;
    case SKT_XFER_PING: return;
    case SKT_XFER_ACK: get_ack(in, &f->ack); return;
    case SKT_XFER_BLOCK:
        f->file = skt_get_u32(in);
        get_piece(in, f);
        return;
    case SKT_XFER_STREAM: get_piece(in, f); return;
    case SKT_XFER_CREDIT:
        f->offset = skt_get_u64(in);
        in->bad |= f->offset > SIZE_LIMIT;
        return;
    case SKT_XFER_CLOSE:
        f->code = skt_get_u16(in);
        f->bytes = skt_get_span(in, skt_get_u8(in));
        return;
    }
    in->bad = true;
}

bool skt_xfer_get_frame(struct skt_span *text, struct skt_xfer_frame *ret_frame)
{
    if (text->bad || text->p == text->end)
        return false;
    ret_frame->kind = skt_get_u8(text);
    ret_frame->bytes = (struct skt_span){ 0 };
    get_frame_body(text, ret_frame);
    return !text->bad;
}

void skt_xfer_put_ack(struct skt_room *out, const struct skt_xfer_ack *ack)
{
    struct skt_room copy = *out;
    const struct skt_xfer_range *r = ack->range;
    uint8_t *count;

    assert(ack->n && ack->n <= SKT_XFER_RANGES + 1 && r->from < r->to);
    skt_put_u8(&copy, SKT_XFER_ACK);
    skt_put_u64(&copy, r->to - 1);
    skt_put_u32(&copy, ack->delay);
    count = copy.p;
    skt_put_u8(&copy, 0);
    /* What does not fit into 32 bits is left out, from its lower end: it is older than all that still counts. */
    skt_put_u32(&copy, r->to - r->from > UINT32_MAX ? UINT32_MAX : (uint32_t)(r->to - r->from - 1));
    for (uint32_t i = 1; i < ack->n && skt_left(copy) >= 8; i++) {
        uint64_t gap = r[i - 1].from - r[i].to - 1, more = r[i].to - r[i].from - 1;
        assert(r[i].from < r[i].to && r[i].to < r[i - 1].from);
        if (r[i - 1].to - r[i - 1].from > UINT32_MAX || gap > UINT32_MAX || copy.bad)
            break;
        skt_put_u32(&copy, (uint32_t)gap);
        skt_put_u32(&copy, more > UINT32_MAX ? UINT32_MAX : (uint32_t)more);
        *count = (uint8_t)i;
    }
    commit(out, copy);
}

void skt_xfer_put_block_head(struct skt_room *out, uint32_t file, uint64_t offset, size_t len)
{
    struct skt_room copy = *out;

    assert(len && len <= UINT16_MAX && offset <= SIZE_LIMIT - len);
    skt_put_u8(&copy, SKT_XFER_BLOCK);
    skt_put_u32(&copy, file);
    skt_put_u64(&copy, offset);
    skt_put_u16(&copy, (uint16_t)len);
    commit(out, copy);
}

void skt_xfer_put_block(struct skt_room *out, uint32_t file, uint64_t offset, struct skt_span bytes)
{
    struct skt_room copy = *out;

    skt_xfer_put_block_head(&copy, file, offset, skt_len(bytes));
    skt_put(&copy, bytes);
    commit(out, copy);
}

static void put_stream(struct skt_room *out, uint64_t offset, struct skt_span bytes)
{
    assert(skt_len(bytes) && skt_len(bytes) <= UINT16_MAX && offset <= SIZE_LIMIT - skt_len(bytes));
    skt_put_u8(out, SKT_XFER_STREAM);
    skt_put_u64(out, offset);
    skt_put_u16(out, (uint16_t)skt_len(bytes));
    skt_put(out, bytes);
}

static void put_close(struct skt_room *out, uint16_t code, struct skt_span text)
{
    assert(skt_len(text) <= TEXT_MAX);
    skt_put_u8(out, SKT_XFER_CLOSE);
    skt_put_u16(out, code);
    skt_put_u8(out, (uint8_t)skt_len(text));
    skt_put(out, text);
}

void skt_xfer_put_pad(struct skt_room *out, size_t n)
{
    static_assert(SKT_XFER_PAD == 0, "PAD is a zero");
    put_zeros(out, n);
}

void skt_xfer_put_frame(struct skt_room *out, const struct skt_xfer_frame *frame)
{
    struct skt_room copy = *out;

    switch ((enum skt_xfer_frame_kind)frame->kind) {
    case SKT_XFER_PAD: skt_xfer_put_pad(&copy, skt_len(frame->bytes)); break;
    case SKT_XFER_PING: skt_put_u8(&copy, SKT_XFER_PING); break;
    case SKT_XFER_ACK: skt_xfer_put_ack(&copy, &frame->ack); break;
    case SKT_XFER_STREAM: put_stream(&copy, frame->offset, frame->bytes); break;
    case SKT_XFER_CREDIT:
        assert(frame->offset <= SIZE_LIMIT);
        skt_put_u8(&copy, SKT_XFER_CREDIT);
        skt_put_u64(&copy, frame->offset);
        break;
    case SKT_XFER_BLOCK: skt_xfer_put_block(&copy, frame->file, frame->offset, frame->bytes); break;
    case SKT_XFER_CLOSE: put_close(&copy, frame->code, frame->bytes); break;
    }
    commit(out, copy);
}
