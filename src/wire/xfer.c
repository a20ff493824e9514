/* xfer: packets, frames and messages of the transfer protocol, doc/protocol/xfer.md. A get takes what is exactly so or nothing:
 * what is left over, out of its range or without a meaning is refused, so that each thing has one form. */
#include "wire/xfer.h"

#include <assert.h>

enum {
    SESSION = 16,
    SHARE = 32,
    MAC = 32,
    VERSIONS_MAX = 64, /* bytes of REJECT's list */
    ERRNO_MAX = 4095,  /* of Linux */
    TEXT_MAX = 255,    /* of CLOSE: len[1] */
    VALUES_MAX = (SKT_XFER_MESSAGE_MAX - 12) / SKT_HASH
};
#define SIZE_LIMIT  ((uint64_t)INT64_MAX)        /* bytes of a file, as its disk counts them */
#define GROUP_LIMIT (SIZE_LIMIT / SKT_GROUP + 1) /* groups of the longest file */
static_assert(VALUES_MAX == 511, "as doc/protocol/xfer.md says");

static const uint8_t *get_bytes(struct skt_span *in, size_t n) { return skt_get_span(in, n).p; }

/* All of it or nothing: out takes over what was put to its copy. */
static void commit(struct skt_room *out, struct skt_room copy)
{
    if (copy.bad)
        out->bad = true;
    else
        *out = copy;
}

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

static bool is_mode(uint8_t mode) { return mode == SKT_XFER_PAIR || mode == SKT_XFER_KEY; }

static struct skt_span get_cookie(struct skt_span *in)
{
    uint8_t n = skt_get_u8(in);

    in->bad |= n > SKT_XFER_COOKIE_MAX;
    return skt_get_span(in, n);
}

static void get_init(struct skt_span *in, struct skt_xfer_packet *p)
{
    p->mode = skt_get_u8(in);
    p->session = get_bytes(in, SESSION);
    if (p->version == SKT_XFER_VERSION) {
        p->share = get_bytes(in, SHARE);
        p->cookie = get_cookie(in);
        in->bad |= !is_mode(p->mode);
    }
    in->p = in->end; /* padding */
}

static void get_reject(struct skt_span *in, struct skt_xfer_packet *p)
{
    p->code = skt_get_u8(in);
    p->session = get_bytes(in, SESSION);
    if (p->code == SKT_XFER_VERSIONS)
        p->versions = skt_get_span(in, skt_len(*in));
    in->bad |= p->code < SKT_XFER_WRONG || SKT_XFER_LOCKED < p->code;
    in->bad |= skt_len(p->versions) % 2 || skt_len(p->versions) > VERSIONS_MAX;
    in->bad |= p->code == SKT_XFER_VERSIONS && !skt_len(p->versions);
}

