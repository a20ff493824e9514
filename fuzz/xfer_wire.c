/* wire/xfer.h: datagrams, opened texts and control streams of anyone. The first byte chooses. What was read lies inside what
 * was given, keeps the rules of doc/protocol/xfer.md, and is written as it was read. */
#include "wire/xfer.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUT_MAX = 20 * 1024, CHECK = 4 };
static uint8_t wire[INPUT_MAX], mended[INPUT_MAX];

static void is_inside(struct skt_span all, struct skt_span part)
{
    assert(part.p == part.end || (all.p <= part.p && part.p < part.end && part.end <= all.end));
}

static void is_written_so(struct skt_room out, struct skt_span was)
{
    assert(!out.bad && skt_span_eq(skt_span_of(wire, (size_t)(out.p - wire)), was));
}

/* --- packets --- */

static void fields_are_inside(struct skt_span in, const struct skt_xfer_packet *p)
{
    is_inside(in, skt_span_of(p->session, p->session ? 16 : 0));
    is_inside(in, skt_span_of(p->share, p->share ? 32 : 0));
    is_inside(in, skt_span_of(p->mac, p->mac ? 32 : 0));
    is_inside(in, p->cookie);
    is_inside(in, p->versions);
    is_inside(in, p->body);
    assert(skt_len(p->cookie) <= SKT_XFER_COOKIE_MAX);
}

/* INIT's padding is not looked at: it comes back as zeros, and the rest as it was. */
static void init_is_written_so(struct skt_span in, const struct skt_xfer_packet *p)
{
    size_t used = SKT_XFER_HEAD + 1 + 16 + 32 + 1 + skt_len(p->cookie) + CHECK;
    struct skt_room out = skt_room_of(wire, sizeof wire);

    skt_xfer_put(&out, p);
    assert(!out.bad && out.p == wire + SKT_XFER_MIN && !memcmp(wire, in.p, used));
}

static void packet(struct skt_span in)
{
    struct skt_xfer_packet p;
    struct skt_room out = skt_room_of(wire, sizeof wire);

    if (!skt_xfer_get(in, &p))
        return;
    fields_are_inside(in, &p);
    if (p.version != SKT_XFER_VERSION) {
        assert(!p.session == (p.type != SKT_XFER_INIT));
        return;
    }
    assert(SKT_XFER_INIT <= p.type && p.type <= SKT_XFER_SEALED);
    if (p.type == SKT_XFER_INIT) {
        init_is_written_so(in, &p);
        return;
    }
    if (p.type == SKT_XFER_SEALED) {
        skt_xfer_put_head(&out, &p);
        skt_put(&out, p.body);
    } else {
        skt_xfer_put(&out, &p);
    }
    is_written_so(out, in);
}

/* Where a handshake packet has its check; 0: it has none. */
static size_t check_at(struct skt_span in)
{
    size_t n = skt_len(in), cookie = SKT_XFER_HEAD + 1 + 16 + 32;

    switch (n ? *in.p : 0) {
    case SKT_XFER_INIT: return cookie < n ? cookie + 1 + in.p[cookie] : 0;
    case SKT_XFER_ACCEPT: return SKT_XFER_HEAD + 4 + 32;
    case SKT_XFER_CONFIRM: return SKT_XFER_HEAD + 32;
    default: return 0;
    }
}

/* With the right check, which nobody makes by trying. */
static void mended_packet(struct skt_span in)
{
    size_t at = check_at(in), n = skt_len(in);
    uint8_t hash[SKT_HASH];

    if (!at || at + CHECK > n)
        return;
    memcpy(mended, in.p, n);
    skt_blake3(skt_span_of(mended, at), hash);
    memcpy(mended + at, hash, CHECK);
    packet(skt_span_of(mended, n));
}

/* --- frames --- */

static void ack_is_true(const struct skt_xfer_ack *ack)
{
    assert(0 < ack->n && ack->n <= SKT_XFER_RANGES + 1);
    for (uint32_t i = 0; i < ack->n; i++) {
        assert(ack->range[i].from < ack->range[i].to);
        assert(!i || ack->range[i].to < ack->range[i - 1].from);
    }
}

/* The widest range that 32 bits can say is followed by nothing when written: that form is shorter, and as true. */
static bool is_shortened(const struct skt_xfer_ack *ack)
{
    for (uint32_t i = 0; i + 1 < ack->n; i++)
        if (ack->range[i].to - ack->range[i].from > UINT32_MAX ||
            ack->range[i].from - ack->range[i + 1].to > UINT32_MAX)
            return true;
    return false;
}

static void frames(struct skt_span text)
{
    static struct skt_xfer_frame f;
    struct skt_span all = text;
    const uint8_t *from;

    while (from = text.p, skt_xfer_get_frame(&text, &f)) {
        struct skt_room out = skt_room_of(wire, sizeof wire);

        assert(from < text.p && text.p <= all.end && f.kind <= SKT_XFER_CLOSE);
        is_inside(all, f.bytes);
        if (f.kind == SKT_XFER_ACK)
            ack_is_true(&f.ack);
        skt_xfer_put_frame(&out, &f);
        if (f.kind != SKT_XFER_ACK || !is_shortened(&f.ack))
            is_written_so(out, skt_span_of(from, (size_t)(text.p - from)));
    }
    assert(text.bad || text.p == text.end);
}

/* --- messages --- */

static void entry_is_harmless(const struct skt_xfer_meta *e)
{
    assert(skt_xfer_path_ok(e->path) && e->mode <= 07777 && e->size <= INT64_MAX && e->data <= e->size);
    assert(e->kind != SKT_XFER_HARDLINK || skt_xfer_path_ok(e->target));
    assert(*e->path.p != '/' && !memchr(e->path.p, 0, skt_len(e->path)));
}

static void messages(struct skt_span in)
{
    struct skt_span all = in;
    struct skt_xfer_message m;
    const uint8_t *from;

    while (from = in.p, skt_xfer_get_message(&in, &m)) {
        struct skt_room out = skt_room_of(wire, sizeof wire);

        assert(from + 3 <= in.p && in.p <= all.end && in.p - from <= 3 + SKT_XFER_MESSAGE_MAX);
        is_inside(all, m.text);
        is_inside(all, m.entry.path);
        is_inside(all, m.entry.target);
        if (m.hash)
            is_inside(all, skt_span_of(m.hash, SKT_HASH * (m.kind == SKT_XFER_HASHES ? m.count : 1)));
        if (m.kind == SKT_XFER_ENTRY)
            entry_is_harmless(&m.entry);
        skt_xfer_put_message(&out, &m);
        is_written_so(out, skt_span_of(from, (size_t)(in.p - from)));
    }
    assert(in.p == from);
    assert(in.bad || skt_len(in) < 3 + SKT_XFER_MESSAGE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span in;

    if (!size || size > INPUT_MAX)
        return 0;
    in = skt_span_of(data + 1, size - 1);
    if (*data < 85) {
        packet(in);
        mended_packet(in);
    } else if (*data < 170)
        frames(in);
    else
        messages(in);
    return 0;
}
