#pragma once
#include <sockit/bytes.h>

/* progress: one line on stderr, redrawn at most 10 times a second, and only on a terminal and without -q.
 *
 *     notes.iso  41.2 MiB of 1.20 GiB  3%  12.5MiB/s  1m33s left
 *
 * After skt_progress_init SIGUSR1 asks for one plain line, terminal or not. Time is the caller's monotonic clock. */
struct skt_cli;

struct skt_progress {
    struct skt_cli *cli;
    const char *label;    /* borrowed; escaped when shown */
    uint64_t done, total; /* bytes; total 0: not known */
    skt_time started, drawn, sampled;
    uint64_t sampled_done;
    double rate;      /* bytes/s, of the last seconds */
    bool shown, live; /* live: there is a terminal to draw on */
};

void skt_progress_init(
    struct skt_progress *progress, struct skt_cli *cli, const char *label, uint64_t total, skt_time now);
void skt_progress_step(struct skt_progress *progress, skt_time now, uint64_t done);
/* Wipes the line. The summary is the verb's: skt_progress_put makes its text. */
void skt_progress_done(struct skt_progress *progress);
void skt_progress_hide(struct skt_progress *progress); /* somebody else writes to the terminal; the next step draws */

/* The line, without LF and colour, at most `columns` cells wide. */
void skt_progress_put(struct skt_room *out, const struct skt_progress *progress, skt_time now, uint32_t columns);
