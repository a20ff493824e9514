/* drive/crypt.c and the module behind it: the published vectors, on the machine's best cipher and on OpenSSL's, and what
 * must be refused. */
#include "test.h"

#include "drive/crypt.h"
#include "drive/plug.h"
#include "drive/sandbox.h"
#include "drive/plug/crypt_cpace.c" /* its numbers */
#include "drive/plug/crypt_hash.c"  /* HKDF without our form of info, which the vectors of RFC 5869 do not have */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* The bytes of a hexadecimal text; how many. */
static size_t unhex(const char *hex, uint8_t *to)
{
    size_t n = strspn(hex, "0123456789abcdef") / 2;

    for (size_t i = 0; i < n; i++)
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx", &to[i]), 1);
    return n;
}

static const struct skt_crypt *table_of(bool plain)
{
    const struct skt_crypt_ops *ops = skt_plug("crypt");

    assert_non_null(ops);
    assert_non_null(ops->table(plain));
    return ops->table(plain);
}

/* ---- AES-128-GCM ---- */

/* NIST's cases 1 to 4 for 128 bits (McGrew and Viega, appendix B), IEEE 802.1AE's 60-byte packet (2.2.1), and the
 * server's Initial packet of RFC 9001 A.3, whose nonce is made of the packet's number. */
static const struct {
    const char *key, *iv, *head, *text, *sealed;
    uint64_t number;
} gcm[] = {
    { "00000000000000000000000000000000", "000000000000000000000000", "", "", "58e2fccefa7e3061367f1d57a4e7455a", 0 },
    { "00000000000000000000000000000000", "000000000000000000000000", "", "00000000000000000000000000000000",
        "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf", 0 },
    { "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
        "ba637b391aafd255",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
        "3d58e091473f59854d5c2af327cd64a62cf35abd2ba6fab4",
        0 },
    { "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
        "ba637b39",
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac97"
        "3d58e0915bc94fbc3221a5db94fae95ae7121a47",
        0 },
    { "ad7a2bd03eac835a6f620fdcb506b345", "12153524c0895e81b2c28465",
        "d609b1f056637a0d46df998d88e52e00b2c2846512153524c0895e81",
        "08000f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a0002",
        "701afa1cc039c0d765128a665dab69243899bf7318ccdc81c9931da17fbe8edd7d17cb8b4c26fc81e3284f2b7fba713d4f8d55e7d3f06fd5"
        "a13c0c29b9d5b880",
        0 },
    { "cf3a5331653c364c88f0f379b6067e37", "0ac1493ca1905853b0bba03e", "c1000000010008f067a5502a4262b50040750001",
        "02000000000600405a020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e003300"
        "24001d00209d3c940d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304",
        "5a482cd0991cd25b0aac406a5816b6394100f37a1c69797554780bb38cc5a99f5ede4cf73c3ec2493a1839b3dbcba3f6ea46c5b7684df354"
        "8e7ddeb9c3bf9c73cc3f3bded74b562bfb19fb84022f8ef4cdd93795d77d06edbb7aaf2f58891850abbdca3d20398c276456cbc42158407d"
        "d074ee",
        1 },
};

static void check_vectors(const struct skt_crypt *c)
{
    for (size_t i = 0; i < sizeof gcm / sizeof *gcm; i++) {
        uint8_t key[16], iv[12], packet[256], text[256], sealed[256], out[256];
        size_t head = unhex(gcm[i].head, packet), n = unhex(gcm[i].text, text), all = unhex(gcm[i].sealed, sealed);
        struct skt_aead *aead;

        assert_int_equal(unhex(gcm[i].key, key), sizeof key);
        assert_int_equal(unhex(gcm[i].iv, iv), sizeof iv);
        assert_int_equal(all, n + SKT_AEAD_TAG);
        memcpy(packet + head, text, n);
        aead = c->aead_new(key, iv);
        assert_non_null(aead);
        c->seal(aead, gcm[i].number, packet, head + all, head);
        assert_memory_equal(packet + head, sealed, all);
        assert_true(c->open(aead, gcm[i].number, packet, head + all, head, out));
        assert_memory_equal(out, text, n);
        c->aead_free(aead);
    }
}

static void packets_are_sealed_as_nist_ieee_and_quic_say(void **state)
{
    check_vectors(table_of(false));
    check_vectors(table_of(true));
}

