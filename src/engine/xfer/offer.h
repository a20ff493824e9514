#pragma once
#include "engine/xfer/desk.h"

/* offer: the sender's half of doc/protocol/xfer.md, section 5. It gives entries, reads and hashes what the receiver asks for, and
 * keeps the bytes until they are acknowledged. */
struct skt_offer;
struct skt_offer *skt_offer_new(struct skt_desk *desk); /* NULL: no memory */
void skt_offer_free(struct skt_offer *offer);           /* takes NULL */

void skt_offer_open(struct skt_offer *offer, uint64_t files, uint64_t bytes); /* the session is: says the totals */
void skt_offer_message(struct skt_offer *offer, const struct skt_xfer_message *message);
int skt_offer_entry(struct skt_offer *offer, const struct skt_xfer_meta *meta); /* as skt_xfer_offer */
bool skt_offer_next(struct skt_offer *offer, struct skt_xfer_event *ret_event);
void skt_offer_answer(struct skt_offer *offer, const struct skt_job *job, int64_t result);

bool skt_offer_has_blocks(const struct skt_offer *offer);
void skt_offer_put_blocks(struct skt_offer *offer); /* into the train that the conn has begun */
void skt_offer_acked(struct skt_offer *offer, const struct skt_conn_piece *piece);
void skt_offer_lost(struct skt_offer *offer, const struct skt_conn_piece *piece);

void skt_offer_end(struct skt_offer *offer); /* the session is over: from now on next lets go of the files */
bool skt_offer_over(const struct skt_offer *offer);
bool skt_offer_done(const struct skt_offer *offer); /* the receiver's sum is ours: all is stored and verified */
void skt_offer_sum(const struct skt_offer *offer, uint8_t *ret_hash);
