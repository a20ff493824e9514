/* stream: the control stream, both ways. */
#include "engine/xfer/stream.h"

#include <errno.h>
#include <stdlib.h>

enum {
    FIRST_SIZE = 4096,
    SIZE_MAX_ = 2 * SKT_STREAM_MAX, /* so that moving down what waits is rare */
    PIECES = 16384,
    STREAM_HEAD = 1 + 8 + 2,
    LEAST = 32, /* no STREAM frame for less at the end of a packet, unless it is all */
    TELL_AFTER = SKT_STREAM_MAX / 4
};

/* Room for bytes up to `need` behind *off: first by moving down the `used` ones, then by growing. */
static bool make_room(uint8_t **bytes, size_t *off, size_t *size, size_t used, size_t need)
{
    size_t grown = *size ? *size : FIRST_SIZE;
    uint8_t *p;

    if (*off + need <= *size)
        return true;
    if (*off && (need <= *size / 2 || *size == SIZE_MAX_)) {
        memmove(*bytes, *bytes + *off, used);
        *off = 0;
        return need <= *size;
    }
    while (grown < *off + need && grown < SIZE_MAX_)
        grown *= 2;
    p = realloc(*bytes, grown);
    if (!p)
        return false;
    *bytes = p;
    *size = grown;
    return make_room(bytes, off, size, used, need);
}

/* --- out --- */

void skt_stream_out_init(struct skt_stream_out *out)
{
    *out = (struct skt_stream_out){ .credit = SKT_STREAM_MAX };
    (void)skt_ranges_init(&out->acked, PIECES); /* allocate nothing */
    (void)skt_ranges_init(&out->lost, PIECES);
}

void skt_stream_out_done(struct skt_stream_out *out)
{
    free(out->bytes);
    out->bytes = NULL;
    skt_ranges_done(&out->acked);
    skt_ranges_done(&out->lost);
}

size_t skt_stream_say_room(const struct skt_stream_out *out) { return SKT_STREAM_MAX - (size_t)(out->end - out->at); }

bool skt_stream_say(struct skt_stream_out *out, const struct skt_xfer_message *message)
{
    size_t used = (size_t)(out->end - out->at), left = skt_stream_say_room(out);
    size_t most = left < SKT_XFER_MESSAGE_MAX + 3 ? left : SKT_XFER_MESSAGE_MAX + 3;
    struct skt_room room;

    if (!make_room(&out->bytes, &out->off, &out->size, used, used + most))
        return false;
    room = skt_room_of(out->bytes + out->off + used, most);
    skt_xfer_put_message(&room, message);
    if (room.bad)
        return false;
    out->end += (uint64_t)(room.p - (out->bytes + out->off + used));
    return true;
}

static uint64_t new_end(const struct skt_stream_out *out) { return out->end < out->credit ? out->end : out->credit; }

bool skt_stream_waits(const struct skt_stream_out *out) { return out->lost.n || out->next < new_end(out); }

bool skt_stream_put(struct skt_stream_out *out, struct skt_room *room, uint64_t *ret_from, uint16_t *ret_len)
{
    struct skt_range piece = { out->next, new_end(out) };
    bool again = out->lost.n != 0;
    struct skt_xfer_frame frame = { .kind = SKT_XFER_STREAM };
    uint64_t len;

    if (again)
        piece = out->lost.items[0];
    else if (piece.from >= piece.to)
        return false;
    len = piece.to - piece.from;
    if (skt_left(*room) < STREAM_HEAD + (len < LEAST ? len : LEAST))
        return false;
    if (len > skt_left(*room) - STREAM_HEAD)
        len = skt_left(*room) - STREAM_HEAD;
    if (len > UINT16_MAX)
        len = UINT16_MAX;
    frame.offset = piece.from;
    frame.bytes = skt_span_of(out->bytes + out->off + (piece.from - out->at), len);
    if (again && skt_ranges_drop(&out->lost, piece.from, piece.from + len, NULL))
        return false;
    skt_xfer_put_frame(room, &frame);
    if (!again)
        out->next += len;
    *ret_from = piece.from;
    *ret_len = (uint16_t)len;
    return true;
}

/* To be sent again. Too many pieces: all that is not known to have arrived becomes one. */
static int lose(struct skt_stream_out *out, uint64_t from, uint64_t to)
{
    int r = skt_ranges_take(&out->lost, from, to, NULL);

    return r == -ENOSPC ? skt_ranges_take(&out->lost, out->at, out->next, NULL) : r;
}

