/* base/acl.c: who may come. */
#include "seed.h"

#include "base/random.h"
#include "failing.h"

#include "base/acl.c"

static bool allows(const struct skt_acl *acl, const char *text)
{
    struct skt_addr addr;

    assert_int_equal(skt_addr_parse(text, &addr), 0);
    return skt_acl_allows(acl, &addr);
}

static void an_empty_list_allows_everyone(void **state)
{
    struct skt_acl acl;

    skt_acl_init(&acl, 10);
    assert_true(allows(&acl, "192.0.2.1:5"));
    assert_true(allows(&acl, "[::1]:5"));
    assert_true(allows(NULL, "192.0.2.1"));
    skt_acl_done(&acl);
    skt_acl_done(NULL);
}

static void any_allow_row_makes_the_rest_denied(void **state)
{
    struct skt_acl acl;

    skt_acl_init(&acl, 10);
    assert_int_equal(skt_acl_add(&acl, false, "192.0.2.0/24", NULL), 0);
    assert_false(allows(&acl, "192.0.2.255"));
    assert_true(allows(&acl, "192.0.3.0"));
    assert_true(allows(&acl, "::1"));
    assert_int_equal(skt_acl_add(&acl, true, "10.0.0.0/8", NULL), 0);
    assert_true(allows(&acl, "10.255.255.255"));
    assert_false(allows(&acl, "11.0.0.0"));
    assert_int_equal(
        skt_acl_add(&acl, false, "172.16.0.0/12", NULL), 0); /* a deny row behind changes nothing in that */
    assert_false(allows(&acl, "11.0.0.0"));
    assert_false(allows(&acl, "::1"));
    assert_false(skt_acl_allows(&acl, &(struct skt_addr){ .family = SKT_NOWHERE }));
    assert_true(skt_acl_allows(&acl, &(struct skt_addr){ .family = SKT_LOCAL }));
    skt_acl_done(&acl);
}

static void the_first_row_that_matches_decides(void **state)
{
    struct skt_acl acl;

    skt_acl_init(&acl, 10);
    skt_acl_add(&acl, true, "10.1.2.3", NULL);
    skt_acl_add(&acl, false, "10.0.0.0/8", NULL);
    skt_acl_add(&acl, true, "0.0.0.0/0", NULL);
    skt_acl_add(&acl, true, "fe80::/10", NULL);
    assert_true(allows(&acl, "10.1.2.3"));
    assert_false(allows(&acl, "10.1.2.4"));
    assert_true(allows(&acl, "11.1.2.4"));
    assert_true(allows(&acl, "fe80::1"));
    assert_true(allows(&acl, "febf:ffff::1"));
    assert_false(allows(&acl, "fec0::1"));
    assert_false(allows(&acl, "a01:203::")); /* its first bytes are those of 10.1.2.3 */
    skt_acl_done(&acl);
}

static void a_mapped_address_counts_as_ipv4(void **state)
{
    struct skt_acl acl;

    skt_acl_init(&acl, 10);
    skt_acl_add(&acl, false, "192.0.2.0/24", NULL);
    skt_acl_add(&acl, false, "::ffff:198.51.100.0/120", NULL);
    assert_false(allows(&acl, "::ffff:192.0.2.9"));
    assert_false(allows(&acl, "[::ffff:192.0.2.9]:80"));
    assert_true(allows(&acl, "::ffff:192.0.3.9"));
    assert_false(allows(&acl, "198.51.100.7"));
    assert_false(allows(&acl, "::ffff:198.51.100.7"));
    assert_true(allows(&acl, "::198.51.100.7")); /* compatible, not mapped */
    skt_acl_add(&acl, true, "::/0", NULL);
    assert_false(allows(&acl, "::ffff:203.0.113.1")); /* IPv4, and no row allows that */
    assert_true(allows(&acl, "2001:db8::1"));
    skt_acl_done(&acl);

    skt_acl_init(&acl, 10);
    skt_acl_add(&acl, false, "::ffff:0:0/96", NULL); /* all of IPv4 */
    assert_false(allows(&acl, "203.0.113.1"));
    assert_true(allows(&acl, "2001:db8::1"));
    skt_acl_done(&acl);
}

