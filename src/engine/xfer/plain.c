/* plain: a queue of packets in clear. */
#include "engine/xfer/plain.h"

#include "wire/xfer.h"

#include <stdlib.h>

enum { PLAIN_MAX = 64 << 20, PLAIN_FIRST = 1 << 20, IN_CLEAR = 0x40 };

struct record {
    bool sent;
    struct skt_addr peer;
    uint32_t len;
};

void skt_plain_done(struct skt_plain *plain)
{
    if (plain->bytes)
        explicit_bzero(plain->bytes, plain->room);
    free(plain->bytes);
    *plain = (struct skt_plain){ 0 };
}

static bool make_room(struct skt_plain *plain, size_t n)
{
    size_t room = plain->room ? plain->room : PLAIN_FIRST;
    uint8_t *bytes;

    while (room - plain->n < n && room < PLAIN_MAX)
        room *= 2;
    if (room - plain->n < n)
        return false;
    if (room == plain->room)
        return true;
    bytes = realloc(plain->bytes, room);
    if (!bytes)
        return false;
    plain->bytes = bytes;
    plain->room = room;
    return true;
}

void skt_plain_put(
    struct skt_plain *plain, bool sent, const struct skt_addr *peer, struct skt_span head, struct skt_span text)
{
    struct record record = { .sent = sent, .len = (uint32_t)(skt_len(head) + skt_len(text)) };
    struct skt_room out;

    if (!plain || !plain->on)
        return;
    if (peer)
        record.peer = *peer;
    if (!make_room(plain, sizeof record + record.len)) {
        plain->lost++;
        return;
    }
    out = skt_room_of(plain->bytes + plain->n, plain->room - plain->n);
    skt_put(&out, skt_span_of(&record, sizeof record));
    skt_put_u8(&out, *head.p == SKT_XFER_SEALED ? SKT_XFER_SEALED | IN_CLEAR : *head.p);
    skt_put(&out, skt_span_of(head.p + 1, skt_len(head) - 1));
    skt_put(&out, text);
    plain->n = (size_t)(out.p - plain->bytes);
}

bool skt_plain_next(struct skt_plain *plain, struct skt_plain_packet *ret_packet)
{
    struct record record;

    if (plain->at == plain->n) {
        plain->at = plain->n = 0;
        return false;
    }
    memcpy(&record, plain->bytes + plain->at, sizeof record);
    plain->at += sizeof record;
    *ret_packet =
        (struct skt_plain_packet){ record.sent, record.peer, skt_span_of(plain->bytes + plain->at, record.len) };
    plain->at += record.len;
    return true;
}
