/* in_fiber.h: FIBER_TEST(name) { ... } is a cmocka test whose body runs as the first fiber of a loop of its own. */
#ifndef TESTS_UNIT_IN_FIBER_H
#define TESTS_UNIT_IN_FIBER_H

#include <ganglion/fiber.h>

#define FIBER_TEST(name_)                                                                  \
    static void name_##_body(void *arg);                                                   \
    static void name_(void **state)                                                        \
    {                                                                                      \
        assert_int_equal(gg_loop_run(NULL, name_##_body, NULL), GG_OK);                    \
    }                                                                                      \
    static void name_##_body(void *arg)

#endif
