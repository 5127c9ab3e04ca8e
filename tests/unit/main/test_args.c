/* The command line, and what systemd is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "main/args.h"
#include "main/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PARSE(args_, err_, ...) parse((args_), (err_), (const char *[]){"ganglion", __VA_ARGS__, NULL})

static int parse(struct gg_args *args, struct gg_error *err, const char **argv)
{
    int argc = 0;
    while (argv[argc] != NULL)
        argc++;
    memset(err, 0, sizeof(*err));
    return gg_args_parse(argc, (char *const *)argv, args, err);
}

static void test_run(void **state)
{
    struct gg_args args;
    struct gg_error err;
    assert_int_equal(PARSE(&args, &err, "-c", "a.yaml", "--config-path=conf.d", "-cb.yaml", "-D", "--plugin-dir", "p"),
                     0);
    assert_int_equal(args.command, GG_CMD_RUN);
    assert_int_equal(args.configs.n, 3);
    assert_string_equal(args.configs.values[1], "conf.d");
    assert_string_equal(args.configs.values[2], "b.yaml");
    assert_null(args.configs.values[3]);
    assert_string_equal(args.plugin_dirs.values[0], "p");
    assert_true(args.daemonize);
}

static void test_commands(void **state)
{
    struct gg_args args;
    struct gg_error err;
    assert_int_equal(PARSE(&args, &err, "plugins", "--json"), 0);
    assert_int_equal(args.command, GG_CMD_PLUGINS);
    assert_true(args.json);
    assert_int_equal(PARSE(&args, &err, "routes", "-c", "x", "--format", "nginx", "--listen", "127.0.0.1:1"), 0);
    assert_int_equal(args.command, GG_CMD_ROUTES);
    assert_string_equal(args.format, "nginx");
    assert_int_equal(PARSE(&args, &err, "--explain", "-c", "x"), 0);
    assert_int_equal(args.command, GG_CMD_EXPLAIN);
    assert_int_equal(PARSE(&args, &err, "--generate-missing-configs", "--keys-directory", "k", "-c", "x"), 0);
    assert_int_equal(args.command, GG_CMD_GENERATE_KEYS);
    assert_string_equal(args.config_directory, "k");
    assert_int_equal(PARSE(&args, &err, "--enable-registration", "-c", "x"), 0);
    struct gg_config_source source = gg_args_source(&args);
    assert_int_equal(source.n_overrides, 1);
    assert_string_equal(source.overrides[0].path, "enable_registration");
}

static void test_usage_errors(void **state)
{
    struct gg_args args;
    struct gg_error err;
    assert_int_equal(PARSE(&args, &err, "--nonsense", "-c", "x"), GG_E_INVALID);
    assert_non_null(strstr(err.message, "--nonsense"));
    assert_int_equal(PARSE(&args, &err, "-c"), GG_E_INVALID);
    assert_int_equal(PARSE(&args, &err, "-f", "log", "-c", "x"), GG_E_INVALID);
    assert_non_null(strstr(err.message, "log_config"));
    assert_int_equal(PARSE(&args, &err, "--json=1", "plugins"), GG_E_INVALID);
    assert_int_equal(PARSE(&args, &err, "homeserver.yaml"), GG_E_INVALID);
    assert_int_equal(PARSE(&args, &err, "-D"), GG_E_INVALID);
    assert_non_null(strstr(err.message, "-c"));
}

static void test_usage_names_every_option(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_args_usage(&text);
    assert_non_null(strstr(text.data, "-c, --config-path FILE"));
    assert_non_null(strstr(text.data, "--explain"));
    assert_null(strstr(text.data, "--log-file"));
    gg_buf_done(&text);
}

static void notified(const char *name, const struct sockaddr_un *address, socklen_t length)
{
    char got[128];
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)address, length), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    gg_notify_ready();
    ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
    assert_true(n > 0);
    got[n] = '\0';
    char expected[64];
    snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%ld", (long)getpid());
    assert_string_equal(got, expected);
    gg_notify_reloading();
    n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);
    assert_true(n > 0 && strncmp(got, "RELOADING=1\nMONOTONIC_USEC=", 27) == 0);
    close(fd);
    unsetenv("NOTIFY_SOCKET");
    gg_notify_ready(); /* nobody listens: nothing happens */
}

static void test_notify(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char name[64];
    snprintf(name, sizeof(name), "/tmp/gg_notify_%ld", (long)getpid());
    strcpy(address.sun_path, name);
    notified(name, &address, sizeof(address));
    unlink(name);
    memset(address.sun_path, 0, sizeof(address.sun_path));
    int n = snprintf(name, sizeof(name), "@gg_notify_%ld", (long)getpid());
    memcpy(address.sun_path + 1, name + 1, (size_t)n - 1);
    notified(name, &address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run),          cmocka_unit_test(test_commands),
        cmocka_unit_test(test_usage_errors), cmocka_unit_test(test_usage_names_every_option),
        cmocka_unit_test(test_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
