/* The command line of ganglionctl. */
#include "control/control.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PARSE(...)                                                                             \
    const char *words[] = {"ganglionctl", __VA_ARGS__, NULL};                                       \
    struct gg_control_args args;                                                               \
    struct gg_error err = GG_ERROR_INIT;                                                       \
    int rc = gg_control_args_parse((int)(sizeof(words) / sizeof(*words)) - 1, (char *const *)words, &args, &err)

static void as_synctl(void **state)
{
    PARSE("restart", "etc/homeserver.yaml", "-a", "etc/workers");
    assert_int_equal(rc, 0);
    assert_int_equal(args.command, GG_CONTROL_RESTART);
    assert_string_equal(args.configs[0], "etc/homeserver.yaml");
    assert_string_equal(args.folder, "etc/workers");
    assert_int_equal(args.n_names, 0);
    assert_int_equal(args.timeout_ms, 120000);
}

static void long_spellings(void **state)
{
    PARSE("start", "--config-path=a.yaml", "--worker", "w.yaml", "--no-daemonize", "--json", "--timeout=7");
    assert_int_equal(rc, 0);
    assert_string_equal(args.configs[0], "a.yaml");
    assert_string_equal(args.worker, "w.yaml");
    assert_true(args.foreground && args.json);
    assert_int_equal(args.timeout_ms, 7000);
}

static void names(void **state)
{
    PARSE("restart", "worker1", "etc/homeserver.yaml", "main");
    assert_int_equal(rc, 0);
    assert_int_equal(args.n_names, 2);
    assert_string_equal(args.names[1], "main");
    assert_int_equal(args.n_configs, 1);
}

static void refused(const char *a, const char *b, const char *c, const char *word)
{
    PARSE(a, b, c);
    assert_int_equal(rc, GG_E_INVALID);
    assert_non_null(strstr(err.message, word));
}

static void refusals(void **state)
{
    refused("frobnicate", "a.yaml", "-D", "no command");
    refused("start", "a.yaml", "--nothing", "no option");
    refused("start", "a.yaml", "-w", "needs a value");
    refused("stop", "a.yaml", "--no-daemonize", "goes with start");
    refused("stop", "a.yaml", "--timeout=soon", "no number");
    refused("stop", "a.yaml", "--timeout=0", "no number");
    refused("stop", "a.yaml", "--json=yes", "takes no value");
    PARSE("start", "a.yaml", "-w", "x", "-a", "y");
    assert_int_equal(rc, GG_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_synctl), cmocka_unit_test(long_spellings), cmocka_unit_test(names),
                                       cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
