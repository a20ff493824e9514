/* tlsio: TLS between a façade socket and its caller, by the pure filter of tls.h. */
#include "drive/net/inside.h"

#include "drive/tls.h"

#include <errno.h>
#include <stdlib.h>

static int session_failed(struct skt_sock *s, enum skt_stage stage, int why)
{
    const char *text = skt_tls_why(s->filter->session);

    return net_fail(s, stage, why, text[0] ? text : NULL);
}

/* Until the session has nothing more for the socket. 0 or -errno. */
static int flush(struct skt_sock *s, skt_time deadline)
{
    struct net_tls *t = s->filter;

    for (;;) {
        struct skt_span waiting = skt_span_of(t->out + t->out_from, t->out_to - t->out_from);
        struct skt_room out = skt_room_of(t->out, sizeof t->out);
        int r;

        if (!skt_len(waiting)) {
            if (!skt_tls_send(t->session, &out))
                return 0;
            waiting = skt_span_of(t->out, (size_t)(out.p - t->out));
            t->out_to = skt_len(waiting);
        }
        r = net_write(s, &waiting, deadline);
        t->out_from = (size_t)(waiting.p - t->out);
        if (r < 0)
            return r;
    }
}

/* The session is dead: its alert tells the peer, if the socket takes it at once. */
static int broken(struct skt_sock *s, enum skt_stage stage, int why)
{
    session_failed(s, stage, why);
    (void)flush(s, 0);
    return why;
}

/* More from the socket into the session. 1, 0: the socket ended, -errno with the error set. */
static int pull(struct skt_sock *s, enum skt_stage stage, skt_time deadline)
{
    struct net_tls *t = s->filter;
    struct skt_span cipher;
    int r = 1;

    if (t->in_from == t->in_to) {
        struct skt_room in = skt_room_of(t->in, sizeof t->in);

        r = net_read(s, &in, deadline);
        t->in_from = 0;
        t->in_to = (size_t)(in.p - t->in);
    }
    if (r < 0)
        return net_fail(s, stage, r, NULL);
    if (r == 0)
        return 0;
    cipher = skt_span_of(t->in + t->in_from, t->in_to - t->in_from);
    r = skt_tls_recv(t->session, &cipher);
    t->in_from = (size_t)(cipher.p - t->in);
    return r < 0 ? broken(s, stage, r) : 1;
}

int net_tls_shake(struct skt_sock *s, skt_time deadline)
{
    struct net_tls *t = s->filter;
    int r;

    while (!skt_tls_is_open(t->session)) {
        r = flush(s, deadline);
        if (r)
            return net_fail(s, SKT_AT_TLS, r, NULL);
        r = pull(s, SKT_AT_TLS, deadline);
        if (r == 0)
            r = net_fail(s, SKT_AT_TLS, -ECONNRESET, "the peer ended inside the handshake");
        if (r < 0)
            return r;
    }
    r = flush(s, deadline);
    return r ? net_fail(s, SKT_AT_TLS, r, NULL) : 0;
}

int net_tls_read(struct skt_sock *s, struct skt_room *into, skt_time deadline)
{
    struct net_tls *t = s->filter;
    int r = net_tls_shake(s, deadline);

    if (r)
        return r;
    for (;;) {
        r = skt_tls_read(t->session, into);
        if (r > 0)
            return 1;
        if (r == SKT_TLS_END)
            return 0;
        if (r == SKT_TLS_CUT) /* RFC 8446 6.1: without close_notify an attacker may have cut the end off */
            return net_fail(s, SKT_AT_RECV, r, "the connection ended without TLS's goodbye: data may be missing");
        if (r < 0)
            return broken(s, SKT_AT_RECV, r);
        r = flush(s, deadline); /* answers of the protocol itself */
        if (!r)
            r = pull(s, SKT_AT_RECV, deadline);
        else
            net_fail(s, SKT_AT_RECV, r, NULL);
        if (r < 0)
            return r;
        if (r == 0)
            (void)skt_tls_eof(t->session); /* what is left in it, read will say */
    }
}

int net_tls_write(struct skt_sock *s, struct skt_span bytes, skt_time deadline)
{
    int r = net_tls_shake(s, deadline);

    if (r)
        return r;
    do {
        r = skt_tls_write(s->filter->session, &bytes);
        if (r < 0)
            return broken(s, SKT_AT_SEND, r);
        r = flush(s, deadline);
        if (r)
            return net_fail(s, SKT_AT_SEND, r, NULL);
    } while (skt_len(bytes));
    return 0;
}

int net_tls_shut(struct skt_sock *s, skt_time deadline)
{
    int r;

    if (!skt_tls_is_open(s->filter->session))
        return 0;
    r = skt_tls_shut(s->filter->session);
    if (!r)
        r = flush(s, deadline);
    return r ? net_fail(s, SKT_AT_SEND, r, NULL) : 0;
}

bool net_tls_has_input(const struct skt_sock *s)
{
    const struct net_tls *t = s->filter;

    return t && (t->in_from < t->in_to || skt_tls_has_input(t->session));
}

int net_tls_start(struct skt_sock *s, struct skt_tls *tls, const char *host)
{
    struct net_tls *t = malloc(sizeof *t);
    int r = t ? skt_tls_session_new(tls, host, &t->session) : -ENOMEM;

    if (r) {
        free(t);
        return net_fail(s, SKT_AT_TLS, r, r == -EDESTADDRREQ ? "no name to verify (set name in skt_tls_conf)" : NULL);
    }
    t->in_from = t->in_to = t->out_from = t->out_to = 0;
    s->filter = t;
    return 0;
}

void net_tls_free(struct net_tls *t)
{
    if (t)
        skt_tls_session_free(t->session);
    free(t);
}
