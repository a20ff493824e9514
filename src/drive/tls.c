/* tls: the front of the module sockit-tls.so. */
#include "drive/tls.h"

#include "drive/plug.h"

int skt_tls_new(const struct skt_tls_conf *conf, struct skt_tls **ret_tls, struct skt_room *why)
{
    const struct skt_tls_ops *ops = skt_plug("tls");
    struct skt_room nowhere = { 0 };

    if (!why)
        why = &nowhere;
    if (ops)
        return ops->new (conf, ret_tls, why);
    skt_put_str(why, "TLS is not installed: sockit-tls.so, which needs OpenSSL 3, cannot be loaded");
    return -ENOSYS;
}

void skt_tls_free(struct skt_tls *tls)
{
    if (tls)
        tls->ops->free(tls);
}

int skt_tls_reload(struct skt_tls *tls, struct skt_room *why)
{
    struct skt_room nowhere = { 0 };

    return tls->ops->reload(tls, why ? why : &nowhere);
}

int skt_tls_session_new(struct skt_tls *tls, const char *host, struct skt_tls_session **ret_session)
{
    return tls->ops->session_new(tls, host, ret_session);
}

void skt_tls_session_free(struct skt_tls_session *s)
{
    if (s)
        s->ops->session_free(s);
}

int skt_tls_recv(struct skt_tls_session *s, struct skt_span *cipher) { return s->ops->recv(s, cipher); }
int skt_tls_eof(struct skt_tls_session *s) { return s->ops->eof(s); }
int skt_tls_read(struct skt_tls_session *s, struct skt_room *plain) { return s->ops->read(s, plain); }
int skt_tls_write(struct skt_tls_session *s, struct skt_span *plain) { return s->ops->write(s, plain); }
bool skt_tls_send(struct skt_tls_session *s, struct skt_room *cipher) { return s->ops->send(s, cipher); }
int skt_tls_shut(struct skt_tls_session *s) { return s->ops->shut(s); }
bool skt_tls_is_open(const struct skt_tls_session *s) { return s->ops->is_open(s); }
size_t skt_tls_waiting(const struct skt_tls_session *s) { return s->ops->waiting(s); }
bool skt_tls_has_input(const struct skt_tls_session *s) { return s->ops->has_input(s); }
const char *skt_tls_why(const struct skt_tls_session *s) { return s->ops->why(s); }
void skt_tls_info(const struct skt_tls_session *s, struct skt_tls_info *ret_info) { s->ops->info(s, ret_info); }
