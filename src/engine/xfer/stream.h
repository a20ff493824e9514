#pragma once
#include "base/ranges.h"
#include "wire/xfer.h"

/* stream: the control stream of a conversation: bytes in order, out until they have arrived, in until they are read. */

enum { SKT_STREAM_MAX = 256 * 1024 /* bytes that wait, each way; also the credit that one begins with */ };

struct skt_stream_out {
    uint8_t *bytes; /* those from `at` on, at bytes[off] */
    size_t off, size;
    uint64_t at, next, end;        /* arrived up to; sent up to; written up to */
    uint64_t credit;               /* the other end takes up to */
    struct skt_ranges acked, lost; /* above `at` */
};

struct skt_stream_in {
    uint8_t *bytes; /* those from `at` on, at bytes[off] */
    size_t off, size;
    uint64_t at, credit;    /* read up to; may be written up to, as was told */
    struct skt_ranges have; /* from `at` on */
    bool tell;              /* CREDIT is due */
};

void skt_stream_out_init(struct skt_stream_out *out);
void skt_stream_out_done(struct skt_stream_out *out);
bool skt_stream_say(
    struct skt_stream_out *out, const struct skt_xfer_message *message); /* false: no room, or no memory */
size_t skt_stream_say_room(const struct skt_stream_out *out);
bool skt_stream_waits(const struct skt_stream_out *out); /* is there something that may be sent? */
/* Puts one STREAM frame, what was lost first. Gives what it has. False: nothing to send, or room too small. */
bool skt_stream_put(struct skt_stream_out *out, struct skt_room *room, uint64_t *ret_from, uint16_t *ret_len);
int skt_stream_acked(struct skt_stream_out *out, uint64_t from, uint32_t len); /* -ENOMEM */
int skt_stream_lost(struct skt_stream_out *out, uint64_t from, uint32_t len);

void skt_stream_in_init(struct skt_stream_in *in);
void skt_stream_in_done(struct skt_stream_in *in);
int skt_stream_got(
    struct skt_stream_in *in, uint64_t offset, struct skt_span bytes); /* -EBADMSG: above the credit; -ENOMEM */
/* The next whole message; it borrows until the next call of got or next. 0: none yet, 1, -EBADMSG. */
int skt_stream_next(struct skt_stream_in *in, struct skt_xfer_message *ret_message);
bool skt_stream_credit(struct skt_stream_in *in, struct skt_room *room); /* puts CREDIT */
