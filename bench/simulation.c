/* simulation chat|echo|tapped SECONDS SEED: how fast the tests' world is. 100 clients over paths of 20 ms with 5 ms of
 * jitter and 1 % of loss for so many simulated seconds; prints simulated time over CPU time.
 * chat: all in one room of the chat engine, each says a line each 10 s, which goes to the 99 others.
 * echo: each sends 64 bytes a second to the echo engine and gets them back. tapped: the same, captured in memory. */
#include "common.h"

#include "drive/sim/sim.h"

#include <sockit/chat.h>
#include <sockit/serve.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CLIENTS = 100, BEGIN_S = 1000 /* sim.h: the clock begins there */ };

struct client {
    skt_link link;
    bool chats, wants_open, open;
    uint32_t number;
    skt_time gap, next; /* when to say the next thing */
    uint64_t sent, got;
};

static void client_recv(void *self, skt_time now, struct skt_in *in)
{
    struct client *c = self;

    if (in->kind == SKT_OPEN) {
        c->open = true;
        c->next = now + c->gap * c->number / CLIENTS; /* not all at once */
    } else if (in->kind == SKT_CLOSE) {
        bench_die("client %u lost its link: %s", c->number, strerror(-in->why));
    } else if (in->kind == SKT_DATA) {
        c->got += skt_len(in->data);
        in->data.p = in->data.end;
    }
}

static bool client_send(void *self, skt_time now, struct skt_out *out)
{
    struct client *c = self;
    uint8_t *from = out->data.p;

    if (c->wants_open && out->link) {
        c->wants_open = false;
        c->link = out->link;
        out->kind = SKT_OPEN;
        skt_put_str(&out->data, "server:6667");
        return true;
    }
    if (!c->open || now < c->next)
        return false;
    out->kind = SKT_DATA;
    out->link = c->link;
    c->next = now + c->gap;
    if (c->chats && !c->sent)
        skt_put_fmt(&out->data, "NICK c%u\r\nUSER c 0 * :c\r\nJOIN #room\r\n", c->number);
    else if (c->chats)
        skt_put_fmt(&out->data, "PRIVMSG #room :%048llu\r\n", (unsigned long long)c->sent);
    else
        skt_put_fmt(&out->data, "%064llu", (unsigned long long)c->sent);
    c->sent += (uint64_t)(out->data.p - from);
    return true;
}

static skt_time client_wake(const void *self)
{
    const struct client *c = self;

    return c->open ? c->next : SKT_NEVER;
}

static struct skt_engine client_engine(struct client *c)
{
    static const struct skt_engine_ops ops = { client_recv, client_send, client_wake };

    return (struct skt_engine){ &ops, c };
}

static struct skt_engine server_engine(bool chats)
{
    struct skt_chat_conf chat = { .seed = 1, .flood_free = true };
    struct skt_serve_conf serve = { .mode = SKT_SERVE_ECHO, .quiet = true };
    struct skt_chat *c = NULL;
    struct skt_serve *s;

    if (chats && !skt_chat_new(&chat, &c))
        return skt_chat_engine(c);
    if (chats || !(s = skt_serve_new(&serve)))
        bench_die("out of memory");
    return skt_serve_engine(s);
}

static double own_cpu(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct client clients[CLIENTS];
    bool chats = argc > 1 && !strcmp(argv[1], "chat");
    uint32_t seconds = bench_number(argc > 2 ? argv[2] : NULL, 1, 100000);
    struct sim_conf conf = { .seed = bench_number(argc > 3 ? argv[3] : NULL, 0, 1 << 30), .whole = true };
    struct skt_path_conf path = { .delay = 20 * SKT_MS, .jitter = 5 * SKT_MS, .loss = .01 };
    struct sim *sim = sim_new_conf(&conf);
    struct sim_stats stats;
    uint64_t got = 0;
    double cpu;

    sim_wire_all(sim, path);
    if (!strcmp(argv[1], "tapped") && sim_tap(sim, NULL))
        bench_die("tap");
    sim_listen(sim, sim_host(sim, server_engine(chats), "server"), "tcp:6667");
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] =
            (struct client){ .chats = chats, .wants_open = true, .number = i, .gap = chats ? 10 * SKT_SEC : SKT_SEC };
        sim_host(sim, client_engine(&clients[i]), NULL);
    }
    cpu = own_cpu();
    sim_run_until(sim, (skt_time)(BEGIN_S + seconds) * SKT_SEC);
    cpu = own_cpu() - cpu;
    sim_stats(sim, &stats);
    for (uint32_t i = 0; i < CLIENTS; i++)
        got += clients[i].got;
    if (got < (uint64_t)CLIENTS * seconds * 32)
        bench_die("the clients got %llu bytes only", (unsigned long long)got);
    printf("speed=%.0f cpu=%.4f steps=%llu step_ns=%.0f got=%llu\n", seconds / cpu, cpu,
        (unsigned long long)stats.steps, cpu * 1e9 / (double)stats.steps, (unsigned long long)got);
    return 0; /* the process ends with the world and its engines */
}
