#pragma once
/* xfer_both: what send and recv share: the secret, the loop's talk about files and sessions, progress. */
#include "cli/progress.h"
#include "verb/live.h"

#include <sockit/xfer.h>

enum { XFER_PORT = 7411, XFER_SECRET_MAX = 64 * 1024, XFER_CODE = 8, XFER_SESSIONS = 64 };

/* What the verb knows of one of the engine's sessions. */
struct xfer_session {
    bool open;
    skt_time began, said;                   /* said: the last "progress" of --json */
    uint64_t failed;                        /* files */
    uint64_t kinds[SKT_XFER_DIR_AGAIN + 1]; /* of each, those that went over */
    struct skt_addr peer;
};

struct xfer_both {
    struct skt_cli *cli;
    const char *key_file;
    uint8_t secret[XFER_SECRET_MAX]; /* pair code or content of key_file; wiped by xfer_close */
    size_t secret_n;
    struct skt_xfer_conf conf;
    struct live live;
    bool plain;
    struct skt_tap *tap; /* of --pcap-plain */
    struct skt_xfer *xfer;
    skt_link link;                               /* the socket; sending: its peer is the session's */
    const char *peer;                            /* sending: as it was typed */
    struct xfer_session sessions[XFER_SESSIONS]; /* a sender has the first */
    uint32_t open;                               /* of them, now */
    skt_time began;                              /* sending: the first packet; 0: not yet */
    struct skt_progress progress;
    char label[96];
    skt_time looked;
    uint64_t passed;        /* sending: over so many things that were not offered */
    uint32_t lines, unsaid; /* of what did not go over, on the terminal */
    bool stopped;           /* by a signal to us */
};

/* Rows that both have. */
#define XFER_ROWS(x)                                                                                                   \
    SKT_OPT_PATH(0, "key-file", &(x)->key_file, "FILE",                                                                \
        "both ends know this file's content, any secret text; a newline at its end does not count"),                   \
        SKT_OPT_TIME(                                                                                                  \
            0, "timeout", &(x)->conf.silence, "TIME", "a peer silent for TIME is gone (30s)", .min = SKT_SEC),         \
        SKT_OPT_U32(0, "max-packet", &(x)->conf.max_packet, "N", "bytes of a datagram at most (65000)", .min = 1200,   \
            .max = 65000),                                                                                             \
        SKT_OPT_FLAG(0, "pcap-plain", &(x)->plain, "--pcap records packets with their text in clear")

/* The content of --key-file. 0 or an exit code, said already; as in all. */
int xfer_key(struct xfer_both *x);
/* A pair code as people type it ("K7QM-2XPD") to what is hashed; false: it is none. */
bool xfer_code(struct xfer_both *x, const char *typed);
/* A new pair code, in x->secret; ret_shown with its dash, of XFER_CODE + 2 bytes. */
int xfer_code_new(struct xfer_both *x, char *ret_shown);
/* The runtime; with --pcap-plain the capture is ours, and the runtime has none. */
int xfer_open(struct xfer_both *x);
/* Cryptography and chance into conf; the engine. */
int xfer_new(struct xfer_both *x);

/* Says what the event tells: files with -v or --json, failures always. */
void xfer_say(struct xfer_both *x, const struct skt_xfer_event *event);
/* Sending: something that will not be offered; error: errno, or 0. */
void xfer_passed(struct xfer_both *x, struct skt_span path, int error, const char *why);
/* The line of progress, of all sessions together; with --json an object a second and session. */
void xfer_progress(struct xfer_both *x);
/* The last word on a session. Gives the exit code. */
int xfer_ended(struct xfer_both *x, const struct skt_xfer_event *event);
/* The runtime has ended, as the socket has, and no session says why. Gives the exit code. */
int xfer_gone(struct xfer_both *x);
/* The user ends it: the peers will be told. The next steps are those of the runtime itself: live_step only says that there was a signal. */
void xfer_stop(struct xfer_both *x);
/* Goes on until the peers have heard how it ended, some seconds at most. */
void xfer_farewell(struct xfer_both *x);
int xfer_close(struct xfer_both *x, int code);
