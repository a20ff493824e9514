/* listen: wait for one peer and talk to it by stdin and stdout. */
#include "verb/verbs.h"

#include "verb/objects.h"
#include "verb/pipe.h"

#include <errno.h>

static int wait_and_talk(struct live *live, struct pipe_options *o, struct skt_listen_conf *conf, const char *where)
{
    struct pipe *pipe = NULL;
    struct skt_addr at;
    skt_link link = 0;
    int r = pipe_open(live, o, &pipe);

    if (r)
        return r;
    r = skt_rt_listen(live->rt, pipe_engine(pipe), where, conf, &link);
    if (r)
        r = skt_cli_fail_why(live->cli, r == -EINVAL ? SKT_PHASE_USAGE : SKT_PHASE_LISTEN, r, skt_rt_why(live->rt, 0));
    if (!r && !skt_rt_local(live->rt, link, &at))
        skt_cli_say(live->cli, "listening on %s%s", at.family == SKT_LOCAL ? where : live_addr(&at),
            o->udp      ? " (UDP)"
            : conf->tls ? " (TLS)"
                        : "");
    if (!r)
        r = live_shut_in(live, &(struct live_need){ .listen = { &where, 1 } });
    if (!r)
        r = pipe_run(pipe, link);
    skt_rt_free(live->rt); /* before the engine that it drives */
    live->rt = NULL;
    pipe_close(pipe);
    return r;
}

static int listen_run(struct skt_cli *cli)
{
    struct pipe_options o = { .waits = true };
    struct skt_listen_conf conf = { .max_conns = 1, .wait = true };
    struct live_tls tls = { 0 };
    struct live live;
    const char *where = NULL, *port = NULL;
    bool local = false;
    const struct skt_opt opts[] = {
        PIPE_ROWS(&o),
        SKT_OPT_FLAG('k', "keep", &o.keep, "go on with the next peer when one has left"),
        SKT_OPT_FLAG('U', "unix", &local, "HOST is the path of a Unix socket"),
        SKT_OPT_TIME('w', "timeout", &conf.idle, "TIME", "end a peer that is silent for TIME (never)"),
        LIVE_TLS_SERVER_ROWS(&tls),
        SKT_ARG(&where, "[HOST:]PORT", "where to listen; also unix:/path"),
        SKT_ARG_OPT(&port, "PORT", "the port, when HOST stands alone"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    if ((r = pipe_where(cli, &o.udp, &tls.tls, local, where, port, &where)) ||
        (r = live_tls_unused(cli, opts, tls.tls)))
        return r;
    if (tls.tls && o.udp)
        return skt_cli_usage(cli, "--tls needs a stream: it does not go with --udp");
    o.keep |= o.udp; /* datagrams have no end: until we are told to */
    if (!(r = live_open(&live, cli, &(struct skt_rt_conf){ .tap_plain = tls.plain })) &&
        !(r = live_tls(&live, &tls, true))) {
        conf.tls = live.tls;
        r = wait_and_talk(&live, &o, &conf, where);
    }
    return live_close(&live, r);
}

const struct skt_verb skt_verb_listen = {
    "listen",
    "Wait for one peer; pipe stdin and stdout to it",
    listen_run,
    .about =
        "Standard output carries the data; with --json the events go to standard error. On a terminal what comes is "
        "escaped, so that it cannot command it; a file or a pipe gets it as it came.",
    .examples = SKT_EXAMPLES({ "sockit listen 7000 > file", "receive a file, on loopback" },
        { "sockit listen '*:7000' > file", "receive a file, from another machine" },
        { "sockit listen -k 7000", "print what one peer after the other sends" },
        { "sockit listen -u '*:5514'", "print datagrams of any sender" },
        { "sockit listen --tls --cert server.pem 7443", "with TLS" }),
    .objects = objects_pipe,
    .see_also = "connect,serve",
};
