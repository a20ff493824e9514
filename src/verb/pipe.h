#pragma once
/* pipe: standard input and output on one side, a peer on the other: what listen and connect share. */
#include <sockit/relay.h>

#include "verb/live.h"

struct pipe_options {
    bool waits; /* the peer comes to us */
    bool udp, hex, crlf, keep, interactive;
    bool probe; /* over as soon as somebody is there; nothing is sent */
    const char *send, *transcript;
    uint64_t rate;
    skt_time linger;
};
#define PIPE_ROWS(o)                                                                                                   \
    SKT_OPT_FLAG('u', "udp", &(o)->udp, "datagrams: each read of stdin is one"),                                       \
        SKT_OPT_FLAG('x', "hex", &(o)->hex, "show what passes as hex on stderr"),                                      \
        SKT_OPT_FLAG('C', "crlf", &(o)->crlf, "send LF as CRLF"),                                                      \
        SKT_OPT_STR(0, "send", &(o)->send, "TEXT", "send the line TEXT (or datagram) instead of stdin"),               \
        SKT_OPT_PATH('o', "transcript", &(o)->transcript, "FILE", "write what passes to FILE, with times, escaped"),   \
        SKT_OPT_RATE(0, "limit-rate", &(o)->rate, "RATE", "move at most RATE each way"),                               \
        SKT_OPT_TIME(0, "linger", &(o)->linger, "TIME",                                                                \
            "wait TIME: after the peer's end for stdin (2s), after stdin's end for datagrams or TLS (1s)")

struct pipe;

/* HOST and PORT as an endpoint. A scheme in front of HOST, "udp:", "tls:", "unix:", is as good as its option, and sets it.
 * 0 or an exit code, said already. */
int pipe_where(
    struct skt_cli *cli, bool *udp, bool *tls, bool local, const char *host, const char *port, const char **ret_where);
/* Makes the engine and takes stdin and stdout. 0 or an exit code, said already. pipe_close takes NULL. */
int pipe_open(struct live *live, const struct pipe_options *options, struct pipe **ret_pipe);
void pipe_close(struct pipe *pipe);
int pipe_engine(const struct pipe *pipe); /* its number, for skt_rt_listen and skt_rt_open */
void pipe_expect(struct pipe *pipe, skt_link peer);
/* listener: closed when somebody came, unless keep; 0: none. Until all is over. Gives the exit code. */
int pipe_run(struct pipe *pipe, skt_link listener);
