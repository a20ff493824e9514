/* drive/file/storepath.c: which paths are taken, and what unfinished files are called. */
#include "test.h"

#include "drive/file/storepath.h"

#include <errno.h>

static int check(const char *path, size_t *ret_last) { return skt_storepath_check(skt_span_str(path), 3, ret_last); }

static void a_path_is_parts_and_slashes(void **state)
{
    static const struct {
        const char *path;
        size_t last;
    } good[] = { { "a", 0 }, { "a/b", 2 }, { "aa/b/...", 5 }, { "a/..b", 2 }, { "a/b..", 2 }, { ".part-sockit2", 0 },
        { "-/\n/\xff", 4 } };

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        size_t last = 99;
        assert_int_equal(check(good[i].path, &last), 0);
        assert_int_equal(last, good[i].last);
    }
}

static void what_could_lead_out_is_refused(void **state)
{
    static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "a/.", "a/..", "./a", "../a", "a/../b",
        ".part-sockit", "a.part-sockit", "a.part-sockit/b" };
    size_t last = 99;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(check(bad[i], &last), -EINVAL);
    assert_int_equal(skt_storepath_check(skt_span_of("a\0b", 3), 3, &last), -EINVAL);
    assert_int_equal(skt_storepath_check((struct skt_span){ 0 }, 3, &last), -EINVAL);
    assert_int_equal(last, 99);
}

static void too_long_and_too_deep_are_refused(void **state)
{
    static char path[5000];
    size_t last;

    assert_int_equal(check("a/b/c", &last), 0);
    assert_int_equal(check("a/b/c/d", &last), -ENAMETOOLONG);
    memset(path, 'a', 256);
    assert_int_equal(check(path, &last), -ENAMETOOLONG);
    path[255] = 0;
    assert_int_equal(check(path, &last), 0);
    for (size_t i = 0; i < 4097; i++)
        path[i] = i % 2 ? '/' : 'a';
    assert_int_equal(skt_storepath_check(skt_span_of(path, 4097), 9999, &last), -ENAMETOOLONG);
    assert_int_equal(skt_storepath_check(skt_span_of(path, 4095), 9999, &last), 0);
}

static void the_name_of_a_part_fits_and_tells_names_apart(void **state)
{
    char name[256] = { 0 }, part[SKT_STOREPATH_NAME_MAX + 1], other[SKT_STOREPATH_NAME_MAX + 1];

    skt_storepath_part("a", 255, part);
    assert_string_equal(part, "a.part-sockit");
    for (size_t n = 1; n <= 255; n++) {
        name[n - 1] = 'n';
        skt_storepath_part(name, 255, part);
        assert_true(strlen(part) <= 255 && skt_storepath_is_part(part) && !skt_storepath_is_part(name));
        assert_true(n > 243 ? *part == '.' : !strncmp(part, name, n));
    }
    name[254] = 'm';
    skt_storepath_part(name, 255, other);
    assert_string_not_equal(part, other);
    skt_storepath_part(name, 255, part); /* and always the same */
    assert_string_equal(part, other);
    skt_storepath_part("a name that this file system cannot make longer", 48, part);
    assert_true(strlen(part) <= 48 && *part == '.');
}

RUN(T(a_path_is_parts_and_slashes), T(what_could_lead_out_is_refused), T(too_long_and_too_deep_are_refused),
    T(the_name_of_a_part_fits_and_tells_names_apart))
