#pragma once
#include <stdbool.h>
#include <stdint.h>

/* sandbox: after start a program gives up what it does not need: no_new_privs, empty capability sets, Landlock for
 * files, an allow-list of system calls that kills. Irrevocable, for this thread and those it starts later. The plug-in
 * sockit-sandbox.so does it (libseccomp, libcap-ng); each part that this kernel lacks is left out. */
enum { SKT_SANDBOX_FILES = 16 };

struct skt_sandbox_conf {
    bool exec;                             /* commands will be started: then no system call filter and no Landlock, as
                                           * they would bind the commands; the rest stays */
    bool low_ports;                        /* ports below 1024 may still be bound, if they might before */
    const char *read[SKT_SANDBOX_FILES];   /* directories or files that may still be read; NULL: skipped, as in all */
    const char *write[SKT_SANDBOX_FILES];  /* the same, to be read, written, and files made in them */
    const char *remove[SKT_SANDBOX_FILES]; /* files that may be removed, as may their neighbours: Unix sockets */
    /* Files and directories with all that is below them, n_trees: read, also those that only root may; trees_written: made,
     * written, linked, renamed and removed as well. */
    const char *const *trees;
    uint32_t n_trees;
    bool trees_written;
};

enum skt_sandbox_part { /* bits, of what skt_sandbox_parts gives */
    SKT_SANDBOX_NO_NEW_PRIVS = 1,
    SKT_SANDBOX_CAPS = 2,
    SKT_SANDBOX_LANDLOCK = 4,
    SKT_SANDBOX_SECCOMP = 8,
};

/* What is read late must be listed (certificates that a signal reads anew); the system's authorities are always readable,
 * and the resolver's own files: all of /etc, as far as he may, for who is not root.
 * 0; -ENOSYS: the module is not installed; -errno. */
int skt_sandbox(const struct skt_sandbox_conf *conf);
unsigned skt_sandbox_parts(void); /* which took effect, for -v and doctor */

/* What the module exports as skt_plug_sandbox. */
struct skt_sandbox_ops {
    int (*shut)(const struct skt_sandbox_conf *conf, unsigned *ret_parts);
};