int skt_stream_acked(struct skt_stream_out *out, uint64_t from, uint32_t len)
{
    uint64_t to = from + len, at;
    int r;

    from = from < out->at ? out->at : from;
    if (from >= to)
        return 0;
    r = skt_ranges_take(&out->acked, from, to, NULL);
    if (r == -ENOSPC) /* too many holes to remember: these bytes go once more */
        return lose(out, from, to);
    if (!r)
        r = skt_ranges_drop(&out->lost, from, to, NULL);
    at = skt_ranges_gap(&out->acked, out->at);
    out->off += (size_t)(at - out->at);
    out->at = at;
    (void)skt_ranges_drop(&out->acked, 0, at, NULL); /* only makes it smaller */
    (void)skt_ranges_drop(&out->lost, 0, at, NULL);  /* the same; where pieces became one it has what arrived, too */
    if (out->at == out->end)
        out->off = 0;
    return r;
}

int skt_stream_lost(struct skt_stream_out *out, uint64_t from, uint32_t len)
{
    uint64_t to = from + len;

    from = from < out->at ? out->at : from;
    while (from < to) {
        struct skt_range known = { to, to };
        uint64_t end;
        int r;

        from = skt_ranges_gap(&out->acked, from);
        if (from >= to)
            break;
        (void)skt_ranges_next(&out->acked, from, &known); /* none: up to `to` */
        end = known.from < to ? known.from : to;
        if ((r = lose(out, from, end)))
            return r;
        from = end;
    }
    return 0;
}

/* --- in --- */

void skt_stream_in_init(struct skt_stream_in *in)
{
    *in = (struct skt_stream_in){ .credit = SKT_STREAM_MAX };
    (void)skt_ranges_init(&in->have, PIECES); /* allocates nothing */
}

void skt_stream_in_done(struct skt_stream_in *in)
{
    free(in->bytes);
    in->bytes = NULL;
    skt_ranges_done(&in->have);
}

/* Bytes from `at` to the end of what came last. */
static size_t span_of(const struct skt_stream_in *in)
{
    return in->have.n ? (size_t)(in->have.items[in->have.n - 1].to - in->at) : 0;
}

int skt_stream_got(struct skt_stream_in *in, uint64_t offset, struct skt_span bytes)
{
    uint64_t end = offset + skt_len(bytes);
    int r;

    if (end < offset || end > in->credit)
        return -EBADMSG;
    if (end <= in->at)
        return 0;
    if (offset < in->at) {
        bytes.p += in->at - offset;
        offset = in->at;
    }
    if (!make_room(&in->bytes, &in->off, &in->size, span_of(in), (size_t)(end - in->at)))
        return -ENOMEM;
    if ((r = skt_ranges_take(&in->have, offset, end, NULL)))
        return r;
    memcpy(in->bytes + in->off + (offset - in->at), bytes.p, skt_len(bytes));
    return 0;
}

int skt_stream_next(struct skt_stream_in *in, struct skt_xfer_message *ret_message)
{
    size_t ready = (size_t)(skt_ranges_gap(&in->have, in->at) - in->at);
    struct skt_span text = skt_span_of(in->bytes ? in->bytes + in->off : NULL, ready);
    const uint8_t *begin = text.p;

    if (!ready)
        return 0;
    if (!skt_xfer_get_message(&text, ret_message))
        return text.bad ? -EBADMSG : 0;
    in->off += (size_t)(text.p - begin);
    in->at += (uint64_t)(text.p - begin);
    (void)skt_ranges_drop(&in->have, 0, in->at, NULL); /* only makes it smaller */
    if (!in->have.n)
        in->off = 0;
    if (in->at + SKT_STREAM_MAX - in->credit >= TELL_AFTER)
        in->tell = true;
    return 1;
}

bool skt_stream_credit(struct skt_stream_in *in, struct skt_room *room)
{
    struct skt_xfer_frame frame = { .kind = SKT_XFER_CREDIT, .offset = in->at + SKT_STREAM_MAX };
    struct skt_room copy = *room;

    skt_xfer_put_frame(&copy, &frame);
    if (copy.bad)
        return false;
    *room = copy;
    in->credit = frame.offset;
    in->tell = false;
    return true;
}
