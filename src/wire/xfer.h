#pragma once
#include <sockit/xfer.h>
#include "base/blake3.h"

/* xfer: the packets, frames and messages of doc/protocol/xfer.md, which has the meaning of each field. Codecs only: what
 * they give borrows from the span that was read. A put that does not fit leaves the room as it was and sets bad. */

enum {
    SKT_XFER_VERSION = 1,
    SKT_XFER_HEAD = 16,
    SKT_XFER_TAG = 16,
    SKT_XFER_MIN = 1200, /* bytes of a datagram that every path carries, and of INIT */
    SKT_XFER_COOKIE_MAX = 64,
    SKT_XFER_RANGES = 64, /* of one ACK, besides the first */
    SKT_XFER_MESSAGE_MAX = 16 * 1024,
    SKT_XFER_PATH_MAX = 4096,
    SKT_XFER_BLOCK_HEAD = 15 /* bytes of a BLOCK before its bytes */
};

/* --- packets --- */

enum skt_xfer_type {
    SKT_XFER_INIT = 1,
    SKT_XFER_RETRY,
    SKT_XFER_ACCEPT,
    SKT_XFER_CONFIRM,
    SKT_XFER_REJECT,
    SKT_XFER_SEALED
};
enum skt_xfer_mode { SKT_XFER_PAIR = 1, SKT_XFER_KEY };
enum skt_xfer_reject { /* no bit makes one of them another: 3 is the only one with a list */
    SKT_XFER_WRONG = 1,
    SKT_XFER_MODE = 2,
    SKT_XFER_VERSIONS = 3,
    SKT_XFER_BUSY = 4,
    SKT_XFER_LOCKED = 8
};

struct skt_xfer_packet {
    uint8_t type, epoch;
    uint16_t version;
    uint32_t conn;
    uint64_t number;
    /* By type. INIT: mode, session, share, cookie. RETRY: cookie. ACCEPT: other, share. CONFIRM: mac. REJECT: code, session,
     * versions (of code 3 alone). SEALED: body, with its tag. The check of INIT, ACCEPT and CONFIRM is made by put, and what
     * has a wrong one is no packet. */
    uint8_t mode, code;
    uint32_t other;
    const uint8_t *session, *share, *mac;
    struct skt_span cookie, versions, body;
};
/* False: not a packet of ours. One of another version is read as far as its first 16 bytes and, for INIT, mode and session. */
bool skt_xfer_get(struct skt_span datagram, struct skt_xfer_packet *ret_packet);
void skt_xfer_put_head(struct skt_room *out, const struct skt_xfer_packet *packet); /* 16 bytes */
void skt_xfer_put(struct skt_room *out, const struct skt_xfer_packet *packet);      /* all but SEALED; INIT is padded */

/* --- frames --- */

enum skt_xfer_frame_kind {
    SKT_XFER_PAD,
    SKT_XFER_PING,
    SKT_XFER_ACK,
    SKT_XFER_STREAM,
    SKT_XFER_CREDIT,
    SKT_XFER_BLOCK,
    SKT_XFER_CLOSE
};
enum skt_xfer_close {
    SKT_XFER_DONE_WELL,
    SKT_XFER_STOPPED,
    SKT_XFER_BROKEN,
    SKT_XFER_LIED,
    SKT_XFER_SILENT,
    SKT_XFER_NO_MEMORY,
    SKT_XFER_DISK,
    SKT_XFER_REFUSED,
    SKT_XFER_DIFFERS
};

struct skt_xfer_ack {
    uint32_t delay; /* us */
    uint32_t n;     /* ranges, the highest first; at least one */
    struct skt_xfer_range {
        uint64_t from, to; /* numbers from..to - 1 */
    } range[SKT_XFER_RANGES + 1];
};
struct skt_xfer_frame {
    uint8_t kind;
    uint16_t code;         /* CLOSE */
    uint32_t file;         /* BLOCK */
    uint64_t offset;       /* STREAM, CREDIT, BLOCK */
    struct skt_span bytes; /* STREAM, BLOCK (at least one); CLOSE: its text; PAD: the run of zeros */
    struct skt_xfer_ack ack;
};
/* The next frame of a packet's text; a run of PAD is one frame. False: text is at its end, or bad is set: no frame.
 * Of ret_frame only what belongs to its kind is written (it is too large to be cleared for each block). */
bool skt_xfer_get_frame(struct skt_span *text, struct skt_xfer_frame *ret_frame);
void skt_xfer_put_frame(struct skt_room *out, const struct skt_xfer_frame *frame);
void skt_xfer_put_ack(struct skt_room *out,
    const struct skt_xfer_ack *ack); /* as many ranges as fit, the highest first; at least one, or bad */
void skt_xfer_put_pad(struct skt_room *out, size_t n); /* n bytes of PAD */
void skt_xfer_put_block(struct skt_room *out, uint32_t file, uint64_t offset, struct skt_span bytes);
void skt_xfer_put_block_head(
    struct skt_room *out, uint32_t file, uint64_t offset, size_t len); /* len bytes are to follow */

/* --- messages --- */

enum skt_xfer_message_kind {
    SKT_XFER_OFFER = 1,
    SKT_XFER_ENTRY,
    SKT_XFER_END,
    SKT_XFER_HASHES,
    SKT_XFER_ZEROS,
    SKT_XFER_SKIP,
    SKT_XFER_SUM,
    SKT_XFER_MORE = 16,
    SKT_XFER_CHECK,
    SKT_XFER_NEED,
    SKT_XFER_REFUSE,
    SKT_XFER_STORED,
    SKT_XFER_DONE
};

struct skt_xfer_message {
    uint8_t kind;
    uint32_t file;              /* the file meant; END, MORE, STORED: files */
    uint64_t files, bytes;      /* OFFER; STORED: bytes */
    uint64_t group, count;      /* HASHES: count values; ZEROS, NEED */
    const uint8_t *hash;        /* HASHES: count * 32 bytes; SUM, DONE: 32 */
    uint16_t error;             /* SKIP, REFUSE: errno of Linux, 1..4095 */
    uint32_t stored, refused;   /* DONE */
    struct skt_span text;       /* REFUSE */
    struct skt_xfer_meta entry; /* ENTRY */
};
/* The next whole message. False: not whole yet (in untouched), or not one of ours (bad set). A path that breaks a rule of
 * section 5 is bad. */
bool skt_xfer_get_message(struct skt_span *in, struct skt_xfer_message *ret_message);
void skt_xfer_put_message(struct skt_room *out, const struct skt_xfer_message *message);
bool skt_xfer_path_ok(struct skt_span path); /* relative, no empty part, no ".", "..", NUL; 1..4096 bytes */
