/* connect: connect to a peer and talk to it by stdin and stdout, or by a prompt. */
#include "verb/verbs.h"

#include "cli/json.h"
#include "verb/objects.h"
#include "verb/pipe.h"

#include <errno.h>
#include <unistd.h>

struct connect {
    struct pipe_options o;
    struct skt_open_conf conf;
    struct live_tls tls;
    struct live_family family;
    bool local, probe;
    const char *host, *port, *where;
};

static int talk(struct live *live, struct connect *c)
{
    struct pipe *pipe = NULL;
    skt_link link;
    int r = pipe_open(live, &c->o, &pipe);

    if (r)
        return r;
    r = skt_rt_open(live->rt, pipe_engine(pipe), c->where, &c->conf, &link);
    if (r) {
        r = skt_cli_fail_why(live->cli, SKT_PHASE_USAGE, r, skt_rt_why(live->rt, link));
    } else {
        pipe_expect(pipe, link);
        r = live_shut_in(live, &(struct live_need){ .peer = c->where, .source = c->conf.source });
    }
    if (!r)
        r = pipe_run(pipe, 0);
    skt_rt_free(live->rt); /* before the engine that it drives */
    live->rt = NULL;
    pipe_close(pipe);
    return r;
}

/* -z: only whether somebody is there. Standard input stays untouched. */
static int probe(struct live *live, struct connect *c)
{
    struct skt_cli *cli = live->cli;
    int r;

    c->o.send = "";
    c->o.probe = true;
    r = talk(live, c);
    if (cli->json) {
        struct skt_json j;
        skt_json_begin(&j, &cli->out);
        skt_json_str(&j, "target", c->where);
        skt_json_bool(&j, "open", r == 0);
        skt_json_end(&j);
    } else if (!r) {
        skt_sink_fmt(&cli->out, "%s open\n", c->where);
    }
    return r;
}

static int connect_run(struct skt_cli *cli)
{
    static const char no_family[] = "a Unix socket is neither IPv4 nor IPv6: leave out --ipv4 and --ipv6";
    struct connect c = { 0 };
    struct live live;
    skt_time timeout = 0;
    const struct skt_opt opts[] = {
        PIPE_ROWS(&c.o),
        SKT_OPT_FLAG('i', "interactive", &c.o.interactive, "a prompt for lines; 'quit' ends"),
        SKT_OPT_FLAG('U', "unix", &c.local, "HOST is the path of a Unix socket"),
        SKT_OPT_FLAG('z', "probe", &c.probe, "only connect, and say whether it succeeded"),
        SKT_OPT_STR('S', "source", &c.conf.source, "ADDRESS", "connect from this address, :port, or both"),
        SKT_OPT_TIME('w', "timeout", &timeout, "TIME", "give up after TIME without progress (10s to connect)"),
        LIVE_FAMILY_ROWS(&c.family, "reach HOST"),
        LIVE_TLS_CLIENT_ROWS(&c.tls),
        SKT_ARG(&c.host, "HOST[:PORT]", "the peer; also unix:/path"),
        SKT_ARG_OPT(&c.port, "PORT", "its port"),
        SKT_OPT_END,
    };
    int r = skt_cli_parse(cli, opts);

    if (r)
        return r;
    if ((r = pipe_where(cli, &c.o.udp, &c.tls.tls, c.local, c.host, c.port, &c.where)) ||
        (r = live_tls_unused(cli, opts, c.tls.tls)) ||
        (r = live_family(cli, opts, &c.family, strncmp(c.where, "unix", 4) != 0 ? NULL : no_family, &c.conf.family)))
        return r;
    if (c.tls.tls && c.o.udp)
        return skt_cli_usage(cli, "--tls needs a stream: it does not go with --udp");
    if (c.o.interactive && c.o.send)
        return skt_cli_usage(cli, "--interactive and --send exclude each other");
    if (c.probe && c.o.udp)
        return skt_cli_usage(cli, "--probe needs a stream: UDP has no answer to 'is somebody there'");
    c.conf.timeout = c.conf.idle = timeout;
    if (!(r = live_open(&live, cli, &(struct skt_rt_conf){ .tap_plain = c.tls.plain })) &&
        !(r = live_tls(&live, &c.tls, false))) {
        c.conf.tls = live.tls;
        r = c.probe ? probe(&live, &c) : talk(&live, &c);
    }
    return live_close(&live, r);
}

const struct skt_verb skt_verb_connect = {
    "connect",
    "Connect to a peer; pipe stdin and stdout to it",
    connect_run,
    .about =
        "Standard output carries the data; with --json the events go to standard error. On a terminal what comes is "
        "escaped, so that it cannot command it; a file or a pipe gets it as it came.",
    .examples = SKT_EXAMPLES({ "sockit connect localhost 7000 < file", "send a file" },
        { "sockit connect -i localhost 8080", "a prompt for lines" },
        { "sockit connect --tls --crlf example.org 443", "speak HTTP by hand" },
        { "printf 'GET / HTTP/1.0\\r\\n\\r\\n' | sockit connect localhost 8080", "or by a pipe" },
        { "sockit connect -z -w 1s 192.0.2.1 22", "is the port open?" }),
    .objects = objects_pipe,
    .see_also = "listen,serve",
};
