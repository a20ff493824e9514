#pragma once
#include <sockit/engine.h>

struct skt_ranges;

/* text: what people write and read. A parser gives 0, -EINVAL or -ERANGE and on failure puts one sentence into *why
 * (no NUL; may be NULL) that names the thing, the value and the way out: "port '70000' is above 65535". */

/* ---- addresses and endpoints (text.c) ---- */

/* Numeric: "1.2.3.4:80", "[::1]:80", "[fe80::1%3]:80"; without a port "1.2.3.4", "::1", "[::1]" (port 0). */
int skt_addr_parse(const char *text, struct skt_addr *ret_addr);
void skt_put_addr(struct skt_room *out, const struct skt_addr *addr); /* "1.2.3.4:80", "[::1]:80"; RFC 5952 */
void skt_put_ip(struct skt_room *out, const struct skt_addr *addr);   /* the same without brackets and port */

enum skt_scheme { SKT_TCP, SKT_UDP, SKT_TLS, SKT_UNIX, SKT_UNIXGRAM, SKT_FD, SKT_EXEC };

struct skt_endpoint {
    enum skt_scheme scheme;
    char host[256];      /* TCP, UDP, TLS: name or number without brackets; "": none given; "*": every address */
    uint16_t port;       /* TCP, UDP, TLS; 0: the system chooses */
    char path[108];      /* UNIX, UNIXGRAM; "@name": abstract */
    int fd;              /* FD */
    const char *command; /* EXEC: borrowed from the text that was parsed; NULL elsewhere */
};

/* "[HOST:]PORT", also after "tcp:", "udp:" or "tls:"; "unix:/path", "unixgram:/path", "fd:N", "exec:CMD". */
int skt_endpoint_parse(const char *text, struct skt_endpoint *ret_endpoint, struct skt_room *why);
/* The same where the host comes first: "HOST[:PORT]"; without a port it is `port`. */
int skt_endpoint_parse_host(const char *text, uint16_t port, struct skt_endpoint *ret_endpoint, struct skt_room *why);
void skt_put_endpoint(
    struct skt_room *out, const struct skt_endpoint *endpoint); /* as parse reads it; "tcp:" is left out */

/* ---- units (units.c) ---- */

int skt_u64_parse(const char *text, uint64_t max, uint64_t *ret_n, struct skt_room *why); /* decimal, 0..max */
int skt_size_parse(const char *text, uint64_t *ret_bytes, struct skt_room *why); /* "100", "64KiB" = "64K", "1.5GB" */
int skt_time_parse(const char *text, skt_time *ret_time, struct skt_room *why);  /* "50ms", "1.5s", "1h30m"; "5": s */
/* "10mbit", "1MB/s", "100KiB/s", "64K"; gives bytes/s, at least 1 if the text is above 0. */
int skt_rate_parse(const char *text, uint64_t *ret_rate, struct skt_room *why);
int skt_percent_parse(const char *text, double *ret_share, struct skt_room *why); /* "0.5%" = "0.5": 0.005; 0..100 */
/* For people, three digits; the parsers read them back: "1.50MiB", "50.0ms", "2m05s", "12.5MiB/s". */
void skt_put_size(struct skt_room *out, uint64_t bytes);
void skt_put_time(struct skt_room *out, skt_time time);
void skt_put_rate(struct skt_room *out, uint64_t bytes_per_s);

/* ---- ports (ports.c) ---- */

int skt_port_parse(const char *text, uint16_t *ret_port, struct skt_room *why); /* number or well-known name */
/* "1-1024,8080,http"; "-": all; "1000-", "-1024". Added to *ports, an initialised set; untouched on failure, also
 * -ENOSPC and -ENOMEM. */
int skt_ports_parse(const char *text, struct skt_ranges *ports, struct skt_room *why);

/* ---- bytes of strangers (escape.c) ---- all or, with bad set, nothing */

/* For terminals and logs: C0, C1, DEL, bidirectional controls, line separators and invalid UTF-8 become \xNN a byte,
 * other text stays. Needs at most 4 bytes a byte. */
void skt_put_escaped(struct skt_room *out, struct skt_span bytes);
/* The same, with quotes: '...'; above max bytes it is cut, and "..." says so. */
void skt_put_quoted(struct skt_room *out, struct skt_span bytes, size_t max);
/* A JSON string with its quotes; what skt_put_escaped would change is \uNNNN, an invalid byte is \ufffd. At most
 * 6 bytes a byte, and 2. */
void skt_put_json_str(struct skt_room *out, struct skt_span bytes);

/* Gives back `error`, a -errno, and says why: "WHAT 'value' and the rest". The rest is text of ours: names the way out. */
int skt_refuse(struct skt_room *why, int error, const char *what, struct skt_span value, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
