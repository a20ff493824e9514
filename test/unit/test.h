#pragma once
/* What every unit test includes first: cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* cmocka has the filter, but nothing sets it from outside. Unset: every test. */
__attribute__((constructor)) static void narrow(void) { cmocka_set_test_filter(getenv("CMOCKA_TEST_FILTER")); }

/* main() of a test file: run(cmocka_unit_test(a_sentence), ...) */
#define RUN(...)                                                                                                       \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }
#define T(name) cmocka_unit_test(name)
