/* udp_server: answers each datagram with "Server received: " and its text.
 * Usage: udp_server [udp:[HOST:]PORT]   (udp:9999 of this machine) */
#include <sockit/net.h>

#include <errno.h>
#include <signal.h>

static struct skt_sock *sock;

static void stop(int signal) { skt_sock_stop(sock); }

static void answer(struct skt_span text, const struct skt_addr *from)
{
    static char reply[64 * 1024 + 32];
    struct skt_room out = skt_room_of(reply, sizeof reply);

    printf("%s: ", skt_sock_name(sock, from));
    skt_show(stdout, text);
    printf("\n");
    skt_put_str(&out, "Server received: ");
    skt_put(&out, text);
    if (skt_sendto(sock, skt_span_of(reply, (size_t)((char *)out.p - reply)), from, skt_in(SKT_SEC)))
        fprintf(stderr, "%s\n", skt_sock_err(sock)->text);
}

int main(int argc, char **argv)
{
    struct skt_addr from;
    struct skt_span text;
    struct skt_err err;
    int r;

    setlinebuf(stdout);
    if (skt_bind(argc > 1 ? argv[1] : "udp:9999", NULL, skt_in(5 * SKT_SEC), &sock, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("Listening on %s, Ctrl-C to stop\n", skt_sock_local(sock));
    while ((r = skt_recvfrom(sock, &text, &from, SKT_NEVER)) > 0)
        answer(text, &from);
    if (r != -ECANCELED) /* "9999" is a port of TCP: a stream has no datagrams */
        fprintf(stderr, "%s\n", skt_sock_err(sock)->text);
    skt_sock_close(sock);
    return r != -ECANCELED;
}
