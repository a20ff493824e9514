/* drive/plug/crypt_mb.c: when it is chosen, when memory runs out, and what it leaves behind. */
#include "test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool no_memory;
static size_t watched; /* bytes of the next block to be freed, which must be zeros; 0: any */

static void *failing_aligned_alloc(size_t align, size_t n) { return no_memory ? NULL : aligned_alloc(align, n); }
static void watching_free(void *p)
{
    for (const uint8_t *c = p; watched; watched--)
        assert_int_equal(*c++, 0);
    free(p);
}

#define aligned_alloc failing_aligned_alloc
#define free          watching_free
#include "drive/plug/crypt_mb.c"
#undef aligned_alloc
#undef free

static const uint8_t key[SKT_AEAD_KEY] = "0123456789abcde", iv[SKT_AEAD_IV] = "nonce bytes";

static void a_cpu_without_aes_or_carry_less_multiplication_has_none(void **state)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);
    uint64_t all = mgr->features;

    mgr->features = all & ~(uint64_t)IMB_FEATURE_AESNI;
    assert_null(look(mgr));
    mgr->features = all & ~(uint64_t)IMB_FEATURE_PCLMULQDQ;
    assert_null(look(mgr));
    free_mb_mgr(mgr);
}

static void each_way_of_the_library_has_its_name(void **state)
{
    IMB_MGR *mgr = alloc_mb_mgr(0);

    mgr->used_arch = IMB_ARCH_SSE - 1;
    assert_null(name_of(mgr));
    mgr->used_arch = IMB_ARCH_SSE;
    assert_string_equal(name_of(mgr), "ipsec-mb sse");
    mgr->used_arch = IMB_ARCH_AVX2;
    assert_string_equal(name_of(mgr), "ipsec-mb avx2");
    mgr->used_arch = IMB_ARCH_AVX512;
    mgr->features = IMB_CPUFLAGS_AVX512;
    assert_string_equal(name_of(mgr), "ipsec-mb avx512");
    mgr->features |= IMB_FEATURE_VAES;
    assert_string_equal(name_of(mgr), "ipsec-mb avx512 vaes");
    free_mb_mgr(mgr);
}

/* Is it chosen on this machine? */
static bool chosen(void)
{
    struct skt_crypt crypt = { .name = "openssl" };
    bool r = crypt_mb(&crypt);

    assert_true(r ? crypt.seal == seal && crypt.open == open : !crypt.seal && !crypt.open);
    assert_int_equal(r, strcmp(crypt.name, "openssl") != 0);
    assert_string_equal(skt_crypt()->name, crypt.name); /* the module says the same */
    return r;
}

static void it_is_chosen_where_the_cpu_has_what_it_needs(void **state)
{
    __builtin_cpu_init();
    assert_int_equal(chosen(),
        __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2"));
}

static void a_key_without_memory_is_none(void **state)
{
    if (!chosen())
        skip();
    no_memory = true;
    assert_null(aead_new(key, iv));
    no_memory = false;
}

static void a_key_is_wiped_before_it_is_freed(void **state)
{
    struct skt_aead *aead;
    uint8_t packet[100] = "a packet in clear";

    if (!chosen())
        skip();
    aead = aead_new(key, iv);
    seal(aead, 1, packet, sizeof packet, 16);
    watched = sizeof *aead;
    aead_free(aead);
    assert_int_equal(watched, 0);
}

/* Each set of functions that this CPU can run gives the same bytes. */
static void all_ways_of_the_library_agree(void **state)
{
    static const struct {
        void (*init)(IMB_MGR *);
        uint64_t needs;
    } ways[] = { { init_mb_mgr_sse, IMB_CPUFLAGS_SSE }, { init_mb_mgr_avx2, IMB_CPUFLAGS_AVX2 },
        { init_mb_mgr_avx512, IMB_CPUFLAGS_AVX512 } };
    enum { TEXT = 1440 - 32 };
    uint8_t first[1440], packet[1440], text[TEXT];

    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        IMB_MGR *mgr = alloc_mb_mgr(0);
        struct skt_aead *aead;

        if ((mgr->features & ways[i].needs) == ways[i].needs) {
            ways[i].init(mgr);
            use(mgr);
            aead = aead_new(key, iv);
            memset(packet, 0x5c, sizeof packet);
            seal(aead, 77, packet, sizeof packet, 16);
            if (!i)
                memcpy(first, packet, sizeof first);
            assert_memory_equal(packet, first, sizeof first);
            assert_true(open_tail(aead, 77, packet, sizeof packet, 16, text, skt_room_of(text + 15, TEXT - 15)));
            memset(packet + 16, 0x5c, 15);
            seal_tail(aead, 77, packet, sizeof packet, 16, skt_span_of(text + 15, TEXT - 15));
            assert_memory_equal(packet, first, sizeof first);
            aead_free(aead);
        }
        free_mb_mgr(mgr);
    }
}

RUN(T(it_is_chosen_where_the_cpu_has_what_it_needs), T(a_cpu_without_aes_or_carry_less_multiplication_has_none),
    T(each_way_of_the_library_has_its_name), T(a_key_without_memory_is_none), T(a_key_is_wiped_before_it_is_freed),
    T(all_ways_of_the_library_agree))
