/* hello_server: tells each client one sentence and closes.
 * Usage: hello_server [[HOST:]PORT]   (8080 of this machine) */
#include <sockit/net.h>

#include <errno.h>
#include <signal.h>

static struct skt_sock *listener;

static void stop(int signal) { skt_sock_stop(listener); }

static void greet(struct skt_sock *client)
{
    printf("Connection from %s\n", skt_sock_peer(client));
    if (skt_send_all(client, skt_span_str("Hello from server\n"), skt_in(5 * SKT_SEC)))
        fprintf(stderr, "%s\n", skt_sock_err(client)->text);
    skt_sock_finish(client, skt_in(SKT_SEC)); /* what the client sent is not read: closing now could lose our answer */
    skt_sock_close(client);
}

int main(int argc, char **argv)
{
    const struct skt_bind_conf conf = { .backlog = 5 };
    struct skt_sock *client;
    struct skt_err err;
    int r;

    setlinebuf(stdout);
    if (skt_bind(argc > 1 ? argv[1] : "8080", &conf, skt_in(5 * SKT_SEC), &listener, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("Listening on %s, Ctrl-C to stop\n", skt_sock_local(listener));
    while ((r = skt_accept(listener, SKT_NEVER, &client)) != -ECANCELED)
        if (r)
            fprintf(stderr, "%s\n", skt_sock_err(listener)->text);
        else
            greet(client);
    skt_sock_close(listener);
    return 0;
}
