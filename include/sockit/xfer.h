#pragma once
#include <sockit/engine.h>

SKT_BEGIN
/* xfer: files over datagrams, encrypted, verified, resumed. doc/protocol/xfer.md. One engine sends or receives; it touches no
 * file: what it wants done with files are events that ask (job != 0), and skt_xfer_answer() says how it went. */
struct skt_xfer;
struct skt_crypt; /* the cryptography; drive/crypt.h */

struct skt_xfer_conf {
    bool send;                     /* this end has the files */
    const struct skt_crypt *crypt; /* borrowed */
    uint8_t chance[64];            /* random: all chance of the engine follows from it */
    struct skt_span secret;        /* pair code or content of a key file; copied */
    bool pair;                     /* it is a pair code: good for one guess; skt_xfer_secret() gives the next */
    skt_time deadline;             /* sending: of the handshake; 0: 30 s */
    skt_time silence;              /* 0: 30 s */
    skt_time idle;                 /* receiving: of a session that lives and does nothing; 0: 10 min */
    uint64_t rate;                 /* bytes a second at most; 0: no limit */
    uint64_t window;               /* receiving: bytes of files asked for and not stored, a session; 0: 64 MiB */
    uint32_t sessions;             /* receiving: at once; 0: 64 */
    uint64_t max_bytes;            /* receiving: of one session; 0: no limit */
    uint32_t max_files;            /* receiving: of one session; 0: 1,000,000 */
    uint32_t max_packet;           /* bytes of a datagram at most; 0: 65000; 1200: no search for the path's */
    bool plain;                    /* PLAIN is told of each packet, its text in clear: for a capture */
};
int skt_xfer_new(const struct skt_xfer_conf *conf, struct skt_xfer **ret_xfer); /* -ENOMEM, -EINVAL */
void skt_xfer_free(struct skt_xfer *xfer);
SKT_CLEANUP(skt_xfer)
struct skt_engine skt_xfer_engine(struct skt_xfer *xfer);

/* Receiving: the datagram socket. Sending: one that is connected, or `to` says where. Before the first step. */
void skt_xfer_link(struct skt_xfer *xfer, skt_link link, const struct skt_addr *to /* NULL: connected */);
/* Receiving: the next pair code, after SECRET_SPENT; no bytes: no more are answered. */
int skt_xfer_secret(struct skt_xfer *xfer, struct skt_span secret);

enum skt_xfer_kind { SKT_XFER_FILE = 1, SKT_XFER_DIR, SKT_XFER_SYMLINK, SKT_XFER_HARDLINK, SKT_XFER_DIR_AGAIN };
struct skt_xfer_meta {
    uint8_t kind;  /* enum skt_xfer_kind */
    uint16_t mode; /* 12 bits */
    int64_t mtime; /* ns since 1970 */
    uint64_t size;
    uint64_t data; /* FILE: bytes not known to be zeros, as far as the sender's disk says; above size: not known */
    struct skt_span path, target; /* target: text of a symbolic link; path of the file that a hard link is */
};

