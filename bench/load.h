#pragma once
#include "hist.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* load: the clients of every bench. One process, one thread; the runner pins it to a core of its own. */
struct load {
    uint32_t port;
    pid_t server;    /* leader of the server's session, for its CPU and memory; 0: not asked */
    uint32_t links;  /* connections, or UDP sockets */
    uint32_t size;   /* bytes of a message */
    uint32_t window; /* messages in flight: of the fan-out's sender, of one UDP socket */
    uint32_t rate;   /* fan-out: messages a second; 0: as the window allows */
    double seconds;  /* of measuring, after a warm-up */
    bool trains;     /* UDP: GSO out, GRO in */
    bool irc;        /* fan-out: speak IRC; else lines */
    bool silent;     /* idle: do not even say one word */
};

/* A measurement: begins when the warm-up is over, and is printed as one line of key=value. */
struct span_of_time {
    int64_t from, until; /* ns of bench_now */
    int64_t cpu;         /* of the server at the start */
    bool running;
};

int64_t load_guard(const struct load *load); /* kills the load if it hangs; gives the end of the warm-up */
bool load_begins(const struct load *load, struct span_of_time *t, int64_t now); /* true once: forget what was counted */
bool load_ends(const struct span_of_time *t, int64_t now);
void load_print(const struct load *load, const struct span_of_time *t, uint64_t done, const struct hist *h);
int load_connect(uint32_t port); /* blocking connect, then non-blocking; waits a little for a server that starts */

/* The loads. Each prints its line on stdout. */
void load_echo(const struct load *load);
void load_accept(const struct load *load);
void load_idle(const struct load *load);
void load_udp(const struct load *load);
void load_fanout(const struct load *load);

/* spawn.c: what the runner needs and a shell cannot do. */
int spawn_run(char **argv);  /* CPU|- COMMAND...: its own session, pinned, dies with its parent; does not return */
int spawn_time(char **argv); /* FILE CPU|- COMMAND...: writes cpu=SECONDS wall=SECONDS of the command to FILE */
int spawn_start(
    char **argv); /* COUNT SECONDS COMMAND...: starts it COUNT times, or for so long; median wall, mean CPU */
int spawn_inside(char **argv); /* COMMAND...: in a network namespace of its own with reno and all ports free */
int spawn_port(char **argv);   /* prints a free port */
int spawn_wait(char **argv);   /* tcp|udp PORT [PID]: until something listens, 5 s at most, or until PID has ended */
