#pragma once
#include "verb/xfer_both.h"

/* xfer_json: an object a line, of both ends; only with --json. why: in words, if the event has one. The caller flushes, but for progress. */
void xfer_json_file(struct xfer_both *x, const struct skt_xfer_event *event, const char *why); /* whole, or failed */
/* What was not offered: with an errno, if the system has said one. */
void xfer_json_passed(struct xfer_both *x, struct skt_span path, int error, const char *why);
void xfer_json_session(struct xfer_both *x, uint32_t session); /* it begins */
void xfer_json_put_off(struct xfer_both *x, uint32_t session);
/* One a second and session. */
void xfer_json_progress(struct xfer_both *x, uint32_t session, const struct skt_xfer_stats *stats, skt_time now);
void xfer_json_ended(struct xfer_both *x, const struct skt_xfer_event *event, const char *why,
    const struct skt_xfer_stats *stats, skt_time took);
