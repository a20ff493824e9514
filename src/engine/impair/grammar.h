#pragma once
#include "engine/impair/path.h"

/* grammar: the words of tc-netem(8), as options and as lines, and profiles: files of changes in time.
 *
 *   delay TIME [JITTER [CORR]] [distribution uniform|normal|pareto|paretonormal] [ordered]
 *   loss PCT [CORR] | loss random PCT [CORR] | loss gemodel P [R [1-H [1-K]]] | loss state P13 [P31 [P32 [P23 [P14]]]]   [ecn]
 *   duplicate PCT [CORR]      corrupt PCT [CORR]      reorder PCT [CORR] [gap N]
 *   rate RATE [OVERHEAD [CELL [CELLOVERHEAD]]] [burst SIZE]      limit N|SIZE       (N: packets; 64KiB: bytes)
 *   slot MIN [MAX] [packets N] [bytes SIZE] | slot distribution DIST DELAY JITTER [packets N] [bytes SIZE]
 *   seed N      clear      (clear: nothing bad any more)
 *
 * A value sets all of its word: "loss 1%" after "loss gemodel ..." is random again. 0, -EINVAL or -ERANGE; on failure the
 * target is untouched, and *why (may be NULL) has one sentence without control characters that names value and way out. */

enum skt_way { SKT_UP, SKT_DOWN, SKT_BOTH }; /* up: from the one who connects (bridge: from IF_A) */

/* All zeros: nothing bad, seed 0. way[] is indexed by SKT_UP and SKT_DOWN; give skt_path_init the same as direction. */
struct skt_netem {
    struct skt_path_conf way[2];
    uint64_t seed;
    bool seeded; /* the word was there */
};

/* For an option row: --loss "gemodel 1% 10%" is word "loss", value "gemodel 1% 10%". Any word but clear. */
int skt_netem_set(struct skt_netem *n, enum skt_way way, const char *word, const char *value, struct skt_room *why);
/* A whole line: "delay 100ms 10ms loss 1% rate 10mbit". An empty one changes nothing. */
int skt_netem_line(struct skt_netem *n, enum skt_way way, const char *line, struct skt_room *why);
/* What only the whole can tell, once all is given: reordering without delay, a limit without rate. */
int skt_netem_check(const struct skt_netem *n, struct skt_room *why);
/* As skt_netem_line reads it; "clear" if nothing is bad. Needs at most SKT_NETEM_TEXT bytes. */
enum { SKT_NETEM_TEXT = 1024 };
void skt_put_netem(struct skt_room *out, const struct skt_path_conf *conf);

/* ---- profiles ---- a file, a line each; times count from the start:
 *
 *   # a link that flaps
 *   delay 20ms                      from the start, both ways
 *   up: rate 2mbit                  from the start, one way
 *   at 5s: loss 100%                from then on; all else stays
 *   at 8s down: delay 200ms loss 0%
 *   at 9s: clear
 *   loop 10s                        begins anew every 10 s, with what held at its start
 */
struct skt_profile;

enum { SKT_PROFILE_STEPS = 1000, SKT_PROFILE_BYTES = 1 << 20 };

/* text: what the file holds; file: its name, for the sentences ("link.profile:3: percentage '101%' is above 100").
 * base: what the options said; the profile changes it. Besides the errors above: -ENOMEM, -E2BIG. */
int skt_profile_new(struct skt_span text, const char *file, const struct skt_netem *base,
    struct skt_profile **ret_profile, struct skt_room *why);
void skt_profile_free(struct skt_profile *profile);
SKT_CLEANUP(skt_profile)

/* What holds so long after the start (>= 0), valid as long as the profile; and when after the start that changes,
 * SKT_NEVER: no more. The seed is that of the start. */
const struct skt_netem *skt_profile_at(const struct skt_profile *profile, skt_time since, skt_time *ret_next);
uint32_t skt_profile_steps(const struct skt_profile *profile); /* different times, the start included */