enum skt_xfer_event_kind {
    /* both */
    SKT_XFER_OPEN_SESSION, /* peer is proven to know the secret */
    /* why 0: all is stored and verified. If only some files failed: that of the first, text says how many, and there is a
     * hash. Else -errno, text unescaped, from the peer or our own. It comes when all jobs of the session are answered. */
    SKT_XFER_CLOSED_SESSION,
    SKT_XFER_FILE_DONE,   /* file: whole, hash valid (kind FILE). In the order of numbers, as FAILED is */
    SKT_XFER_FILE_FAILED, /* why, text: skipped or refused */
    SKT_XFER_READ,  /* job: put bytes of file at offset into room; answer the number, SKT_XFER_ALL_ZEROS, or -errno */
    SKT_XFER_PLAIN, /* no job: data as doc/protocol/xfer.md has it for captures; why: 1 sent, 0 received; peer */
    /* sending */
    SKT_XFER_PUT_OFF, /* once: the receiver is busy, or has no code at the moment; it is asked again until the deadline */
    SKT_XFER_WALK, /* job: give entries by skt_xfer_offer, until it says -ENOSPC or there are none; answer 0: more exist; 1: that was
                    * all; -errno: the session ends */
    SKT_XFER_FORGET, /* no job: the file is not needed any more: it may be closed */
    SKT_XFER_LAST,   /* job: file was read to its end: answer 0, or -ESTALE: it changed meanwhile */
    /* receiving */
    SKT_XFER_MAKE, /* job: meta: begin it. Answer: 0: fresh, 1: something is there to be compared (FILE), -EBUSY, -EAGAIN: asked again
                    * for 40 s, other -errno: refused. Before what may be in a directory its MAKE is answered; hard links and
                    * directories again when all before them is settled */
    SKT_XFER_WRITE,  /* job: data to file at offset; data of no address: that many zeros (room in `len`). 0 or -errno */
    SKT_XFER_FINISH, /* job: FILE: it is whole: set mode and time, give it its name. 0 or -errno */
    SKT_XFER_SYNC,   /* job: everything of this session must be on the disk now; only if it is anything. 0 or -errno */
    SKT_XFER_DROP,   /* no job: file will not be finished: close, keep what resumes */
    SKT_XFER_SECRET_SPENT, /* a wrong guess (text: how many so far): skt_xfer_secret() */
};
enum { SKT_XFER_ALL_ZEROS = -0x7fff };

struct skt_xfer_event {
    enum skt_xfer_event_kind kind;
    uint32_t session; /* small, reused after CLOSED_SESSION; sending: 0 */
    uint32_t job;     /* to be answered, in any order, before or after the next event is pulled */
    uint32_t file;    /* number within the session */
    uint64_t offset, len;
    struct skt_span data; /* WRITE; borrowed until answered */
    struct skt_room room; /* READ; the same */
    const struct skt_xfer_meta
        *meta; /* MAKE, FILE_DONE, FILE_FAILED (path only); valid until the next event is pulled */
    /* 32 bytes, as long. FILE_DONE; CLOSED_SESSION: the sum, NULL if the two ends did not agree on one. */
    const uint8_t *hash;
    const struct skt_addr *peer; /* the same */
    int why;
    bool here; /* FILE_FAILED: why is of this end; else of the other one */
    char text[160];
};
bool skt_xfer_next(struct skt_xfer *xfer, struct skt_xfer_event *ret_event);
void skt_xfer_answer(struct skt_xfer *xfer, uint32_t job, int64_t result);
int skt_xfer_offer(struct skt_xfer *xfer,
    const struct skt_xfer_meta *meta); /* its number is one more than the last; -ENOSPC: not now */
void skt_xfer_totals(struct skt_xfer *xfer, uint64_t files, uint64_t bytes); /* sending: if known */
/* Receiving: nobody new is let in, and who proves the secret only now is told so. What goes on goes on. */
void skt_xfer_shut(struct skt_xfer *xfer);
void skt_xfer_stop(struct skt_xfer *xfer); /* by the user: tells the peers, then CLOSED_SESSION */

struct skt_xfer_stats { /* of a session */
    uint64_t files, files_done, bytes,
        bytes_done;      /* of kind FILE in the offer (UINT64_MAX: not known); stored and verified */
    uint64_t bytes_same; /* not sent: they were there already */
    uint64_t packets, packets_lost, bytes_sent, bytes_resent, packets_forged;
    skt_time rtt, rtt_min;
    uint64_t rate; /* of delivery, bytes a second */
    uint32_t packet_size;
    const char *aead;
};
bool skt_xfer_stats(const struct skt_xfer *xfer, uint32_t session, struct skt_xfer_stats *ret_stats);
SKT_END
