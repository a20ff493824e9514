/* wire/frame.h: a frame of anyone, with whatever its driver says of it: 2 bytes of debt.start, 1 of debt.at, 1 of the kind,
 * 2 of the segment's length, then the frame. What is put lies within its room, and the segments hold the payload once. */
#include "wire/frame.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PREFIX = 6, SEGMENTS = 600 /* of a train, looked at */ };

/* A copy of exactly its size, so that a sanitizer sees the first byte beyond it. */
static struct skt_room copy_of(struct skt_span frame)
{
    size_t n = skt_len(frame);
    uint8_t *p = malloc(n ? n : 1);

    assert(p);
    if (n)
        memcpy(p, frame.p, n);
    return (struct skt_room){ .p = p, .end = p + n };
}

/* A mark stays; and it changes only what is a packet that can carry one. */
static void mark(struct skt_span frame)
{
    struct skt_room marked = copy_of(frame);
    size_t n = skt_len(frame);

    skt_frame_mark(marked);
    if (skt_frame_capable(frame))
        assert(skt_frame_capable(skt_span_of(marked.p, n)));
    assert(skt_frame_packet(skt_span_of(marked.p, n)) == skt_frame_packet(frame));
    free(marked.p);
}

static void settle(struct skt_span frame, struct skt_frame_debt debt)
{
    struct skt_room paid = copy_of(frame);

    skt_frame_settle(paid, debt);
    if (!debt.start || (size_t)debt.start + debt.at + 2 > skt_len(frame))
        assert(!skt_len(frame) || !memcmp(paid.p, frame.p, skt_len(frame)));
    free(paid.p);
}

static size_t segment(const struct skt_cut *cut, uint32_t i)
{
    static uint8_t bytes[SKT_FRAME_MAX];
    size_t from = cut->head + (size_t)i * cut->seg, body;
    struct skt_room out = skt_room_of(bytes, sizeof bytes), tight;
    struct skt_frame_debt debt = { 0 };

    skt_cut_put(cut, i, &out, &debt);
    assert(!out.bad);
    body = (size_t)(out.p - bytes) - cut->head;
    assert(body <= cut->seg && (body == cut->seg || i + 1 == cut->n));
    assert(from + body <= skt_len(cut->frame) && !memcmp(bytes + cut->head, cut->frame.p + from, body));
    assert(debt.start == cut->l4 && (size_t)debt.start + debt.at + 2 <= cut->head + body);
    skt_frame_settle(skt_room_of(bytes, cut->head + body), debt);

    tight = skt_room_of(bytes, cut->head + body - 1); /* a byte too small */
    skt_cut_put(cut, i, &tight, &debt);
    assert(tight.bad && tight.p == bytes);
    return body;
}

static void cut(struct skt_span frame, enum skt_train kind, uint32_t seg, struct skt_frame_debt debt)
{
    struct skt_cut c;
    size_t body = 0;

    if (skt_cut_init(&c, frame, kind, seg, debt))
        return;
    assert(c.n && c.head < skt_len(frame) && c.l3 < c.l4 && c.l4 < c.head);
    for (uint32_t i = 0; i < c.n && i < SEGMENTS; i++)
        body += segment(&c, i);
    assert(c.n > SEGMENTS || body == skt_len(frame) - c.head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct skt_span in = skt_span_of(data, size);
    struct skt_frame_debt debt = { .start = skt_get_u16(&in), .at = skt_get_u8(&in) };
    enum skt_train kind = skt_get_u8(&in) & 1 ? SKT_TRAIN_TCP : SKT_TRAIN_UDP;
    uint32_t seg = skt_get_u16(&in);

    if (in.bad)
        return 0;
    assert(skt_frame_packet(in) <= skt_len(in));
    mark(in);
    settle(in, debt);
    cut(in, kind, seg, debt);
    return 0;
}
