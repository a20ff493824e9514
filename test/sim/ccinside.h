#pragma once
/* What ccworld.c (time, the path) and ccflow.c (both ends of a flow) share. */
#include "ccworld.h"

#include "base/heap.h"
#include "cctcp.h"

struct packet {
    skt_time sent, first_sent, delivered_at; /* as draft-cheng-iccrg-delivery-rate-estimation */
    uint64_t delivered;
    uint32_t chunk;
    enum { FLYING, ACKED, LOST } is;
    bool got, app_limited;
};

struct flow {
    struct ccw_flow_conf conf;
    struct skt_cc *cc;
    struct cctcp tcp;
    uint32_t index, payload;
    bool began, done;
    skt_time done_at, timer; /* the event that is set already */

    struct packet *packets;      /* by number */
    uint64_t next, room, oldest; /* oldest: all before are settled */
    uint8_t *chunk_done;
    uint32_t *again;                              /* chunks to be sent again: a ring */
    uint64_t again_first, again_n, chunks, fresh; /* fresh: first never sent */
    uint64_t chunks_room;

    uint64_t inflight, delivered; /* bytes */
    skt_time delivered_at, first_sent;
    uint64_t app_limited;                                    /* until so much is delivered; 0: not */
    skt_time srtt, rttvar, rtt_min, pace_at, heard, reorder; /* reorder: how much later than 9/8 */
    uint32_t backoff;
    uint64_t twice; /* what was sent before went once more */
    skt_time app_at;

    uint64_t *log; /* numbers in the order of their arrival */
    uint64_t log_n, log_read;
    uint64_t largest, got_n, unacked;
    skt_time ack_due, largest_at; /* ack_due 0: none */
    uint64_t acks;
    struct ccw_result result;
    double queue_sum;
};

struct event {
    enum { WAKE, DATA, ACK, ACK_TIMER, STEP } what;
    uint32_t flow, next_free;
    uint64_t n;
    skt_time delay;
};

struct ccw {
    struct ccw_conf conf;
    skt_time now, gathered;
    struct skt_path there, back;
    bool dead;
    uint64_t index_there, index_back;
    struct skt_heap heap;
    struct event *events;
    uint32_t free_event, events_n;
    skt_time told;
    struct flow flow[CCW_FLOWS];
};

/* The world, for flows. */
void ccw_at(struct ccw *w, skt_time when, struct event e);
void ccw_wake(struct ccw *w, struct flow *f, skt_time when);
void ccw_pass(struct ccw *w, bool there, struct event e, size_t len, skt_time more);

/* Flows, for the world. */
void ccf_run(struct ccw *w, struct flow *f);
void ccf_data(struct ccw *w, struct flow *f, uint64_t n);
void ccf_ack(struct ccw *w, struct flow *f, uint64_t log_n, skt_time delay);
void ccf_ack_timer(struct ccw *w, struct flow *f);
uint64_t ccf_window(const struct flow *f);
void ccf_done(struct flow *f);
