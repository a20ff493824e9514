/* reply_client: sends each line that is typed, and prints the server's answer to it.
 * Usage: reply_client [HOST:PORT]   (localhost:12345) */
#include <sockit/net.h>

#include <stdlib.h>

/* Without the LF. False at the end of the input, or for "quit". */
static bool ask(struct skt_span *ret_message)
{
    static char text[64 * 1024];
    struct skt_span typed;

    printf("Enter message (or 'quit' to exit): ");
    fflush(stdout);
    if (!fgets(text, sizeof text, stdin))
        return false;
    typed = skt_span_str(text);
    if (!skt_get_line(&typed, ret_message))
        *ret_message = typed;
    return !skt_span_is(*ret_message, "quit");
}

static int fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

int main(int argc, char **argv)
{
    struct skt_sock *server;
    struct skt_span message, answer;
    struct skt_err err;
    int status = 0;

    if (skt_dial(argc > 1 ? argv[1] : "localhost:12345", NULL, skt_in(5 * SKT_SEC), &server, &err))
        return fail(err.text);
    skt_sock_set(server, SKT_SO_PAUSE, 200 * SKT_MS); /* servers that send no LF are understood too */
    printf("Connected to %s\n", skt_sock_peer(server));
    while (!status && ask(&message)) {
        struct skt_span line[] = { message, skt_span_str("\n") };
        int r = skt_send_parts(server, line, 2, skt_in(10 * SKT_SEC));

        if (!r)
            r = skt_recv_line(server, &answer, skt_in(10 * SKT_SEC));
        if (r > 0) {
            printf("Server response: ");
            skt_show(stdout, answer);
            printf("\n");
        } else {
            status = fail(r ? skt_sock_err(server)->text : "The server has closed the connection");
        }
    }
    skt_sock_close(server);
    return status;
}