static void get_body(struct skt_span *in, struct skt_xfer_packet *p)
{
    switch ((enum skt_xfer_type)p->type) {
    case SKT_XFER_INIT: get_init(in, p); return;
    case SKT_XFER_RETRY:
        p->cookie = get_cookie(in);
        in->bad |= !skt_len(p->cookie);
        return;
    case SKT_XFER_ACCEPT:
        p->other = skt_get_u32(in);
        p->share = get_bytes(in, SHARE);
        return;
    case SKT_XFER_CONFIRM: p->mac = get_bytes(in, MAC); return;
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
    get_body(&in, &p);
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

static void put_init(struct skt_room *out, const struct skt_xfer_packet *p)
{
    size_t used = SKT_XFER_HEAD + 1 + SESSION + SHARE + 1 + skt_len(p->cookie);

    assert(is_mode(p->mode) && skt_len(p->cookie) <= SKT_XFER_COOKIE_MAX);
    skt_put_u8(out, p->mode);
    skt_put(out, skt_span_of(p->session, SESSION));
    skt_put(out, skt_span_of(p->share, SHARE));
    skt_put_u8(out, (uint8_t)skt_len(p->cookie));
    skt_put(out, p->cookie);
    put_zeros(out, SKT_XFER_MIN - used);
}

static void put_body(struct skt_room *out, const struct skt_xfer_packet *p)
{
    assert(p->type != SKT_XFER_SEALED); /* its head is put, and what is sealed */
    switch ((enum skt_xfer_type)p->type) {
    case SKT_XFER_INIT: put_init(out, p); return;
    case SKT_XFER_RETRY:
        assert(skt_len(p->cookie) && skt_len(p->cookie) <= SKT_XFER_COOKIE_MAX);
        skt_put_u8(out, (uint8_t)skt_len(p->cookie));
        skt_put(out, p->cookie);
        return;
    case SKT_XFER_ACCEPT:
        skt_put_u32(out, p->other);
        skt_put(out, skt_span_of(p->share, SHARE));
        return;
    case SKT_XFER_CONFIRM: skt_put(out, skt_span_of(p->mac, MAC)); return;
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
    put_body(&copy, packet);
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

void skt_xfer_put_block(struct skt_room *out, uint32_t file, uint64_t offset, struct skt_span bytes)
{
    struct skt_room copy = *out;

    assert(skt_len(bytes) && skt_len(bytes) <= UINT16_MAX && offset <= SIZE_LIMIT - skt_len(bytes));
    skt_put_u8(&copy, SKT_XFER_BLOCK);
    skt_put_u32(&copy, file);
    skt_put_u64(&copy, offset);
    skt_put_u16(&copy, (uint16_t)skt_len(bytes));
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

/* --- messages --- */

bool skt_xfer_path_ok(struct skt_span path)
{
    const uint8_t *slash;

    if (skt_len(path) > SKT_XFER_PATH_MAX)
        return false;
    do {
        size_t n = skt_len(path);
        slash = n ? memchr(path.p, '/', n) : NULL;
        n = slash ? (size_t)(slash - path.p) : n;
        if (!n || memchr(path.p, 0, n) || (n <= 2 && !memcmp(path.p, "..", n)))
            return false;
        path.p += slash ? n + 1 : n;
    } while (slash);
    return true;
}

/* The text of a symbolic link is not followed by any rule of ours; it only has to be one. */
static bool target_ok(uint8_t kind, struct skt_span target)
{
    size_t n = skt_len(target);

    if (kind == SKT_XFER_HARDLINK)
        return skt_xfer_path_ok(target);
    if (kind == SKT_XFER_SYMLINK)
        return n && n <= SKT_XFER_PATH_MAX && !memchr(target.p, 0, n);
    return !n;
}

static void get_entry(struct skt_span *in, struct skt_xfer_meta *e)
{
    e->kind = skt_get_u8(in);
    e->mode = skt_get_u16(in);
    e->mtime = (int64_t)skt_get_u64(in);
    e->size = skt_get_u64(in);
    e->path = skt_get_span(in, skt_get_u16(in));
    e->target = skt_get_span(in, skt_len(*in));
    if (in->bad)
        return;
    in->bad = e->kind < SKT_XFER_FILE || SKT_XFER_DIR_AGAIN < e->kind || e->mode > 07777 ||
              e->size > (e->kind == SKT_XFER_FILE ? SIZE_LIMIT : 0) || !skt_xfer_path_ok(e->path) ||
              !target_ok(e->kind, e->target);
}

static bool row_ok(uint64_t group, uint64_t count)
{
    return count && count <= GROUP_LIMIT && group <= GROUP_LIMIT - count;
}

static void get_hashes(struct skt_span *in, struct skt_xfer_message *m)
{
    m->file = skt_get_u32(in);
    m->group = skt_get_u64(in);
    m->count = skt_len(*in) / SKT_HASH;
    in->bad |= !row_ok(m->group, m->count);
    m->hash = get_bytes(in, m->count * SKT_HASH);
}

static void get_row(struct skt_span *in, struct skt_xfer_message *m)
{
    m->file = skt_get_u32(in);
    m->group = skt_get_u64(in);
    m->count = skt_get_u64(in);
    in->bad |= !row_ok(m->group, m->count);
}

static void get_error(struct skt_span *in, struct skt_xfer_message *m)
{
    m->file = skt_get_u32(in);
    m->error = skt_get_u16(in);
    in->bad |= !m->error || m->error > ERRNO_MAX;
}

static void get_message_body(struct skt_span *in, struct skt_xfer_message *m)
{
    switch ((enum skt_xfer_message_kind)m->kind) {
    case SKT_XFER_OFFER:
        m->files = skt_get_u64(in);
        m->bytes = skt_get_u64(in);
        return;
    case SKT_XFER_ENTRY:
        m->file = skt_get_u32(in);
        get_entry(in, &m->entry);
        return;
    case SKT_XFER_END:
    case SKT_XFER_MORE:
    case SKT_XFER_CHECK: m->file = skt_get_u32(in); return;
    case SKT_XFER_HASHES: get_hashes(in, m); return;
    case SKT_XFER_ZEROS:
    case SKT_XFER_NEED: get_row(in, m); return;
    case SKT_XFER_SKIP: get_error(in, m); return;
    case SKT_XFER_REFUSE:
        get_error(in, m);
        m->text = skt_get_span(in, skt_len(*in));
        return;
    case SKT_XFER_STORED:
        m->file = skt_get_u32(in);
        m->bytes = skt_get_u64(in);
        return;
    case SKT_XFER_SUM: m->hash = get_bytes(in, SKT_HASH); return;
    case SKT_XFER_DONE:
        m->hash = get_bytes(in, SKT_HASH);
        m->stored = skt_get_u32(in);
        m->refused = skt_get_u32(in);
        return;
    }
    in->bad = true;
}

bool skt_xfer_get_message(struct skt_span *in, struct skt_xfer_message *ret_message)
{
    struct skt_xfer_message m = { 0 };
    struct skt_span rest = *in, body;
    uint16_t len;

    if (in->bad || skt_len(*in) < 3)
        return false;
    m.kind = skt_get_u8(&rest);
    len = skt_get_u16(&rest);
    if (len > SKT_XFER_MESSAGE_MAX) {
        in->bad = true; /* it never becomes whole */
        return false;
    }
    if (len > skt_len(rest))
        return false;
    body = skt_get_span(&rest, len);
    get_message_body(&body, &m);
    if (body.bad || skt_len(body)) {
        in->bad = true;
        return false;
    }
    *in = rest;
    *ret_message = m;
    return true;
}

static void put_entry(struct skt_room *out, const struct skt_xfer_meta *e)
{
    bool link = e->kind == SKT_XFER_SYMLINK || e->kind == SKT_XFER_HARDLINK;

    assert(SKT_XFER_FILE <= e->kind && e->kind <= SKT_XFER_DIR_AGAIN && skt_xfer_path_ok(e->path));
    assert(!link || target_ok(e->kind, e->target));
    assert(e->kind != SKT_XFER_FILE || e->size <= SIZE_LIMIT);
    skt_put_u8(out, e->kind);
    skt_put_u16(out, e->mode & 07777);
    skt_put_u64(out, (uint64_t)e->mtime);
    skt_put_u64(out, e->kind == SKT_XFER_FILE ? e->size : 0);
    skt_put_u16(out, (uint16_t)skt_len(e->path));
    skt_put(out, e->path);
    if (link)
        skt_put(out, e->target);
}

static void put_row(struct skt_room *out, const struct skt_xfer_message *m)
{
    assert(row_ok(m->group, m->count));
    skt_put_u32(out, m->file);
    skt_put_u64(out, m->group);
    if (m->kind == SKT_XFER_HASHES) {
        assert(m->count <= VALUES_MAX);
        skt_put(out, skt_span_of(m->hash, m->count * SKT_HASH));
    } else {
        skt_put_u64(out, m->count);
    }
}

static void put_error(struct skt_room *out, const struct skt_xfer_message *m)
{
    assert(m->error && m->error <= ERRNO_MAX);
    skt_put_u32(out, m->file);
    skt_put_u16(out, m->error);
}

static void put_message_body(struct skt_room *out, const struct skt_xfer_message *m)
{
    switch ((enum skt_xfer_message_kind)m->kind) {
    case SKT_XFER_OFFER:
        skt_put_u64(out, m->files);
        skt_put_u64(out, m->bytes);
        return;
    case SKT_XFER_ENTRY:
        skt_put_u32(out, m->file);
        put_entry(out, &m->entry);
        return;
    case SKT_XFER_END:
    case SKT_XFER_MORE:
    case SKT_XFER_CHECK: skt_put_u32(out, m->file); return;
    case SKT_XFER_HASHES:
    case SKT_XFER_ZEROS:
    case SKT_XFER_NEED: put_row(out, m); return;
    case SKT_XFER_SKIP: put_error(out, m); return;
    case SKT_XFER_REFUSE:
        put_error(out, m);
        skt_put(out, m->text);
        return;
    case SKT_XFER_STORED:
        skt_put_u32(out, m->file);
        skt_put_u64(out, m->bytes);
        return;
    case SKT_XFER_SUM: skt_put(out, skt_span_of(m->hash, SKT_HASH)); return;
    case SKT_XFER_DONE:
        skt_put(out, skt_span_of(m->hash, SKT_HASH));
        skt_put_u32(out, m->stored);
        skt_put_u32(out, m->refused);
        return;
    }
}

void skt_xfer_put_message(struct skt_room *out, const struct skt_xfer_message *message)
{
    struct skt_room copy = *out;
    uint8_t *len;
    size_t n;

    skt_put_u8(&copy, message->kind);
    len = copy.p;
    skt_put_u16(&copy, 0);
    put_message_body(&copy, message);
    if (!copy.bad) {
        n = (size_t)(copy.p - len) - 2;
        assert(n <= SKT_XFER_MESSAGE_MAX);
        len[0] = (uint8_t)(n >> 8);
        len[1] = (uint8_t)n;
    }
    commit(out, copy);
}
