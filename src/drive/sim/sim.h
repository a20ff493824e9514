#pragma once
#include <sockit/engine.h>
#include "engine/impair/path.h"

/* sim: the tests' world, the second driver of sockit/engine.h. A virtual clock, hosts (an engine each) and paths between
 * them; everything that happens follows from the seed, so the same seed gives the same run, and the same capture byte for
 * byte. It also checks the rules at the end of engine.h: an engine that breaks one ends the program, with a line that
 * names the seed, the host, the time and the rule. What the world does wrong (memory out) ends it as well: it is a test. */
struct sim;

/* Shares are probabilities 0..1; all zeros is a kind world with sensible limits. */
struct sim_conf {
    uint64_t seed;
    uint32_t max_links;          /* of each host: above it out->link is 0 and what comes in is reset; 0: 4096 */
    uint32_t queue_bytes;        /* that wait in the driver for one link; above: CLOSE -ENOBUFS; 0: 1 MiB */
    uint32_t send_buf, recv_buf; /* of a socket; 0: each connection draws its own, 4 to 256 KiB */
    bool whole;                  /* stream bytes come as the network gave them; else cut at random, down to one byte */
    skt_time patience;           /* of a connect; 0: 10 s */
    double hang;                 /* share of connects that are never answered: CLOSE -ETIMEDOUT */
    double cut;                  /* share of connections that break off at some time within cut_within */
    skt_time cut_within;         /* 0: 10 s */
    double busy;                 /* share of sends on a datagram socket that find it full: FULL, and ROOM within 5 ms */
    double no_memory;            /* share of outputs for which the driver finds no memory: CLOSE -ENOMEM */
};

struct sim *sim_new(uint64_t seed);
struct sim *sim_new_conf(const struct sim_conf *conf);
void sim_free(struct sim *sim); /* the engines stay the caller's, and are not called */
SKT_CLEANUP(sim)

/* A host: its number, >= 0, and address 10.0.x.y. The engine is borrowed until sim_free. name: without dot or colon;
 * NULL: "h0", "h1", ... Its engine is first asked (send) at the next step. */
int sim_host(struct sim *sim, struct skt_engine engine, const char *name);
/* where: "tcp:9000", "udp:9000" (or a bare port: tcp). The link is open from now on. */
skt_link sim_listen(struct sim *sim, int host, const char *where);
/* to: as out OPEN has it: "name:port", "udp:name:port", "10.0.0.1:9000"; "tls:" is plain TCP here. Told
 * by OPEN or CLOSE, never before this returns: no such name is -ENOENT, no such scheme here (unix, exec) -EOPNOTSUPP. */
skt_link sim_open(struct sim *sim, int host, const char *to);

/* The path between two hosts, each way its own dice. May be changed at any time. Hosts that no call wired have the path of
 * sim_wire_all, and before that call 100 us and nothing bad. */
void sim_wire(struct sim *sim, int a, int b, struct skt_path_conf path);
void sim_wire_all(struct sim *sim, struct skt_path_conf path);
/* From cut to heal nothing passes between the two, both ways. Connections stall, and after a while time out. */
void sim_cut(struct sim *sim, int a, int b);
void sim_heal(struct sim *sim, int a, int b);
/* The connection breaks: CLOSE `why` here, and -ECONNRESET at the other end as soon as the path lets it know. */
void sim_break(struct sim *sim, int host, skt_link link, int why);

/* Goes on to the next thing that happens, and tells the engines. False: nothing will ever happen again. */
bool sim_step(struct sim *sim);
/* Steps until `until`, and sets the clock to it. For engines that never rest. */
void sim_run_until(struct sim *sim, skt_time until);
/* Asks the host's engine (send) now: after a call of its own API gave it something to do. */
void sim_kick(struct sim *sim, int host);
skt_time sim_now(const struct sim *sim); /* begins at 1000 s: an engine must not think that the clock begins at 0 */

/* Everything that enters a path is captured, each host its own interface, what the path loses with a comment. Call it before
 * the first step. path NULL: in memory. 0, or -errno of the file. */
int sim_tap(struct sim *sim, const char *path);
struct skt_span sim_tap_bytes(struct sim *sim); /* of the tap in memory; valid until the next step */

struct sim_stats {
    uint64_t steps, recvs, outputs; /* things that happened; calls of recv; sends that gave something */
    uint64_t stale;                 /* outputs for a link that was gone: refused */
    uint64_t refused, opened, closed, no_buffer, no_link;
    uint64_t stream_bytes, datagrams, datagrams_lost, segments, segments_lost;
};
void sim_stats(const struct sim *sim, struct sim_stats *ret_stats);
uint32_t sim_links(const struct sim *sim, int host); /* in use, listeners included: an engine that leaks is seen */
