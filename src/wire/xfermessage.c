/* xfermessage: the messages of the control stream, doc/protocol/xfer.md, section 5. As strict as xfer.c. */
#include "wire/xfer.h"

#include "wire/xferinside.h"

#include <assert.h>

enum { ERRNO_MAX = 4095 /* of Linux */, VALUES_MAX = (SKT_XFER_MESSAGE_MAX - 12) / SKT_HASH };
#define GROUP_LIMIT (SIZE_LIMIT / SKT_GROUP + 1) /* groups of the longest file */
static_assert(VALUES_MAX == 511, "as doc/protocol/xfer.md says");

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
    e->data = skt_get_u64(in);
    e->path = skt_get_span(in, skt_get_u16(in));
    e->target = skt_get_span(in, skt_len(*in));
    if (in->bad)
        return;
    in->bad = e->kind < SKT_XFER_FILE || SKT_XFER_DIR_AGAIN < e->kind || e->mode > 07777 ||
              e->size > (e->kind == SKT_XFER_FILE ? SIZE_LIMIT : 0) || e->data > e->size ||
              !skt_xfer_path_ok(e->path) || !target_ok(e->kind, e->target);
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
    assert(e->kind != SKT_XFER_FILE || (e->size <= SIZE_LIMIT && e->data <= e->size));
    skt_put_u8(out, e->kind);
    skt_put_u16(out, e->mode & 07777);
    skt_put_u64(out, (uint64_t)e->mtime);
    skt_put_u64(out, e->kind == SKT_XFER_FILE ? e->size : 0);
    skt_put_u64(out, e->kind == SKT_XFER_FILE ? e->data : 0);
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