/* A table's key and a packet of 16 bytes in clear and n of text, whose bytes follow from n. */
enum { HEAD = 16, PACKET_MAX = HEAD + 9000 + SKT_AEAD_TAG };

static struct skt_aead *some_key(const struct skt_crypt *c)
{
    static const uint8_t key[SKT_AEAD_KEY] = "0123456789abcde", iv[SKT_AEAD_IV] = "nonce bytes";
    struct skt_aead *aead = c->aead_new(key, iv);

    assert_non_null(aead);
    return aead;
}

static size_t some_packet(uint8_t *packet, size_t n)
{
    for (size_t i = 0; i < HEAD + n; i++)
        packet[i] = (uint8_t)(i * 7 + n);
    return HEAD + n + SKT_AEAD_TAG;
}

static const size_t lengths[] = { 0, 1, 15, 16, 17, 31, 63, 64, 65, 127, 255, 256, 257, 511, 767, 768, 769, 1024, 1168,
    1440, 1441, 8940, 9000 };
enum { LENGTHS = sizeof lengths / sizeof *lengths };

/* `sealed` is what a text makes whose last k bytes lie elsewhere, and opens into two pieces. Guards as below. */
static void check_tails(const struct skt_crypt *from, struct skt_aead *a, const struct skt_crypt *to,
    struct skt_aead *b, uint64_t number, const uint8_t *sealed, const uint8_t *was, size_t n)
{
    static uint8_t packet[1 + PACKET_MAX + 1], text[1 + PACKET_MAX], tail[1 + PACKET_MAX];
    const size_t firsts[] = { 0, 1, 15, 16, 17, 100, n };

    for (size_t i = 0; i < sizeof firsts / sizeof *firsts && firsts[i] <= n; i++) {
        size_t first = firsts[i], k = n - first, len = HEAD + n + SKT_AEAD_TAG;

        memset(packet, 0xee, sizeof packet);
        memset(text, 0xee, sizeof text);
        memset(tail, 0xee, sizeof tail);
        memcpy(packet + 1, was, HEAD + first);
        from->seal_tail(a, number, packet + 1, len, HEAD, skt_span_of(was + HEAD + first, k));
        assert_memory_equal(packet + 1, sealed, len);
        assert_true(to->open_tail(b, number, packet + 1, len, HEAD, text + 1, skt_room_of(tail + 1, k)));
        assert_memory_equal(text + 1, was + HEAD, first);
        assert_memory_equal(tail + 1, was + HEAD + first, k);
        assert_true(packet[0] == 0xee && packet[1 + len] == 0xee && text[1 + first] == 0xee && tail[1 + k] == 0xee);
        packet[1 + len - 1] ^= 1;
        assert_false(to->open_tail(b, number, packet + 1, len, HEAD, text + 1, skt_room_of(tail + 1, k)));
        assert_false(to->open_tail(b, number, packet + 1, HEAD + k + 15, HEAD, text + 1, skt_room_of(tail + 1, k)));
    }
}

/* One packet, at an odd address; the byte behind what may be written is a guard, since the ciphers are assembly that
 * no sanitizer sees. */
static void check_packet(const struct skt_crypt *from, struct skt_aead *a, const struct skt_crypt *to,
    struct skt_aead *b, uint64_t number, size_t n)
{
    uint8_t *packet = malloc(1 + PACKET_MAX + 1), *was = malloc(PACKET_MAX), *text = malloc(1 + PACKET_MAX);
    size_t len = some_packet(packet + 1, n);

    memcpy(was, packet + 1, len - SKT_AEAD_TAG);
    packet[0] = packet[1 + len] = 0xee;
    memset(text, 0xee, 1 + PACKET_MAX);
    from->seal(a, number, packet + 1, len, HEAD);
    assert_memory_equal(packet + 1, was, HEAD);
    if (n > 15)
        assert_memory_not_equal(packet + 1 + HEAD, was + HEAD, n);
    assert_true(to->open(b, number, packet + 1, len, HEAD, text + 1));
    assert_memory_equal(text + 1, was + HEAD, n);
    assert_false(to->open(b, number ^ 1ULL << 63, packet + 1, len, HEAD, text + 1));
    assert_true(packet[0] == 0xee && packet[1 + len] == 0xee && text[0] == 0xee && text[1 + n] == 0xee);
    check_tails(from, a, to, b, number, packet + 1, was, n);
    free(packet);
    free(was);
    free(text);
}

