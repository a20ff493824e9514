/* The cases of test/vectors/xfer_handshake.txt: both ends of a handshake (engine/xfer/shake.c) with the cryptography of the
 * module, every packet and every key; and the first packets of two epochs (engine/xfer/seal.c). */
#include "test.h"

#include "drive/crypt.h"
#include "engine/xfer/seal.h"
#include "engine/xfer/shake.h"

#include <stdio.h>
#include <stdlib.h>

enum { VALUES = 64, NAME = 32, BYTES = 1200 };

struct value {
    char name[NAME];
    uint8_t bytes[BYTES];
    size_t n;
};
static struct value values[VALUES];
static uint32_t n_values;

/* --- the file --- */

static void add_hex(struct value *v, const char *word)
{
    const char *star = strchr(word, '*');
    unsigned long times = star ? strtoul(star + 1, NULL, 10) : 1;
    size_t n = (star ? (size_t)(star - word) : strlen(word)) / 2;
    unsigned byte;

    for (size_t i = 0; i < n * times; i++) {
        assert_true(v->n < BYTES);
        assert_int_equal(sscanf(word + i % n * 2, "%2x", &byte), 1);
        v->bytes[v->n++] = (uint8_t)byte;
    }
}

static void add_line(char *line)
{
    char *word = strtok(line, " ");

    if (word && *line != ' ') {
        assert_true(n_values < VALUES && strlen(word) < NAME);
        values[n_values] = (struct value){ .n = 0 };
        strcpy(values[n_values++].name, word);
        word = strtok(NULL, " ");
    }
    if (word)
        add_hex(&values[n_values - 1], word);
}

/* Reads the case that follows the line "== title". */
static void read_case(const char *title)
{
    FILE *f = fopen(TEST_SOURCE "/vectors/xfer_handshake.txt", "r");
    char line[256];
    bool mine = false;

    assert_non_null(f);
    n_values = 0;
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (!strncmp(line, "== ", 3))
            mine = !strcmp(line + 3, title);
        else if (mine && *line != '#')
            add_line(line);
    }
    fclose(f);
    assert_true(n_values > 30);
}

static struct skt_span value(const char *name)
{
    for (uint32_t i = 0; i < n_values; i++)
        if (!strcmp(values[i].name, name))
            return skt_span_of(values[i].bytes, values[i].n);
    fail_msg("no value '%s'", name);
    return skt_span_of(NULL, 0);
}

static uint32_t number(const char *name)
{
    struct skt_span in = value(name);

    return skt_get_u32(&in);
}

static void is(const char *name, const void *bytes, size_t n)
{
    struct skt_span want = value(name);

    if (skt_len(want) != n || memcmp(want.p, bytes, n) != 0)
        fail_msg("%s is another", name);
}

/* --- CPace alone: what its draft calls ISK --- */

static void shares_and_isk_are_right(const struct skt_crypt *crypt)
{
    struct skt_span sid = value("session"), ci = skt_span_str("sockit xfer 1");
    const char *const who[] = { "sender", "receiver" };
    uint8_t a[7], b[6], scalar[SKT_SCALAR], share[SKT_POINT], isk[SKT_ISK];
    struct skt_room ada = skt_room_of(a, sizeof a), adb = skt_room_of(b, sizeof b);

    skt_put(&ada, value("mode"));
    skt_put_u16(&ada, SKT_XFER_VERSION);
    skt_put(&ada, value("sender_conn"));
    skt_put_u16(&adb, SKT_XFER_VERSION);
    skt_put(&adb, value("receiver_conn"));
    for (int i = 0; i < 2; i++) {
        char name[NAME];

        snprintf(name, sizeof name, "%s_chance", who[i]);
        crypt->share(value("secret"), ci, sid, value(name).p, scalar, share);
        snprintf(name, sizeof name, "%s_scalar", who[i]);
        is(name, scalar, sizeof scalar);
        snprintf(name, sizeof name, "%s_share", who[i]);
        is(name, share, sizeof share);
        snprintf(name, sizeof name, "%s_share", who[!i]);
        assert_int_equal(crypt->isk(scalar, value(name).p, sid, value("sender_share").p, skt_span_of(a, sizeof a),
                             value("receiver_share").p, skt_span_of(b, sizeof b), isk),
            0);
        is("isk", isk, sizeof isk);
    }
}

/* --- the handshake --- */

/* What an end says now is that packet. */
static void says(struct skt_shake *s, const char *name)
{
    uint8_t packet[SKT_XFER_MIN];
    struct skt_room out = skt_room_of(packet, sizeof packet);

    skt_shake_put(s, 0, &out);
    assert_false(out.bad);
    is(name, packet, (size_t)(out.p - packet));
}

static bool hears(struct skt_shake *s, const char *name)
{
    struct skt_xfer_packet p;

    assert_true(skt_xfer_get(value(name), &p));
    return skt_shake_recv(s, 0, &p);
}

