/* tlslink: TLS as a filter on a link: cipher text from the socket becomes plain text for the engine, and back. */
#include "drive/rt/inside.h"

#include "drive/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int tlslink_start(struct skt_rt *rt, struct link *l, struct skt_tls *tls, const char *host)
{
    if (!link_extra(l))
        return -ENOMEM;
    return skt_tls_session_new(tls, host, &l->x->tls);
}

/* Who came and ended before the handshake did: no engine will be told of it, but the verb may ask. */
void tlslink_gone(struct skt_rt *rt, const struct link *l, int why)
{
    const char *text;

    if (!l->x || !l->x->shaking || !l->via)
        return;
    text = skt_tls_why(l->x->tls);
    if (!*text) /* not TLS has failed, but what it stands on */
        text = why == -ETIMEDOUT ? "no handshake in time" : why ? strerror(-why) : "it ended before the handshake did";
    rt->stats.tls_failed++;
    rt->unheard.is = true;
    rt->unheard.peer = l->x->peer.family ? l->x->peer : sock_peer(l->fd);
    (void)snprintf(rt->unheard.why, sizeof rt->unheard.why, "%s", text);
}

bool skt_rt_unheard(struct skt_rt *rt, struct skt_addr *ret_peer, const char **ret_why)
{
    bool is = rt->unheard.is;

    rt->unheard.is = false;
    if (is) {
        *ret_peer = rt->unheard.peer;
        *ret_why = rt->unheard.why;
    }
    return is;
}

/* The alert that says why is worth one write, whatever comes of it. */
static void failed(struct skt_rt *rt, struct link *l, int why)
{
    uint8_t alert[1024];
    struct skt_room room = skt_room_of(alert, sizeof alert);

    if (!l->x->cipher.bytes && skt_tls_send(l->x->tls, &room))
        (void)!send(l->fd, alert, (size_t)(room.p - alert), MSG_DONTWAIT | MSG_NOSIGNAL);
    link_why_peer(rt, l, "TLS with", skt_tls_why(l->x->tls));
    link_gone(rt, l, why);
}

/* Deciphers what is there and offers it. */
static void read_plain(struct skt_rt *rt, struct link *l)
{
    while (!l->gone && !l->held) {
        size_t rest = l->rest.len;
        struct skt_room room;
        uint8_t *start;
        int n;

        if (block_room(rt, &rt->in, rest + READ_MAX, &room)) {
            rt->again = true;
            return;
        }
        start = room.p;
        room.p += rest;
        n = skt_tls_read(l->x->tls, &room);
        if (n == SKT_TLS_END || n == SKT_TLS_CUT) {
            if (n == SKT_TLS_CUT)
                failed(rt, l, n);
            else
                stream_ended(rt, l);
            return;
        }
        if (n < 0) {
            failed(rt, l, n);
            return;
        }
        if (!n)
            return;
        if (rest)
            memcpy(start, l->rest.buf->data + l->rest.off, rest);
        block_used(&rt->in, room.p);
        tapped_plain(rt, l, false, skt_span_of(start + rest, (size_t)n));
        if (l->x->move) {
            struct skt_span bytes = skt_span_of(start, rest + (size_t)n);
            if (move_bytes(rt, l, rt->in.buf, &bytes))
                continue;
            if (!skt_len(bytes))
                return; /* all went, but no more can */
            if (!l->gone)
                stream_offer(rt, l, rt->in.buf, bytes);
            return;
        }
        stream_offer(rt, l, rt->in.buf, skt_span_of(start, rest + (size_t)n));
    }
}

/* cipher may be empty: the engine takes again what the session still has. */
void tlslink_cipher(struct skt_rt *rt, struct link *l, struct skt_span cipher)
{
    int r = skt_tls_recv(l->x->tls, &cipher);

    if (!r &&
        skt_len(cipher)) /* the session was read empty before the socket was read, unless there was no memory to */
        r = -ENOMEM;
    if (r) {
        failed(rt, l, r);
        return;
    }
    if (l->x->shaking && skt_tls_is_open(l->x->tls))
        stream_secured(rt, l);
    if (!l->gone && !l->x->shaking)
        read_plain(rt, l);
    if (!l->gone && (skt_tls_waiting(l->x->tls) || l->x->shaking))
        link_dirty(rt, l); /* handshake, alerts, key updates want out */
}

/* Cipher text until it is written, of at most 64 KiB of it at once; the plain queue waits behind. */
int tlslink_fill(struct skt_rt *rt, struct link *l)
{
    struct iovec iov;
    int r;

    while (!l->x->shaking && l->queue.bytes && skt_tls_waiting(l->x->tls) + l->x->cipher.bytes < CIPHER_AHEAD) {
        struct skt_span plain;
        size_t n;

        queue_iov(&l->queue, &iov, 1);
        plain = skt_span_of(iov.iov_base, iov.iov_len);
        if ((r = skt_tls_write(l->x->tls, &plain)))
            return r;
        n = (size_t)(plain.p - (const uint8_t *)iov.iov_base);
        if (!n)
            break;
        tapped_plain(rt, l, true, skt_span_of(iov.iov_base, n));
        queue_drop(&l->queue, n);
    }
    if (l->out_eof && !l->queue.bytes && !l->x->shaking && (r = skt_tls_shut(l->x->tls)))
        return r;
    while (skt_tls_waiting(l->x->tls) && l->x->cipher.bytes < CIPHER_AHEAD) {
        struct skt_room room;
        uint8_t *start;

        if ((r = block_room(rt, &rt->out, SKT_ROOM_MIN, &room)))
            return r;
        start = room.p;
        if (!skt_tls_send(l->x->tls, &room))
            break;
        block_used(&rt->out, room.p);
        if ((r = queue_add(&l->x->cipher, rt->out.buf, skt_span_of(start, (size_t)(room.p - start)))))
            return r;
    }
    return 0;
}

void tlslink_ended(struct skt_rt *rt, struct link *l)
{
    int r = skt_tls_eof(l->x->tls);

    if (r)
        failed(rt, l, r);
    else if (!l->held)
        read_plain(rt, l);
}
