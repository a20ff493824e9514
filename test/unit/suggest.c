/* cli/suggest.c: which name was meant. */
#include "test.h"

#include "cli/suggest.h"

#include <string.h>

static const char *best(const char *word)
{
    static const char *const names[] = { "timeout", "time", "tls", "to", "listen", "limit-rate", NULL };
    struct skt_suggest near = { .word = word };

    for (int i = 0; names[i]; i++)
        skt_suggest_try(&near, names[i]);
    return near.best;
}

static void distance_counts_the_four_kinds_of_slip(void **state)
{
    assert_int_equal(skt_distance("", ""), 0);
    assert_int_equal(skt_distance("", "abc"), 3);
    assert_int_equal(skt_distance("abc", ""), 3);
    assert_int_equal(skt_distance("serve", "serve"), 0);
    assert_int_equal(skt_distance("serv", "serve"), 1);
    assert_int_equal(skt_distance("sserve", "serve"), 1);
    assert_int_equal(skt_distance("sarve", "serve"), 1);
    assert_int_equal(skt_distance("sevre", "serve"), 1);
    assert_int_equal(skt_distance("kitten", "sitting"), 3);
}

static void distance_is_the_same_both_ways(void **state)
{
    static const char *const words[] = { "listen", "lsiten", "silent", "connect", "conect", "x", "" };

    for (size_t i = 0; i < 7; i++)
        for (size_t k = 0; k < 7; k++)
            assert_int_equal(skt_distance(words[i], words[k]), skt_distance(words[k], words[i]));
}

static void giant_words_are_far_from_everything(void **state)
{
    char word[65];

    memset(word, 'x', 64);
    word[64] = 0;
    assert_int_equal(skt_distance(word, "x"), UINT32_MAX);
    word[63] = 0;
    assert_int_equal(skt_distance(word, "x"), 62);
}

static void the_nearest_name_is_meant(void **state)
{
    assert_string_equal(best("timeuot"), "timeout");
    assert_string_equal(best("lisen"), "listen");
    assert_string_equal(best("limit-raet"), "limit-rate");
    assert_string_equal(best("tsl"), "tls");
}

static void a_beginning_is_meant_whole(void **state)
{
    assert_string_equal(best("timeo"), "timeout");
    assert_string_equal(best("limit"), "limit-rate");
}

static void what_is_far_from_all_gives_nothing(void **state)
{
    assert_null(best("xyzzy"));
    assert_null(best("t"));
    assert_null(best(""));
}

RUN(T(distance_counts_the_four_kinds_of_slip), T(distance_is_the_same_both_ways),
    T(giant_words_are_far_from_everything), T(the_nearest_name_is_meant), T(a_beginning_is_meant_whole),
    T(what_is_far_from_all_gives_nothing))