static struct skt_shake_conf conf_of(const struct skt_crypt *crypt, bool sender)
{
    return (struct skt_shake_conf){ .crypt = crypt,
        .sender = sender,
        .mode = *value("mode").p,
        .secret = value("secret"),
        .chance = value(sender ? "sender_chance" : "receiver_chance").p,
        .ours = number(sender ? "sender_conn" : "receiver_conn") };
}

static void packets_are_right(const struct skt_crypt *crypt)
{
    struct skt_shake_conf here = conf_of(crypt, true), there = conf_of(crypt, false);
    struct skt_shake sender, receiver;
    struct skt_xfer_packet init;

    assert_int_equal(skt_shake_init(&sender, &here, 0), 0);
    says(&sender, "init");
    assert_false(hears(&sender, "retry"));
    says(&sender, "init_again");
    assert_true(skt_xfer_get(value("init_again"), &init));
    there.init = &init;
    assert_int_equal(skt_shake_init(&receiver, &there, 0), 0);
    says(&receiver, "accept");
    assert_true(hears(&sender, "accept"));
    says(&sender, "sender_confirm");
    assert_true(hears(&receiver, "sender_confirm"));
    says(&receiver, "receiver_confirm");
    assert_true(hears(&sender, "receiver_confirm"));
    assert_true(sender.state == SKT_SHAKE_DONE && receiver.state == SKT_SHAKE_DONE);
    is("prk", sender.prk, sizeof sender.prk);
    is("prk", receiver.prk, sizeof receiver.prk);
    skt_shake_done(&sender);
    skt_shake_done(&receiver);
}

/* --- sealed packets --- */

/* text, sealed under number, is `sealed`, and is opened as such at the other end. */
static void seals(struct skt_seal *seal, struct skt_unseal *unseal, const char *text, const char *sealed)
{
    uint8_t packet[256], back[256];
    struct skt_room out = skt_room_of(packet, sizeof packet);
    struct skt_xfer_packet p;
    size_t len = SKT_XFER_HEAD + skt_len(value(text)) + SKT_XFER_TAG;

    assert_true(skt_xfer_get(value(sealed), &p));
    skt_xfer_put_head(
        &out, &(struct skt_xfer_packet){ .type = SKT_XFER_SEALED, .version = 1, .conn = p.conn, .number = p.number });
    skt_put(&out, value(text));
    assert_int_equal(skt_seal_packet(seal, p.number, packet, len), 0);
    is(sealed, packet, len);
    assert_true(skt_unseal_packet(unseal, 0, SKT_SEC, p.epoch, p.number, value(sealed), back));
    is(text, back, skt_len(value(text)));
    packet[len - 1] ^= 1;
    assert_false(skt_unseal_packet(unseal, 0, SKT_SEC, p.epoch, p.number, skt_span_of(packet, len), back));
    skt_seal_acked(seal, p.number);
}

static void secrets_are_right(const struct skt_crypt *crypt, const char *who, const struct skt_seal *seal, int epoch)
{
    struct skt_span none = skt_span_of(NULL, 0);
    uint8_t key[SKT_AEAD_KEY], iv[SKT_AEAD_IV];
    char name[NAME];

    snprintf(name, sizeof name, "%s_secret_%d", who, epoch);
    is(name, seal->secret, sizeof seal->secret);
    crypt->expand(seal->secret, "key", none, key, sizeof key);
    snprintf(name, sizeof name, "%s_key_%d", who, epoch);
    is(name, key, sizeof key);
    crypt->expand(seal->secret, "iv", none, iv, sizeof iv);
    snprintf(name, sizeof name, "%s_iv_%d", who, epoch);
    is(name, iv, sizeof iv);
}

static void sealed_packets_are_right(const struct skt_crypt *crypt, const char *who)
{
    char label[NAME], text[NAME], sealed[NAME];
    struct skt_seal seal;
    struct skt_unseal unseal;

    snprintf(label, sizeof label, "secret %s", who);
    assert_int_equal(skt_seal_init(&seal, crypt, value("prk").p, label), 0);
    assert_int_equal(skt_unseal_init(&unseal, crypt, value("prk").p, label), 0);
    seal.most = 1; /* so that the second packet is of the next epoch */
    for (int epoch = 0; epoch < 2; epoch++) {
        snprintf(text, sizeof text, epoch ? "%s_text_1" : "%s_text", who);
        snprintf(sealed, sizeof sealed, epoch ? "%s_sealed_1" : "%s_sealed", who);
        seals(&seal, &unseal, text, sealed);
        secrets_are_right(crypt, who, &seal, epoch);
    }
    skt_seal_done(&seal);
    skt_unseal_done(&unseal);
}

/* --- */

static void all_of(const char *title)
{
    const struct skt_crypt *crypt = skt_crypt();

    assert_non_null(crypt);
    read_case(title);
    shares_and_isk_are_right(crypt);
    packets_are_right(crypt);
    sealed_packets_are_right(crypt, "sender");
    sealed_packets_are_right(crypt, "receiver");
}

static void a_pair_code_gives_these_packets(void **state) { all_of("a pair code"); }
static void a_key_file_gives_these_packets(void **state) { all_of("a key file"); }

RUN(T(a_pair_code_gives_these_packets), T(a_key_file_gives_these_packets))