static void a_wrong_row_is_named_and_the_way_out_too(void **state)
{
    static const struct {
        const char *cidr, *why;
    } rows[] = {
        { "", "network '' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "localhost", "network 'localhost' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "1.2.3.4:80", "network '1.2.3.4:80' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "1.2.3.4:0/8", "network '1.2.3.4:0/8' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "[::1]/128", "network '[::1]/128' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "fe80::%2/10", "network 'fe80::%2/10' is not ADDRESS/BITS, such as 192.0.2.0/24 or fe80::/10" },
        { "10.0.0.0/33", "network '10.0.0.0/33' needs a number of bits from 0 to 32 after the /" },
        { "10.0.0.0/", "network '10.0.0.0/' needs a number of bits from 0 to 32 after the /" },
        { "10.0.0.0/255.0.0.0", "network '10.0.0.0/255.0.0.0' needs a number of bits from 0 to 32 after the /" },
        { "::/129", "network '::/129' needs a number of bits from 0 to 128 after the /" },
        { "10.1.2.3/8", "network '10.1.2.3/8' has bits beyond /8: write 10.0.0.0/8" },
        { "10.0.0.1/31", "network '10.0.0.1/31' has bits beyond /31: write 10.0.0.0/31" },
        { "2001:db8::1/32", "network '2001:db8::1/32' has bits beyond /32: write 2001:db8::/32" },
    };
    struct skt_acl acl;

    skt_acl_init(&acl, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[200] = { 0 };
        struct skt_room why = skt_room_of(text, sizeof text - 1);

        assert_int_equal(skt_acl_add(&acl, true, rows[i].cidr, &why), -EINVAL);
        assert_string_equal(text, rows[i].why);
        assert_int_equal(skt_acl_add(&acl, true, rows[i].cidr, NULL), -EINVAL);
    }
    assert_int_equal(acl.n, 0);
    assert_false(acl.has_allow);
    skt_acl_done(&acl);
}

static void one_row_too_many_is_refused(void **state)
{
    char text[200] = { 0 };
    struct skt_room why = skt_room_of(text, sizeof text - 1);
    struct skt_acl acl;

    skt_acl_init(&acl, 1);
    allocations_left = 0;
    assert_int_equal(skt_acl_add(&acl, true, "::1", &why), -ENOMEM);
    allocations_left = -1;
    assert_string_equal(text, "network '::1' finds no memory");
    memset(text, 0, sizeof text);
    why = skt_room_of(text, sizeof text - 1);
    assert_false(acl.has_allow); /* the row that failed must not shut everyone out */
    assert_int_equal(skt_acl_add(&acl, false, "::1", NULL), 0);
    assert_int_equal(skt_acl_add(&acl, true, "::2", &why), -ENOSPC);
    assert_string_equal(text, "network '::2' is one too many: the list takes 1");
    assert_true(allows(&acl, "::3"));
    skt_acl_done(&acl);
}

/* The model: bit by bit. */
static bool model_matches(const uint8_t *net, const uint8_t *ip, unsigned bits)
{
    for (unsigned i = 0; i < bits; i++) {
        if ((net[i / 8] ^ ip[i / 8]) & 0x80 >> i % 8)
            return false;
    }
    return true;
}

static void every_length_of_prefix_matches_as_bit_by_bit(void **state)
{
    FOR_SEEDS(50)
    {
        struct skt_random random;

        skt_random_init(&random, unit_seed);
        for (unsigned bits = 0; bits <= 128; bits++) {
            struct skt_addr net = { .family = SKT_IP6 }, peer = { .family = SKT_IP6 };
            struct skt_room out = skt_room_of(net.ip, 16);
            unsigned differs = (unsigned)skt_random_below(&random, 128);
            char text[80] = { 0 };
            struct skt_room cidr = skt_room_of(text, sizeof text);
            struct skt_acl acl;

            skt_random_fill(&random, &out);
            net.ip[0] |= 0x20; /* not mapped */
            memcpy(peer.ip, net.ip, 16);
            peer.ip[differs / 8] ^= (uint8_t)(0x80 >> differs % 8);
            peer.ip[0] |= 0x20;
            clear_beyond(net.ip, bits);
            skt_put_ip(&cidr, &net);
            skt_put_fmt(&cidr, "/%u", bits);
            skt_acl_init(&acl, 1);
            CHECK(!skt_acl_add(&acl, true, text, NULL));
            CHECK(skt_acl_allows(&acl, &peer) == model_matches(net.ip, peer.ip, bits));
            skt_acl_done(&acl);
        }
    }
}

RUN(T(an_empty_list_allows_everyone), T(any_allow_row_makes_the_rest_denied), T(the_first_row_that_matches_decides),
    T(a_mapped_address_counts_as_ipv4), T(a_wrong_row_is_named_and_the_way_out_too), T(one_row_too_many_is_refused),
    T(every_length_of_prefix_matches_as_bit_by_bit))
