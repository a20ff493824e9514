/* objects: the manual of --json, a table a verb. */
#include "verb/objects.h"

const struct skt_object objects_serve[] = {
    { "listening", "a listener is open", "address" },
    { "connected", "somebody came", "peer" },
    { "disconnected", "he left",
        "peer, bytes_in, bytes_out, duration (s), error (null: none); with --exec exit or signal, once the command has ended" },
    { "tls_failed", "a TLS handshake failed, took too long or was broken off", "peer, error" },
    { "stats", "each --stats TIME, and at the end",
        "accepted, refused, denied, tls_failed, dropped_full, dropped_idle, accept_errors, bytes_in, bytes_out, datagrams_in, "
        "datagrams_out, datagrams_lost, links: all since the start but links, those there now" },
    { NULL, NULL, NULL },
};

const struct skt_object objects_pipe[] = {
    { "connected", "the peer is there", "peer" },
    { "disconnected", "it is gone", "peer, bytes_in, bytes_out, duration (s), error (null: none)" },
    { "failed", "it could not be reached", "error" },
    { NULL, NULL, NULL },
};

#define WHO "nick, host (until somebody has a name)"

const struct skt_object objects_chat[] = {
    { "connected", "somebody came", WHO },
    { "registered", "and has a name now", "nick, host" },
    { "left", "and is gone", WHO ", text (why)" },
    { "nick", "has another name", "nick, target (the new one)" },
    { "joined", "is in a channel", "nick, target (the channel)" },
    { "parted", "has left it", "nick, target, text (why)" },
    { "kicked", "was thrown out of it", "nick, target, text (who, and why)" },
    { "topic", "has set a topic", "nick, target, text" },
    { "message", "has said something; what, only they know", "nick, target, deliveries (to so many)" },
    { "stats", "each --stats TIME",
        "links, users, channels (now); messages, deliveries, refused_full, refused_ip, lost_unregistered, lost_silent, "
        "lost_flood, bad_lines, long_lines (since the start)" },
    { NULL, NULL, NULL },
};

#define FLOW "number (of the connection or flow), peer, hit (whether it is impaired)"

const struct skt_object objects_impair[] = {
    { "connected", "proxy: somebody came", FLOW },
    { "disconnected", "and left", FLOW ", bytes_up, bytes_down, duration (s), error (null: none)" },
    { "failed", "the target was not reached for him", FLOW ", error" },
    { "changed", "a profile's next time has come, or SIGHUP",
        "time (s since the start), up and down (the words of the network that is in force)" },
    { "stats", "each second, or --stats TIME, and at the end",
        "time; proxy: came, hit, failed, refused, denied, there (now), unsent; up and down, each an object: in, bytes_in, out, "
        "bytes_out, lost, resent (a stream's stalls), dropped (by the full queue), duplicated, corrupted, reordered, "
        "queue_bytes, queue_packets (now), queue_peak, line_bytes, line_packets (on the way), late (how much later than asked, an "
        "object: count, mean, p50, p99, max, in s); bridge besides: blackholed, missed (by the ring), refused, trains" },
    { NULL, NULL, NULL },
};

#define COUNTS                                                                                                                                         \
    "files_done and files (if known; of kind file alone), bytes_done, bytes (if known), bytes_same (were there already), bytes_sent and bytes_resent " \
    "(on the wire), packets, packets_lost, rtt_ms, rate (of delivery), packet_size"
#define TRANSFER                                                                                                       \
    { "session", "the other end has proven that it knows the secret", "session (its number), peer" },                  \
        { "file", "a file, directory or link is there, whole and verified",                                            \
            "session, path, kind (file, directory, symlink, hardlink), bytes, blake3 (of a file: as b3sum says)" },    \
        { "failed", "one is not, or the sender has passed over it (a pipe, a directory that it may not read)",         \
            "session, path, kind and bytes (if it was not passed over), errno (if the system said one), why" },        \
        { "progress", "once a second", "session, " COUNTS },                                                           \
        { "done", "all is stored and verified",                                                                        \
            "session, " COUNTS                                                                                         \
            ", files_failed (with those passed over), seconds, aead (the cipher), sum (of all hashes)" },              \
    {                                                                                                                  \
        "broken", "the transfer ended before that", "session, " COUNTS ", files_failed, seconds, aead, why"            \
    }

const struct skt_object objects_send[] = {
    { "put_off", "the receiver is busy, or has no code at the moment; it is asked again until --timeout",
        "session, peer" },
    TRANSFER,
    { NULL, NULL, NULL },
};

const struct skt_object objects_recv[] = {
    { "listening", "it can be reached", "addresses (a list), code (the pair code; not with --key-file)" },
    { "wrong_code", "somebody has tried a wrong pair code, which is spent", "left (tries before it locks)" },
    TRANSFER,
    { NULL, NULL, NULL },
};
