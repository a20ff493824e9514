/* hello_client: sends one message, prints the whole answer, closes.
 * Usage: hello_client [HOST:PORT [MESSAGE]]   (localhost:8080; "tls:HOST:PORT" and "unix:/path" do too) */
#include <sockit/net.h>

static int fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    const char *where = argc > 1 ? argv[1] : "localhost:8080", *message = argc > 2 ? argv[2] : "Hello from client";
    skt_time deadline = skt_in(10 * SKT_SEC); /* of all that follows, the name's resolution included */
    struct skt_sock *server;
    struct skt_span text;
    struct skt_err err;
    int r;

    if (skt_dial(where, NULL, deadline, &server, &err))
        return fail(err.text);
    r = skt_send_all(server, skt_span_str(message), deadline);
    if (!r)
        r = skt_send_end(server, deadline); /* no length, no line: our end tells that the message is whole */
    while (!r && (r = skt_recv_text(server, &text, deadline)) > 0) {
        skt_show(stdout, text);
        r = 0;
    }
    if (r)
        fail(skt_sock_err(server)->text);
    skt_sock_close(server);
    return r != 0;
}
