/* exit: from what failed to the code that a script sees. */
#include "cli/exit.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

static const struct skt_exit_row rows[] = {
    { SKT_EXIT_OK, "ok", "all was done" },
    { SKT_EXIT_FAILED, "failed", "any failure that is none of the following" },
    { SKT_EXIT_USAGE, "usage", "wrong option, argument, environment or configuration" },
    { SKT_EXIT_RESOLVE, "resolve", "a name has no address, or no server knows it" },
    { SKT_EXIT_CONNECT, "connect", "refused, or no way to get there" },
    { SKT_EXIT_TIMEOUT, "timeout", "no answer within the time allowed" },
    { SKT_EXIT_BROKEN, "broken", "the connection was reset or ended too early" },
    { SKT_EXIT_TLS, "tls", "no TLS, or a certificate, key or pair code that is wrong" },
    { SKT_EXIT_LOCAL, "local", "a file, disk or pipe here: full, closed, not found" },
    { SKT_EXIT_PERMISSION, "permission", "the system does not allow it to this user" },
    { SKT_EXIT_LIMIT, "limit", "too many files, links or bytes: a limit was reached" },
    { SKT_EXIT_INTERRUPTED, "interrupted", "stopped by Ctrl-C or a signal; a server so ended: 0" },
    { 0, NULL, NULL },
};

const struct skt_exit_row *skt_exit_rows(void) { return rows; }

const char *skt_phase_name(enum skt_phase phase)
{
    static const char *const names[] = {
        [SKT_PHASE_ANY] = "",
        [SKT_PHASE_USAGE] = "usage",
        [SKT_PHASE_RESOLVE] = "resolve",
        [SKT_PHASE_CONNECT] = "connect",
        [SKT_PHASE_TLS] = "TLS with",
        [SKT_PHASE_TALK] = "talk to",
        [SKT_PHASE_LISTEN] = "listen on",
        [SKT_PHASE_FILE] = "",
    };

    return names[phase];
}

/* Where the errno says more than the phase. SKT_EXIT_FAILED: it does not. */
static enum skt_exit of_errno(int err)
{
    switch (err) {
    case EINTR: return SKT_EXIT_INTERRUPTED;
    case ETIMEDOUT: return SKT_EXIT_TIMEOUT;
    case EACCES:
    case EPERM: return SKT_EXIT_PERMISSION;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EUSERS: return SKT_EXIT_LIMIT;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN: return SKT_EXIT_CONNECT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE: return SKT_EXIT_BROKEN;
    default: return SKT_EXIT_FAILED;
    }
}

enum skt_exit skt_exit_of(enum skt_phase phase, int err)
{
    enum skt_exit code = of_errno(abs(err));

    switch (phase) {
    case SKT_PHASE_USAGE: return SKT_EXIT_USAGE;
    case SKT_PHASE_FILE: /* a pipe that broke here is local, not the network's */
        return code == SKT_EXIT_FAILED || code == SKT_EXIT_BROKEN ? SKT_EXIT_LOCAL : code;
    case SKT_PHASE_RESOLVE: return code == SKT_EXIT_TIMEOUT || code == SKT_EXIT_INTERRUPTED ? code : SKT_EXIT_RESOLVE;
    case SKT_PHASE_CONNECT: return code == SKT_EXIT_FAILED ? SKT_EXIT_CONNECT : code;
    case SKT_PHASE_TLS: return code == SKT_EXIT_FAILED ? SKT_EXIT_TLS : code;
    case SKT_PHASE_TALK: return code == SKT_EXIT_FAILED ? SKT_EXIT_BROKEN : code;
    case SKT_PHASE_ANY:
    case SKT_PHASE_LISTEN: return code;
    }
    return SKT_EXIT_FAILED;
}
