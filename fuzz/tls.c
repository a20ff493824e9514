/* drive/tls.h with its module, plug/tls_*.c: a client and a server in memory, and someone on the path. The first byte chooses
 * version and how the client verifies; then steps: a byte for side and deed, two for a length, and what is injected.
 * What must hold: plain text arrives as it was written or not at all, an end only where the writer ended, an error stays
 * and has a reason, and nothing grows above its cap. Chance is a counter, so an input does the same each time. */
#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method: no provider for a counter */
#include "drive/plug.h"
#include "drive/tls.h"

#include <assert.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIRE_MAX = 256 * 1024, WRITTEN_MAX = 200 * 1024, STEPS = 200, IN_CAP = 32 * 1024, OUT_CAP = (64 + 17) * 1024 };

/* ---- the world: the module without dlopen, chance, certificates ---- */

extern const struct skt_tls_ops skt_plug_tls;
const void *skt_plug(const char *name) { return strcmp(name, "tls") ? NULL : &skt_plug_tls; }

static uint64_t chance;

static int chance_bytes(unsigned char *p, int n)
{
    for (int i = 0; i < n; i++) {
        chance = chance * 6364136223846793005u + 1442695040888963407u;
        p[i] = (unsigned char)(chance >> 56);
    }
    return 1;
}

static int chance_status(void) { return 1; }

static X509 *certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:a.test");

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    ASN1_TIME_set_string_X509(X509_getm_notBefore(cert), "20200101000000Z");
    ASN1_TIME_set_string_X509(X509_getm_notAfter(cert), "20990101000000Z");
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)"a", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    X509_add_ext(cert, san, -1);
    X509_EXTENSION_free(san);
    assert(X509_sign(cert, key, EVP_sha256()) > 0);
    return cert;
}

/* Key and certificate in one file, which the module reads. */
static void put_file(char *path)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? certificate(key) : NULL;
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");

    assert(f && PEM_write_X509(f, cert) && PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
}

enum { TLS13, TLS12, PINNED, MUTUAL, MODES };

struct both {
    struct skt_tls *client, *server;
};

static struct skt_tls *load(struct skt_tls_conf conf)
{
    char text[512] = "";
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_tls *tls = NULL;

    if (skt_tls_new(&conf, &tls, &why))
        fprintf(stderr, "%s\n", text);
    assert(tls);
    return tls;
}

static const struct both *modes(void)
{
    static const RAND_METHOD by_chance = { .bytes = chance_bytes, .pseudorand = chance_bytes, .status = chance_status };
    static struct both all[MODES];
    char path[] = "/tmp/sockit-fuzz-XXXXXX";

    if (all[0].client)
        return all;
    RAND_set_rand_method(&by_chance);
    put_file(path);
    for (int i = 0; i < MODES; i++) {
        const char *version = i == TLS12 ? "1.2" : NULL, *pin = NULL;
        if (i == PINNED) /* of another key: the client refuses */
            pin = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        all[i].client = load((struct skt_tls_conf){
            .cacert = path, .max_version = version, .pin = pin, .alpn = "h2,echo", .cert = i == MUTUAL ? path : NULL });
        all[i].server = load(
            (struct skt_tls_conf){ .server = true, .cert = path, .alpn = "echo", .cacert = i == MUTUAL ? path : NULL });
    }
    unlink(path);
    return all;
}

/* ---- two sides and the wire between them ---- */

struct side {
    struct skt_tls_session *s;
    uint8_t *wire; /* what it sent and nobody took yet */
    size_t from, to;
    size_t written, read;    /* plain text, whose byte i is i % 251 */
    bool shut, touched, eof; /* touched: what it got is not what was sent */
    int error;
};

static void failed(struct side *me, int r)
{
    assert(r == -EPROTO || r == -EKEYREJECTED || r == -EACCES || r == SKT_TLS_CUT || r == SKT_TLS_END);
    assert(!me->error || me->error == r || me->error == SKT_TLS_END); /* after an end we may still fail to write */
    me->error = r;
    if (r != SKT_TLS_END)
        assert(*skt_tls_why(me->s));
}

static void take_out(struct side *me)
{
    struct skt_room room = skt_room_of(me->wire + me->to, WIRE_MAX - me->to);

    assert(skt_tls_waiting(me->s) <= OUT_CAP);
    if (!skt_left(room))
        return;
    if (skt_tls_send(me->s, &room))
        me->to = (size_t)(room.p - me->wire);
}

static void read_some(struct side *me, const struct side *other, size_t n)
{
    uint8_t plain[4096];
    struct skt_room room = skt_room_of(plain, n < sizeof plain ? n : sizeof plain);
    int r = skt_tls_read(me->s, &room);

    assert(r <= 0 || (room.p == plain + r && !me->error));
    for (int i = 0; i < r; i++)
        assert(plain[i] == (me->read + (size_t)i) % 251);
    me->read += r > 0 ? (size_t)r : 0;
    assert(me->read <= other->written);
    if (r < 0)
        failed(me, r);
    if (r == SKT_TLS_END)
        assert(other->shut && me->read == other->written);
    if (r == SKT_TLS_CUT)
        assert(me->eof || me->touched);
}