/* `from` seals, `to` opens: each length, and numbers with all their bits. */
static void check_across(const struct skt_crypt *from, const struct skt_crypt *to)
{
    static const uint64_t numbers[] = { 0, 1, 255, 256, 0x0102030405060708, UINT64_MAX };
    struct skt_aead *a = some_key(from), *b = some_key(to);

    for (size_t i = 0; i < LENGTHS; i++)
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            check_packet(from, a, to, b, numbers[k], lengths[i]);
    from->aead_free(a);
    to->aead_free(b);
}

static void one_opens_what_the_other_sealed(void **state)
{
    check_across(table_of(false), table_of(true));
    check_across(table_of(true), table_of(false));
    check_across(table_of(false), table_of(false));
    check_across(table_of(true), table_of(true));
}

/* Each bit of a short packet, then some of a long one. */
static void check_forgeries(const struct skt_crypt *c, size_t n, size_t step)
{
    uint8_t *packet = malloc(PACKET_MAX), *text = malloc(PACKET_MAX);
    struct skt_aead *aead = some_key(c);
    size_t len = some_packet(packet, n);

    c->seal(aead, 5, packet, len, HEAD);
    for (size_t bit = 0; bit < 8 * len; bit += step) {
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(c->open(aead, 5, packet, len, HEAD, text));
        packet[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_false(c->open(aead, 6, packet, len, HEAD, text));     /* another number */
    assert_false(c->open(aead, 5, packet, len, HEAD - 1, text)); /* another head */
    assert_false(c->open(aead, 5, packet, len - 1, HEAD, text)); /* cut */
    for (size_t k = 0; k < HEAD + SKT_AEAD_TAG; k++)
        assert_false(c->open(aead, 5, packet, k, HEAD, text)); /* no room for a tag */
    assert_true(c->open(aead, 5, packet, len, HEAD, text));
    c->aead_free(aead);
    free(packet);
    free(text);
}

static void a_forged_packet_is_refused(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        check_forgeries(table_of(plain), 0, 1);
        check_forgeries(table_of(plain), 40, 1);
        check_forgeries(table_of(plain), 1440, 13);
    }
}

static void another_key_or_iv_opens_nothing(void **state)
{
    for (int plain = 0; plain < 2; plain++) {
        const struct skt_crypt *c = table_of(plain);
        uint8_t key[SKT_AEAD_KEY] = "0123456789abcde", iv[SKT_AEAD_IV] = "nonce bytes", packet[100], text[100];
        struct skt_aead *right = some_key(c), *wrong;
        size_t len = some_packet(packet, 20);

        c->seal(right, 9, packet, len, HEAD);
        key[15] ^= 1;
        wrong = c->aead_new(key, iv);
        assert_false(c->open(wrong, 9, packet, len, HEAD, text));
        c->aead_free(wrong);
        key[15] ^= 1;
        iv[0] ^= 1;
        wrong = c->aead_new(key, iv);
        assert_false(c->open(wrong, 9, packet, len, HEAD, text));
        c->aead_free(wrong);
        assert_true(c->open(right, 9, packet, len, HEAD, text));
        c->aead_free(right);
        c->aead_free(NULL);
    }
}

static void the_environment_chooses_the_plain_cipher(void **state)
{
    assert_int_equal(unsetenv("SOCKIT_CRYPT"), 0);
    assert_ptr_equal(skt_crypt(), table_of(false));
    assert_int_equal(setenv("SOCKIT_CRYPT", "openssl", 1), 0);
    assert_ptr_equal(skt_crypt(), table_of(true));
    assert_string_equal(skt_crypt()->name, "openssl");
    assert_int_equal(setenv("SOCKIT_CRYPT", "", 1), 0);
    assert_ptr_equal(skt_crypt(), table_of(false));
    assert_int_equal(unsetenv("SOCKIT_CRYPT"), 0);
}

/* ---- HMAC and HKDF ---- */

static void check_mac(const uint8_t *key, size_t key_len, const void *text, size_t len, const char *mac)
{
    uint8_t want[SKT_SHA256], got[SKT_SHA256];

    assert_int_equal(unhex(mac, want), sizeof want);
    skt_crypt()->hmac(key, key_len, skt_span_of(text, len), got);
    assert_memory_equal(got, want, sizeof want);
}

static void hmac_is_that_of_rfc_4231(void **state)
{
    uint8_t key[131], data[50];

    memset(key, 0x0b, 20);
    check_mac(key, 20, "Hi There", 8, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    check_mac((const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    memset(data, 0xdd, sizeof data);
    check_mac(key, 20, data, 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
    check_mac(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    check_mac(key, 131,
        "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed "
        "before being used by the HMAC algorithm.",
        152, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
    memset(data, 0xcd, sizeof data);
    for (uint8_t i = 0; i < 25; i++)
        key[i] = (uint8_t)(i + 1);
    check_mac(key, 25, data, 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b");
}

/* RFC 5869 appendix A, the three with SHA-256. */
static const struct {
    const char *secret, *salt, *info, *prk, *okm;
} hkdf[] = {
    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865" },
    { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334353637"
      "38393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
        "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f909192939495969798"
        "999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8"
        "e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b836"
        "7793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87" },
    { "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8" },
};

static void hkdf_is_that_of_rfc_5869(void **state)
{
    for (size_t i = 0; i < sizeof hkdf / sizeof *hkdf; i++) {
        uint8_t secret[128], salt[128], info[128], prk[SKT_SHA256], want[128], got[128];
        size_t n = unhex(hkdf[i].okm, want), info_len = unhex(hkdf[i].info, info);
        struct skt_span parts[2] = { skt_span_of(info, info_len / 2),
            skt_span_of(info + info_len / 2, info_len - info_len / 2) };

        skt_crypt()->extract(
            skt_span_of(salt, unhex(hkdf[i].salt, salt)), skt_span_of(secret, unhex(hkdf[i].secret, secret)), prk);
        unhex(hkdf[i].prk, want);
        assert_memory_equal(prk, want, sizeof prk);
        unhex(hkdf[i].okm, want);
        expand_parts(prk, parts, 2, got, n);
        assert_memory_equal(got, want, n);
    }
    skt_crypt()->extract((struct skt_span){ 0 }, skt_span_str("x"), (uint8_t[SKT_SHA256]){ 0 });
}

static void a_label_a_zero_and_the_context_are_the_info(void **state)
{
    static const uint8_t info[] = "key\0ctx", prk[SKT_SHA256] = "a key of thirty-two bytes, thus";
    const struct skt_span one[] = { skt_span_of(info, 7) }, bare[] = { skt_span_of(info, 4) };
    uint8_t want[100], got[100], longest[255 * SKT_SHA256];

    expand_parts(prk, one, 1, want, sizeof want);
    skt_crypt()->expand(prk, "key", skt_span_str("ctx"), got, sizeof got);
    assert_memory_equal(got, want, sizeof want);
    expand_parts(prk, bare, 1, want, sizeof want);
    skt_crypt()->expand(prk, "key", (struct skt_span){ 0 }, got, sizeof got);
    assert_memory_equal(got, want, sizeof want);
    skt_crypt()->expand(prk, "key", (struct skt_span){ 0 }, longest, sizeof longest);
    assert_memory_equal(longest, want, sizeof want); /* a longer one begins as the shorter */
}

/* ---- CPace ---- */

static FILE *open_vectors(void)
{
    FILE *f = fopen(TEST_SOURCE "/vectors/cpace.txt", "re");

    assert_non_null(f);
    return f;
}

/* The next row of the file that is called so. */
static bool next_row(FILE *f, const char *name, uint8_t *to, size_t *ret_n)
{
    char line[512], key[16], hex[400];

    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%15s %399s", key, hex) == 2 && !strcmp(key, name)) {
            *ret_n = unhex(hex, to);
            return true;
        }
    return false;
}

static struct skt_span row(const char *name, uint8_t *to)
{
    FILE *f = open_vectors();
    size_t n;

    assert_true(next_row(f, name, to, &n));
    fclose(f);
    return skt_span_of(to, n);
}

/* A scalar below the order, as the bytes of chance that give it. */
static const uint8_t *chance_of(const char *name)
{
    static uint8_t chance[SKT_CHANCE];

    memset(chance, 0, sizeof chance);
    assert_int_equal(skt_len(row(name, chance)), SKT_SCALAR);
    return chance;
}

static void a_length_is_written_in_sevens_of_bits(void **state)
{
    static const struct {
        uint64_t length;
        const char *hex;
    } cases[] = { { 0, "00" }, { 4, "04" }, { 127, "7f" }, { 128, "8001" }, { 16383, "ff7f" }, { 16384, "808001" },
        { UINT64_MAX, "ffffffffffffffffff01" } };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t want[16], got[16];
        size_t n = unhex(cases[i].hex, want);

        assert_int_equal(put_leb128(got, cases[i].length), n);
        assert_memory_equal(got, want, n);
    }
}

static void the_draft_s_parties_agree_on_its_key(void **state)
{
    const struct skt_crypt *c = skt_crypt();
    uint8_t b[8][64], ya[32], yb[32], want_a[32], want_b[32], a_scalar[32], b_scalar[32], want[64], got[64];
    struct skt_span prs = row("prs", b[0]), ci = row("ci", b[1]), sid = row("sid", b[2]);
    struct skt_span ada = row("ada", b[3]), adb = row("adb", b[4]);

    (void)row("Ya", want_a);
    (void)row("Yb", want_b);
    assert_int_equal(skt_len(row("isk", want)), SKT_ISK);
    c->share(prs, ci, sid, chance_of("ya"), a_scalar, ya);
    assert_memory_equal(a_scalar, chance_of("ya"), SKT_SCALAR);
    assert_memory_equal(ya, want_a, SKT_POINT);
    c->share(prs, ci, sid, chance_of("yb"), b_scalar, yb);
    assert_memory_equal(yb, want_b, SKT_POINT);
    assert_int_equal(c->isk(a_scalar, yb, sid, ya, ada, yb, adb, got), 0);
    assert_memory_equal(got, want, SKT_ISK);
    memset(got, 0, sizeof got);
    assert_int_equal(c->isk(b_scalar, ya, sid, ya, ada, yb, adb, got), 0);
    assert_memory_equal(got, want, SKT_ISK);
}

static void what_is_no_share_is_refused(void **state)
{
    uint8_t s[32], bytes[32], isk[64], untouched[64];
    FILE *f = open_vectors();
    unsigned refused = 0;
    size_t n;

    memset(isk, 0xa5, sizeof isk);
    memcpy(untouched, isk, sizeof isk);
    (void)row("s", s);
    while (next_row(f, "bad", bytes, &n)) {
        assert_int_equal(n, SKT_POINT);
        assert_int_equal(skt_crypt()->isk(s, bytes, (struct skt_span){ 0 }, bytes, (struct skt_span){ 0 }, bytes,
                             (struct skt_span){ 0 }, isk),
            -EINVAL);
        assert_memory_equal(isk, untouched, sizeof isk);
        assert_false(skt_crypt()->is_point(bytes));
        refused++;
    }
    fclose(f);
    assert_int_equal(refused, 30);
    (void)row("good", bytes);
    assert_true(skt_crypt()->is_point(bytes));
    assert_int_equal(skt_crypt()->isk(s, bytes, (struct skt_span){ 0 }, bytes, (struct skt_span){ 0 }, bytes,
                         (struct skt_span){ 0 }, isk),
        0);
}

/* Two parties, each with its view: do they have the same key? */
struct view {
    const char *prs, *ci, *sid, *ada, *adb;
};

static bool agree(struct view a, struct view b)
{
    const struct skt_crypt *c = skt_crypt();
    uint8_t chance[SKT_CHANCE], a_scalar[32], b_scalar[32], ya[32], yb[32], a_isk[64], b_isk[64];

    assert_int_equal(skt_chance(chance, sizeof chance), 0);
    c->share(skt_span_str(a.prs), skt_span_str(a.ci), skt_span_str(a.sid), chance, a_scalar, ya);
    assert_int_equal(skt_chance(chance, sizeof chance), 0);
    c->share(skt_span_str(b.prs), skt_span_str(b.ci), skt_span_str(b.sid), chance, b_scalar, yb);
    assert_memory_not_equal(ya, yb, sizeof ya);
    assert_int_equal(
        c->isk(a_scalar, yb, skt_span_str(a.sid), ya, skt_span_str(a.ada), yb, skt_span_str(a.adb), a_isk), 0);
    assert_int_equal(
        c->isk(b_scalar, ya, skt_span_str(b.sid), ya, skt_span_str(b.ada), yb, skt_span_str(b.adb), b_isk), 0);
    return skt_same_secret(a_isk, b_isk, sizeof a_isk);
}

static void parties_agree_only_if_all_they_know_is_the_same(void **state)
{
    static const char longest[] =
        "a password that is longer than one block of SHA-512: one hundred and twenty-eight bytes "
        "are in a block, and these are some more, so that no zeros are put between";
    const struct view same = { "4821-otter", "sockit", "0123456789abcdef", "first", "second" };

    assert_true(agree(same, same));
    assert_true(agree((struct view){ "", "", "", "", "" }, (struct view){ "", "", "", "", "" }));
    assert_true(agree((struct view){ longest, longest, longest, longest, longest },
        (struct view){ longest, longest, longest, longest, longest }));
    assert_false(agree(same, (struct view){ "4821-ottes", "sockit", "0123456789abcdef", "first", "second" }));
    assert_false(agree(same, (struct view){ "4821-otter", "socket", "0123456789abcdef", "first", "second" }));
    assert_false(agree(same, (struct view){ "4821-otter", "sockit", "0123456789abcdeg", "first", "second" }));
    assert_false(agree(same, (struct view){ "4821-otter", "sockit", "0123456789abcdef", "fist", "second" }));
    assert_false(agree(same, (struct view){ "4821-otter", "sockit", "0123456789abcdef", "first", "seconds" }));
    /* the same bytes, with the border elsewhere */
    assert_false(agree(same, (struct view){ "4821-otters", "ockit", "0123456789abcdef", "first", "second" }));
    assert_false(agree(same, (struct view){ "4821-otter", "sockit", "0123456789abcdef", "firsts", "econd" }));
}

/* What a transfer does after its start; in a child, as a sandbox stays. 0: all went well. */
static int work_in_a_sandbox(void)
{
    const struct skt_crypt *both[] = { table_of(false), table_of(true) };
    const struct view same = { "4821-otter", "sockit", "0123456789abcdef", "first", "second" };
    uint8_t packet[HEAD + 1440 + SKT_AEAD_TAG], text[1440];

    if (skt_sandbox(&(struct skt_sandbox_conf){ 0 }))
        return 1;
    for (int i = 0; i < 2; i++) {
        struct skt_aead *aead = some_key(both[i]);
        size_t len = some_packet(packet, 1440);

        both[i]->seal(aead, 1, packet, len, HEAD);
        if (!both[i]->open(aead, 1, packet, len, HEAD, text))
            return 2;
        both[i]->aead_free(aead);
    }
    return agree(same, same) ? 0 : 3;
}

static void a_closed_sandbox_lets_it_work(void **state)
{
    int status = -1;
    pid_t child = fork();

    if (!child)
        _exit(work_in_a_sandbox());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- chance ---- */

static void chance_fills_all_and_is_never_the_same(void **state)
{
    static uint8_t one[100000], two[100000];
    unsigned zeros = 0;

    assert_int_equal(skt_chance(one, sizeof one), 0);
    assert_int_equal(skt_chance(two, sizeof two), 0);
    assert_memory_not_equal(one, two, sizeof one);
    assert_memory_not_equal(one + sizeof one - 32, two + sizeof two - 32, 32);
    for (size_t i = 0; i < sizeof one; i++)
        zeros += !one[i];
    assert_in_range(zeros, 200, 600); /* 391 are expected, the deviation is 20 */
    assert_int_equal(skt_chance(NULL, 0), 0);
}

static void secrets_are_compared_to_their_last_byte(void **state)
{
    uint8_t a[33] = "0123456789", b[33] = "0123456789";

    assert_true(skt_same_secret(a, b, sizeof a));
    assert_true(skt_same_secret(a, b, 0));
    b[32] ^= 128;
    assert_false(skt_same_secret(a, b, sizeof a));
    assert_true(skt_same_secret(a, b, 32));
    b[0] ^= 1;
    assert_false(skt_same_secret(a, b, 1));
}

RUN(T(packets_are_sealed_as_nist_ieee_and_quic_say), T(one_opens_what_the_other_sealed), T(a_forged_packet_is_refused),
    T(another_key_or_iv_opens_nothing), T(the_environment_chooses_the_plain_cipher), T(hmac_is_that_of_rfc_4231),
    T(hkdf_is_that_of_rfc_5869), T(a_label_a_zero_and_the_context_are_the_info),
    T(a_length_is_written_in_sevens_of_bits), T(the_draft_s_parties_agree_on_its_key), T(what_is_no_share_is_refused),
    T(parties_agree_only_if_all_they_know_is_the_same), T(a_closed_sandbox_lets_it_work),
    T(chance_fills_all_and_is_never_the_same), T(secrets_are_compared_to_their_last_byte))
