#pragma once

/* The one table of exit codes, for all verbs; `sockit help exit-codes` prints it. Scripts depend on the numbers. */
enum skt_exit {
    SKT_EXIT_OK = 0,
    SKT_EXIT_FAILED = 1,
    SKT_EXIT_USAGE = 2,
    SKT_EXIT_RESOLVE = 3,
    SKT_EXIT_CONNECT = 4,
    SKT_EXIT_TIMEOUT = 5,
    SKT_EXIT_BROKEN = 6,
    SKT_EXIT_TLS = 7,
    SKT_EXIT_LOCAL = 8,
    SKT_EXIT_PERMISSION = 9,
    SKT_EXIT_LIMIT = 10,
    SKT_EXIT_INTERRUPTED = 130,
};

/* What was being done when it failed. */
enum skt_phase {
    SKT_PHASE_ANY,     /* none of the others, or not known */
    SKT_PHASE_USAGE,   /* options, configuration */
    SKT_PHASE_RESOLVE, /* name -> address */
    SKT_PHASE_CONNECT,
    SKT_PHASE_TLS,    /* handshake and verification */
    SKT_PHASE_TALK,   /* sending and receiving */
    SKT_PHASE_LISTEN, /* bind, listen, accept */
    SKT_PHASE_FILE,   /* stdin, stdout, files, databases */
};

/* err: errno or -errno, 0 when there is none. */
enum skt_exit skt_exit_of(enum skt_phase phase, int err);

struct skt_exit_row {
    enum skt_exit code;
    const char *name, *text;
};
const struct skt_exit_row *skt_exit_rows(void);   /* ends with a NULL name */
const char *skt_phase_name(enum skt_phase phase); /* "resolve", "connect"; "" for ANY */
