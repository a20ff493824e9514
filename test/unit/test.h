#pragma once
/* What every unit test includes first: cmocka wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* main() of a test file: run(cmocka_unit_test(a_sentence), ...) */
#define RUN(...)                                                                                                       \
    int main(void)                                                                                                     \
    {                                                                                                                  \
        const struct CMUnitTest tests[] = { __VA_ARGS__ };                                                             \
        return cmocka_run_group_tests(tests, NULL, NULL);                                                              \
    }
#define T(name) cmocka_unit_test(name)