/* Gives how many of the bytes were taken. */
static size_t give(struct side *me, struct skt_span cipher)
{
    size_t before = skt_len(cipher), took;
    int r;

    if (me->eof)
        return 0;
    r = skt_tls_recv(me->s, &cipher);
    took = before - skt_len(cipher);
    assert(took <= IN_CAP || me->error == SKT_TLS_END);
    if (r)
        failed(me, r);
    if (!r && skt_tls_is_open(me->s))
        assert(me->touched || !*skt_tls_why(me->s));
    take_out(me);
    return took;
}

/* n bytes of what the other sent arrive; what is not taken comes again. */
static void deliver(struct side *me, struct side *other, size_t n)
{
    size_t have;

    take_out(other);
    have = other->to - other->from;
    other->from += give(me, skt_span_of(other->wire + other->from, n < have ? n : have));
    if (other->from == other->to)
        other->from = other->to = 0;
}

static void write_some(struct side *me, size_t n)
{
    static uint8_t bytes[65536 + 251];
    struct skt_span plain;
    int r;

    for (size_t i = sizeof bytes; !bytes[1] && i-- > 0;)
        bytes[i] = (uint8_t)(i % 251);
    if (me->written + n > WRITTEN_MAX)
        return;
    plain = skt_span_of(bytes + me->written % 251, n);
    r = skt_tls_write(me->s, &plain);
    assert(skt_tls_is_open(me->s) || skt_len(plain) == n);
    me->written += n - skt_len(plain);
    assert(r != -EPIPE || me->shut || me->error);
    if (r && r != -EPIPE)
        failed(me, r);
    take_out(me);
}

static void end_socket(struct side *me)
{
    int r = skt_tls_eof(me->s);

    me->eof = true;
    if (r)
        failed(me, r);
}

static void shut(struct side *me)
{
    int r = skt_tls_shut(me->s);

    if (r == -ENOTCONN) {
        assert(!skt_tls_is_open(me->s));
        return;
    }
    me->shut |= !r;
    if (r)
        failed(me, r);
    take_out(me);
}

/* Until nothing moves. */
static void settle(struct side side[2])
{
    for (int i = 0; i < 32; i++) {
        for (int k = 0; k < 2; k++) {
            deliver(&side[k], &side[!k], WIRE_MAX);
            read_some(&side[k], &side[!k], 4096);
        }
    }
}

/* False: the input is over. */
static bool step(struct side side[2], struct skt_span *in)
{
    uint8_t deed = skt_get_u8(in);
    size_t n = skt_get_u16(in);
    struct side *me = &side[deed & 1], *other = &side[!(deed & 1)];

    if (in->bad)
        return false;
    switch (deed >> 1 & 7) {
    case 0: deliver(me, other, n); break;
    case 1:
        me->touched = true;
        (void)give(me, skt_get_span(in, n < skt_len(*in) ? n : skt_len(*in)));
        break;
    case 2:
        take_out(other);
        if (other->from + n < other->to) {
            other->wire[other->from + n] ^= (uint8_t)(1 | deed >> 3);
            me->touched = true;
        }
        break;
    case 3: write_some(me, n); break;
    case 4: read_some(me, other, n); break;
    case 5: shut(me); break;
    case 6: end_socket(me); break;
    case 7: settle(side); break;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct both *all = modes();
    struct skt_span in = skt_span_of(data, size);
    uint8_t mode = skt_get_u8(&in) % MODES;
    struct side side[2] = { 0 };

    if (in.bad)
        return 0;
    chance = 1;
    if (skt_tls_session_new(all[mode].client, "a.test", &side[0].s) ||
        skt_tls_session_new(all[mode].server, NULL, &side[1].s))
        abort();
    for (int i = 0; i < 2; i++)
        assert((side[i].wire = malloc(WIRE_MAX)));
    for (int i = 0; i < STEPS && step(side, &in); i++)
        ;
    if (!side[0].touched && !side[1].touched && !side[0].eof && !side[1].eof && mode != PINNED) {
        settle(side); /* nobody meddled: they understand each other */
        assert(skt_tls_is_open(side[0].s) && skt_tls_is_open(side[1].s));
        assert(side[0].error != -EPROTO && side[1].error != -EPROTO);
    }
    if (mode == PINNED)
        assert(!skt_tls_is_open(side[0].s) && !side[1].read);
    for (int i = 0; i < 2; i++) {
        skt_tls_session_free(side[i].s);
        free(side[i].wire);
    }
    return 0;
}
