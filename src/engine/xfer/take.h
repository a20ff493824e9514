#pragma once
#include "engine/xfer/desk.h"

/* take: the receiver's half of doc/protocol/xfer.md, section 5. It asks for what it is willing to hold, verifies groups, and
 * has them written; files are settled in the order of their numbers. */
struct skt_take;
struct skt_take_conf {
    uint64_t window, max_bytes; /* as in skt_xfer_conf */
    uint32_t max_files;
    uint32_t jobs; /* not answered, at once: its share, so that no session can use up those of all */
    uint64_t seed; /* secret */
};
struct skt_take *skt_take_new(const struct skt_take_conf *conf, struct skt_desk *desk); /* NULL: no memory */
void skt_take_free(struct skt_take *take);                                              /* takes NULL */

void skt_take_message(struct skt_take *take, const struct skt_xfer_message *message);
void skt_take_block(struct skt_take *take, uint32_t file, uint64_t offset, struct skt_span bytes);
/* Where the bytes of a block that follows the last one belong; what is put there beforehand is nothing until skt_take_block tells of it. False:
 * nobody wants them, or they have no place yet. */
bool skt_take_place(const struct skt_take *take, struct skt_conn_place *ret_place);
void skt_take_pump(struct skt_take *take);           /* before packets go out: says what there is to say */
skt_time skt_take_wake(const struct skt_take *take); /* pump at that time at the latest */
bool skt_take_next(struct skt_take *take, struct skt_xfer_event *ret_event);
void skt_take_answer(struct skt_take *take, const struct skt_job *job, int64_t result);
void skt_take_end(
    struct skt_take *take); /* the session is over: from now on next lets go of the files that are not whole */
bool skt_take_over(const struct skt_take *take);   /* after end: and all are gone */
bool skt_take_done(const struct skt_take *take);   /* all is stored, and the peer was told so */
bool skt_take_agreed(const struct skt_take *take); /* and it has the same sum */
void skt_take_sum(const struct skt_take *take, uint8_t *ret_hash);
