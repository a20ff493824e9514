/* reply_server: answers each line of each client with "Server received: LINE". A thread a client: a conversation is
 * then one straight loop, and who is slow holds up nobody else. Threads cost memory, so their number has a cap; for
 * thousands of clients there is sockit/rt.h.
 * Usage: reply_server [[HOST:]PORT]   (12345 of this machine) */
#include <sockit/net.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>

enum { CLIENTS_MAX = 100 };

static struct skt_sock *listener;
static sem_t seats;

static void stop(int signal) { skt_sock_stop(listener); }

static void *talk(void *arg)
{
    struct skt_sock *client = arg;
    struct skt_span line;
    int r;

    printf("%s connected\n", skt_sock_peer(client));
    while ((r = skt_recv_line(client, &line, skt_in(300 * SKT_SEC))) > 0) {
        struct skt_span answer[] = { skt_span_str("Server received: "), line, skt_span_str("\n") };

        r = skt_send_parts(client, answer, 3, skt_in(10 * SKT_SEC));
        if (r)
            break;
    }
    printf("%s left%s%s\n", skt_sock_peer(client), r ? ": " : "", r ? skt_sock_err(client)->text : "");
    skt_sock_close(client);
    sem_post(&seats);
    return NULL;
}

static void welcome(struct skt_sock *client)
{
    bool seated = !sem_trywait(&seats);
    pthread_t thread;

    if (seated && !pthread_create(&thread, NULL, talk, client)) {
        pthread_detach(thread);
        return;
    }
    if (seated)
        sem_post(&seats);
    printf("%s turned away: %d clients are here\n", skt_sock_peer(client), CLIENTS_MAX);
    skt_send_all(client, skt_span_str("Server is full, try later\n"), 0);
    skt_sock_close(client);
}

int main(int argc, char **argv)
{
    struct skt_sock *client;
    struct skt_err err;
    int r;

    setlinebuf(stdout);
    if (skt_bind(argc > 1 ? argv[1] : "12345", NULL, skt_in(5 * SKT_SEC), &listener, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    skt_sock_set(listener, SKT_SO_PAUSE, 200 * SKT_MS); /* clients that end their messages by silence are served too */
    sem_init(&seats, 0, CLIENTS_MAX);
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    printf("Listening on %s, Ctrl-C to stop\n", skt_sock_local(listener));
    while ((r = skt_accept(listener, SKT_NEVER, &client)) != -ECANCELED)
        if (r)
            fprintf(stderr, "%s\n", skt_sock_err(listener)->text);
        else
            welcome(client);
    printf("Server stopped\n");
    skt_sock_close(listener); /* the threads and their connections end with the program */
    return 0;
}
