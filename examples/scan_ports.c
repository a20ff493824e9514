/* scan_ports: which TCP ports of a host are open? 100 workers, a second for each port.
 * Usage: scan_ports [HOST [FIRST [LAST]]]   (localhost 1 1024) */
#include <sockit/net.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { WORKERS = 100, PORTS = 65536 };

static char host[INET6_ADDRSTRLEN];
static atomic_int next_port;
static int last_port;
static atomic_bool is_open[PORTS];

static void *work(void *arg)
{
    for (int port; (port = atomic_fetch_add(&next_port, 1)) <= last_port;) {
        struct skt_sock *sock;
        char where[80];

        snprintf(where, sizeof where, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
        if (skt_dial(where, NULL, skt_in(SKT_SEC), &sock, NULL))
            continue;
        printf("Port %d is open\n", port);
        is_open[port] = true;
        skt_sock_close(sock);
    }
    return NULL;
}

static int fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 2;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "localhost";
    int first = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 1, open = 0, workers = 0;
    char where[300];
    struct skt_addr addr;
    pthread_t worker[WORKERS];
    skt_time start = skt_now();
    struct skt_err err;

    last_port = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 1024;
    if (first < 1 || last_port < first || last_port >= PORTS)
        return fail("scan_ports [HOST [FIRST [LAST]]]: ports are 1 to 65535, the first is not above the last");
    snprintf(where, sizeof where, strchr(name, ':') ? "[%s]:0" : "%s:0", name);
    if (skt_resolve(where, skt_in(5 * SKT_SEC), &addr, 1, &err) < 0) /* once, not for each port */
        return fail(err.text);
    inet_ntop(addr.family == SKT_IP4 ? AF_INET : AF_INET6, addr.ip, host, sizeof host);
    setlinebuf(stdout);
    atomic_store(&next_port, first);
    while (workers < WORKERS && !pthread_create(&worker[workers], NULL, work, NULL))
        workers++;
    for (int i = 0; i < workers; i++)
        pthread_join(worker[i], NULL);
    for (int port = first; port <= last_port; port++)
        open += is_open[port];
    printf("%d of %d ports of %s are open (%.2f s)", open, last_port - first + 1, host,
        (double)(skt_now() - start) / SKT_SEC);
    for (int port = first; port <= last_port; port++)
        if (is_open[port])
            printf(" %d", port);
    printf("\n");
    return workers ? 0 : fail("no thread could be started");
}
