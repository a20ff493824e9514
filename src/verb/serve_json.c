/* serve_json: the lines of serve --json. */
#include "verb/serve_json.h"

#include "cli/json.h"
#include "verb/live.h"

#include <string.h>
#include <sys/wait.h>

void serve_json_left(struct skt_cli *cli, const struct skt_relay_event *ev, int status)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "disconnected");
    skt_json_str(&j, "peer", live_addr(&ev->peer));
    skt_json_u64(&j, "bytes_in", ev->in);
    skt_json_u64(&j, "bytes_out", ev->out);
    skt_json_double(&j, "duration", (double)ev->stayed / SKT_SEC);
    skt_json_str(&j, "error", ev->why ? strerror(-ev->why) : NULL);
    if (status != EXIT_UNKNOWN && WIFEXITED(status))
        skt_json_u64(&j, "exit", (uint64_t)WEXITSTATUS(status));
    else if (status != EXIT_UNKNOWN && WIFSIGNALED(status))
        skt_json_u64(&j, "signal", (uint64_t)WTERMSIG(status));
    skt_json_end(&j);
}

void serve_json_came(struct skt_cli *cli, const struct skt_addr *peer)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "connected");
    skt_json_str(&j, "peer", live_addr(peer));
    skt_json_end(&j);
}

void serve_json_listening(struct skt_cli *cli, const char *where)
{
    struct skt_json j;

    if (!cli->json)
        return;
    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "listening");
    skt_json_str(&j, "address", where);
    skt_json_end(&j);
    (void)skt_sink_flush(&cli->out);
}

void serve_json_unheard(struct skt_cli *cli, const struct skt_addr *peer, const char *why)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "tls_failed");
    skt_json_str(&j, "peer", live_addr(peer));
    skt_json_str(&j, "error", why);
    skt_json_end(&j);
}

void serve_json_stats(struct skt_cli *cli, const struct skt_rt_stats *stats)
{
    struct skt_json j;

    skt_json_begin(&j, &cli->out);
    skt_json_str(&j, "event", "stats");
    skt_json_u64(&j, "accepted", stats->accepted);
    skt_json_u64(&j, "refused", stats->refused);
    skt_json_u64(&j, "denied", stats->denied);
    skt_json_u64(&j, "tls_failed", stats->tls_failed);
    skt_json_u64(&j, "dropped_full", stats->dropped_full);
    skt_json_u64(&j, "dropped_idle", stats->dropped_idle);
    skt_json_u64(&j, "accept_errors", stats->accept_errors);
    skt_json_u64(&j, "bytes_in", stats->bytes_in);
    skt_json_u64(&j, "bytes_out", stats->bytes_out);
    skt_json_u64(&j, "datagrams_in", stats->datagrams_in);
    skt_json_u64(&j, "datagrams_out", stats->datagrams_out);
    skt_json_u64(&j, "datagrams_lost", stats->datagrams_lost);
    skt_json_u64(&j, "links", stats->links);
    skt_json_end(&j);
    (void)skt_sink_flush(&cli->out);
}
