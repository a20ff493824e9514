/* udp_client: sends each line that is typed as a datagram. Datagrams get lost: it waits for an answer, but not for ever.
 * Usage: udp_client [udp:HOST:PORT]   (udp:127.0.0.1:9999) */
#include <sockit/net.h>

#include <errno.h>

#define PATIENCE (2 * SKT_SEC)

static bool ask(struct skt_span *ret_message)
{
    static char text[60 * 1000];
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

int main(int argc, char **argv)
{
    struct skt_sock *sock;
    struct skt_span message, answer;
    struct skt_err err;

    if (skt_dial(argc > 1 ? argv[1] : "udp:127.0.0.1:9999", NULL, skt_in(5 * SKT_SEC), &sock, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    while (ask(&message)) {
        int r;

        while (skt_recv(sock, &answer, 0) > 0) /* too late: not the answer to what is sent now */
            ;
        r = skt_send_all(sock, message, skt_in(PATIENCE));
        if (!r)
            r = skt_recv(sock, &answer, skt_in(PATIENCE));
        if (r == -ETIMEDOUT) {
            printf("No answer within 2 s: the message or its answer was lost\n");
        } else if (r < 0) {
            fprintf(stderr, "%s\n", skt_sock_err(sock)->text);
        } else {
            printf("Server response: ");
            skt_show(stdout, answer);
            printf("\n");
        }
    }
    skt_sock_close(sock);
    return 0;
}
