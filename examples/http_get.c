/* http_get: the status, the headers and the beginning of the body of a page. It asks in HTTP/1.0, where the body ends
 * with the connection, believes that end, and follows no redirect; `sockit get` is the whole client.
 * Usage: http_get http[s]://HOST[:PORT][/PATH][?QUERY] */
#include <sockit/net.h>

enum { HEADERS_MAX = 200, PREVIEW = 500 };

static skt_time deadline; /* of all of it */

static int fail(const char *text)
{
    fprintf(stderr, "%s\n", text);
    return 1;
}

/* https://HOST:PORT/PATH to tls:HOST:PORT, with the port of the scheme if there is none. What is in the URL goes into
 * lines of the request: blanks and line ends have no place in it. */
static bool parse(const char *url, char where[300], const char **ret_host, const char **ret_path)
{
    bool tls = !strncmp(url, "https://", 8), http = !strncmp(url, "http://", 7);
    const char *host = url + (tls ? 8 : 7), *path = host + (tls || http ? strcspn(host, "/?#") : 0), *port;
    int n = (int)(path - host);

    for (port = path; port > host && '0' <= port[-1] && port[-1] <= '9';)
        port--;
    *ret_host = host;
    *ret_path = path;
    return n > 0 && n < 256 && strcspn(url, " \r\n\t") == strlen(url) &&
           snprintf(where, 300, "%s%.*s%s", tls ? "tls:" : "", n, host,
               port > host && port[-1] == ':' ? ""
               : tls                          ? ":443"
                                              : ":80") < 300;
}

/* Line by line until the empty one: what comes twice is shown twice. */
static int show_head(struct skt_sock *s)
{
    struct skt_span line;
    int r = 0;

    for (int n = 0; n < HEADERS_MAX && (r = skt_recv_line(s, &line, deadline)) > 0; n++) {
        if (line.p == line.end)
            return 0;
        skt_show(stdout, line);
        printf("\n");
    }
    return fail(r < 0 ? skt_sock_err(s)->text : r ? "too many headers" : "the answer ended inside its headers");
}

static int show_body(struct skt_sock *s)
{
    struct skt_span text, piece;
    size_t size = 0;
    int r;

    while ((r = skt_recv_text(s, &text, deadline)) > 0) {
        piece = text;
        if (skt_len(text) > PREVIEW)
            for (piece.end = piece.p + PREVIEW; piece.end > piece.p && (*piece.end & 0xc0) == 0x80;)
                piece.end--; /* not inside a character */
        if (!size) {
            printf("\n");
            skt_show(stdout, piece);
        }
        size += skt_len(text);
    }
    printf("\n(body of %zu bytes)\n", size);
    return r ? fail(skt_sock_err(s)->text) : 0;
}

int main(int argc, char **argv)
{
    const char *host, *path;
    struct skt_sock *s;
    struct skt_err err;
    char where[300];
    int r;

    if (argc != 2 || !parse(argv[1], where, &host, &path))
        return fail("http_get http[s]://HOST[:PORT][/PATH][?QUERY]");
    deadline = skt_in(10 * SKT_SEC);
    if (skt_dial(where, NULL, deadline, &s, &err))
        return fail(err.text);
    r = skt_send_parts(s,
        (struct skt_span[]){ skt_span_str("GET "), skt_span_str(*path == '/' ? "" : "/"),
            skt_span_of(path, strcspn(path, "#")), skt_span_str(" HTTP/1.0\r\nHost: "),
            skt_span_of(host, (size_t)(path - host)), skt_span_str("\r\nUser-Agent: http_get\r\n\r\n") },
        6, deadline);
    r = r ? fail(skt_sock_err(s)->text) : show_head(s) || show_body(s);
    skt_sock_close(s);
    return r;
}
