#pragma once
/* live: what every verb with a socket needs around its engine: a runtime with the tap of --pcap, signals that end it
 * cleanly, descriptors enough, the sandbox, TLS from options. */
#include <sockit/rt.h>
#include <sockit/tls.h>

#include "cli/cli.h"

/* Options that verbs share; their rows are macros, so that the words are the same everywhere. */
struct live_tls {
    bool tls, insecure, plain; /* plain: --pcap gets what is inside TLS */
    const char *cert, *key, *cacert, *pin, *alpn, *name, *keylog;
};
#define LIVE_TLS_CLIENT_ROWS(t)                                                                                        \
    SKT_OPT_FLAG(0, "tls", &(t)->tls, "speak TLS; the peer's certificate is verified"),                                \
        SKT_OPT_PATH(0, "cacert", &(t)->cacert, "FILE", "trust the certificates in FILE, not the system's"),           \
        SKT_OPT_STR(0, "pin", &(t)->pin, "PIN", "demand the public key sha256//BASE64"),                               \
        SKT_OPT_FLAG('k', "insecure", &(t)->insecure, "do not verify the certificate"),                                \
        SKT_OPT_STR(0, "servername", &(t)->name, "NAME", "send and verify NAME instead of the host"),                  \
        SKT_OPT_STR(0, "alpn", &(t)->alpn, "LIST", "offer these protocols: h2,http/1.1"),                              \
        SKT_OPT_PATH(0, "cert", &(t)->cert, "FILE", "our certificate and its chain (PEM)"),                            \
        SKT_OPT_PATH(0, "key", &(t)->key, "FILE", "its private key (default: in the file of --cert)"),                 \
        SKT_OPT_PATH(0, "keylog", &(t)->keylog, "FILE", "append TLS secrets for Wireshark"),                           \
        SKT_OPT_FLAG(0, "pcap-plain", &(t)->plain, "--pcap records what is inside TLS")
#define LIVE_TLS_SERVER_ROWS(t)                                                                                        \
    SKT_OPT_FLAG(0, "tls", &(t)->tls, "speak TLS; needs --cert"),                                                      \
        SKT_OPT_PATH(0, "cert", &(t)->cert, "FILE", "certificate and its chain (PEM); SIGHUP reads it anew"),          \
        SKT_OPT_PATH(0, "key", &(t)->key, "FILE", "its private key (default: in the file of --cert)"),                 \
        SKT_OPT_PATH(0, "cacert", &(t)->cacert, "FILE", "demand client certificates signed by FILE"),                  \
        SKT_OPT_STR(0, "alpn", &(t)->alpn, "LIST", "take these protocols: h2,http/1.1"),                               \
        SKT_OPT_PATH(0, "keylog", &(t)->keylog, "FILE", "append TLS secrets for Wireshark"),                           \
        SKT_OPT_FLAG(0, "pcap-plain", &(t)->plain, "--pcap records what is inside TLS")

/* Which addresses of a name are used. what: "reach HOST". */
struct live_family {
    bool ip4, ip6;
};
#define LIVE_FAMILY_ROWS(f, what)                                                                                      \
    SKT_OPT_FLAG('4', "ipv4", &(f)->ip4, what " over IPv4 alone"),                                                     \
        SKT_OPT_FLAG('6', "ipv6", &(f)->ip6, what " over IPv6 alone")

struct live {
    struct skt_cli *cli;
    struct skt_rt *rt;
    struct skt_tap *tap;
    struct skt_tls *tls;
    const struct live_tls *tls_files; /* that a SIGHUP reads anew; NULL: none */
    skt_time every, due;              /* live_every */
    bool hung_up;                     /* SIGHUP came: for a verb that has a file of its own to read; it clears this */
};

/* conf may be NULL. max_links 0: as many as this process may open. 0, or an exit code, said already. */
int live_open(struct live *live, struct skt_cli *cli, const struct skt_rt_conf *conf);
/* On the command line without TLS, an option that is only about it is a mistake, and what was meant to be secret would go
 * out in the plain. (In a file it may wait for --tls.) 0 or an exit code, said already. */
int live_tls_unused(struct skt_cli *cli, const struct skt_opt *opts, bool tls);
/* *ret_family as struct skt_open_conf has it. unused: why the options mean nothing here, which on the command line is a
 * mistake; NULL: they mean something. 0 or an exit code, said already. */
int live_family(struct skt_cli *cli, const struct skt_opt *opts, const struct live_family *options, const char *unused,
    uint8_t *ret_family);
/* TLS from the options, which must outlive it; none when they do not ask for it. */
int live_tls(struct live *live, const struct live_tls *options, bool server);
/* Closes; the last word on --pcap. `code` unless that failed. */
int live_close(struct live *live, int code);

/* One turn. 1: go on; 0: over; -EINTR: SIGINT or SIGTERM; -errno. SIGHUP reads TLS files anew. */
int live_step(struct live *live);
bool live_interrupted(void);
/* A step ends each `every`, whatever happens on links, and then live_due is true once. */
int live_every(struct live *live, skt_time every);
bool live_due(struct live *live);
/* Other runtimes to stop at a signal: those of -j. */
void live_also_stop(struct skt_rt *rt);

/* People read some lines a second about who comes and goes; what is above LIVE_LINES is counted, and the count is said. */
enum { LIVE_LINES = 20 };
struct live_lines {
    skt_time second; /* when it began */
    uint32_t n;
    uint64_t unsaid;
    bool warned; /* a warning is among those */
};
bool live_may_say(struct live_lines *lines, struct skt_cli *cli); /* on stderr, or, also under -q, in the log */
bool live_may_warn(struct live_lines *lines, struct skt_cli *cli);
void live_unsaid(struct live_lines *lines, struct skt_cli *cli); /* at the end */

/* What is still to be done after the sandbox is closed. */
struct live_need {
    struct skt_strs listen; /* where Unix sockets of ours are: removed at the end */
    const char *peer;       /* where we will connect to: a name to resolve, a command to run; NULL: nowhere */
    const char *source;     /* and from where; NULL: anywhere */
    const char *file;       /* read again later; NULL: none */
    struct skt_strs trees;  /* files and directories that are sent, or (trees_written) a directory that receives */
    bool trees_written;
};
/* All that is to be opened is open, threads are not started: now give up everything else. SOCKIT_SANDBOX=off: nothing,
 * for tools that look into a process. 0 or an exit code, said already. */
int live_shut_in(struct live *live, const struct live_need *need);

/* "HOST PORT" or "[HOST:]PORT" as one endpoint text, with "udp:", "unix:" put in front. NULL: out of memory. */
const char *live_where(struct skt_cli *cli, const char *scheme, const char *host, const char *port);
/* Is the target where this listener is? Then who comes would be led round for ever. */
bool live_leads_back(const struct skt_addr *at, const char *to);
/* The text of an address, for talk. Valid until the fourth next call. */
const char *live_addr(const struct skt_addr *addr);
skt_time live_now(void);
