/* What the executable does instead of running: checks over several processes' files,
 * printing with masked secrets, and making a first configuration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/modes.h"
#include "config/yaml.h"
#include "helper.h"

#include <ganglion/matrix/config.h>

#include <libpq-fe.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    char path[64];
};

static int make_folder(void **state)
{
    struct folder *folder = calloc(1, sizeof(*folder));

    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/ganglion-modes-XXXXXX");
    *state = folder;
    return mkdtemp(folder->path) ? 0 : -1;
}

static int drop_folder(void **state)
{
    char command[128];

    (void)snprintf(command, sizeof(command), "rm -r '%s'", ((struct folder *)*state)->path);
    free(*state);
    return system(command);
}

static void put(void **state, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", ((struct folder *)*state)->path, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static int declare(void *arg, struct gg_config *config, struct gg_error *err)
{
    int status = gg_config_declare(config, mx_config_keys, sizeof(mx_config_keys[0]), err);

    return status ? status : mx_config_check(config, err);
}

/* The report of --check-config over the folder. */
static int check(void **state, struct gg_buf *report)
{
    const char *paths[] = {((struct folder *)*state)->path};
    struct gg_config_source source = {.paths = paths, .n_paths = 1};
    struct gg_check_options options = {.source = &source, .declare = declare, .offline = true};
    struct gg_error err = GG_ERROR_INIT;

    gg_buf_clear(report);
    return gg_mode_check_config(&options, report, &err);
}

static void assert_says(const struct gg_buf *report, const char *line)
{
    if (!strstr(report->data, line))
        fail_msg("no `%s` in:\n%s", line, report->data);
}

static void assert_silent(const struct gg_buf *report, const char *part)
{
    if (strstr(report->data, part))
        fail_msg("`%s` in:\n%s", part, report->data);
}

#define SHARED_TOP                                                                                                     \
    MINIMAL "redis: {enabled: true}\nworker_replication_secret: s\n"                                                   \
            "listeners:\n- {type: http, port: 8008, bind_address: 127.0.0.1, resources: [{names: [client]}]}\n"        \
            "- {type: http, port: 9093, bind_address: 127.0.0.1, resources: [{names: [replication]}]}\n"
#define MAP_TOP "instance_map:\n  main: {host: 127.0.0.1, port: 9093}\n"
#define LISTENER(port_)                                                                                                \
    "worker_listeners: [{type: http, port: " port_ ", bind_address: 127.0.0.1, resources: [{names: "                   \
    "[replication]}]}]\n"
#define GENERIC(name_) "worker_app: synapse.app.generic_worker\nworker_name: " name_ "\n"

static void test_good_deployment(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml",
        SHARED_TOP MAP_TOP "  p1: {host: 127.0.0.1, port: 9101}\n  p2: {host: 127.0.0.1, port: 9102}\n"
                           "stream_writers: {events: [p1, p2], typing: p1}\nfederation_sender_instances: [p1, p2]\n");
    put(state, "log.yaml", "version: 1\nhandlers: {}\nroot: {}\n");
    put(state, "p1.yaml", GENERIC("p1") LISTENER("9101"));
    put(state, "p2.yaml", GENERIC("p2") LISTENER("9102"));
    if (check(state, &report) != 0)
        fail_msg("%s", report.data);
    assert_says(&report, "3 processes checked: 0 errors, 0 warnings\n");
    assert_says(&report, "all processes together may open 36 database connections"); /* 3 * (10 + 2) */
    gg_buf_done(&report);
}

static void test_bad_names(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml",
        SHARED_TOP MAP_TOP "  p1: {host: h, port: 9101}\n  ghost: {host: h, port: 9}\n"
                           "stream_writers: {events: [p1, ghost]}\npusher_instances: [gohst]\n"
                           "run_background_tasks_on: nobody\nlistenrs: []\n");
    put(state, "a.yaml", GENERIC("p1") LISTENER("9101") "stream_writers: {events: [p1, ghost]}\n");
    put(state, "b.yaml", GENERIC("p1") LISTENER("9109") "stream_writers: {typing: p1}\n");
    assert_int_equal(check(state, &report), GG_E_INVALID);
    assert_says(&report, "have the same worker_name `p1`");
    assert_says(&report, "`stream_writers.events` names `ghost`, which none of the files starts");
    assert_says(&report, "`pusher_instances` names `gohst`, which none of the files starts");
    assert_says(&report, "`run_background_tasks_on` names `nobody`, which none of the files starts");
    assert_says(&report, "warning: `instance_map` has `ghost`, which none of the files starts");
    assert_says(&report, "unknown key `listenrs`; did you mean `listeners`?");
    assert_says(&report, "a.yaml:4:1: `stream_writers` stands in a worker's own file");
    assert_says(&report, "b.yaml:4:1: `stream_writers` says otherwise than what `master` reads");
    assert_says(&report, "error: no process of these files sends push notifications");
    assert_says(&report, "error: no process of these files runs periodic jobs");
    gg_buf_done(&report);
}

static void test_bad_listeners(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml",
        SHARED_TOP "instance_map:\n  main: {host: 127.0.0.1, port: 9999}\n  p1: {host: h, port: 9101}\n"
                   "  p2: {host: h, port: 9102}\n  p3: {path: /run/p3}\n  p4: {host: h, port: 9104, tls: true}\n"
                   "stream_writers: {events: [p1, p2, p3, p4]}\n");
    put(state, "p1.yaml", GENERIC("p1") LISTENER("9555"));
    put(state, "p2.yaml", GENERIC("p2"));
    put(state, "p3.yaml",
        GENERIC("p3") "worker_listeners: [{type: http, path: /run/p3, resources: [{names: [replication]}]}]\n");
    put(state, "p4.yaml", GENERIC("p4") LISTENER("9104"));
    put(state, "w.yaml", GENERIC("w") "worker_listeners: [{type: http, port: 8008, resources: [{names: [client]}]}]\n");
    assert_int_equal(check(state, &report), GG_E_INVALID);
    assert_says(&report, "`instance_map` has `p1` on port 9101, but it has no replication listener there");
    assert_says(&report, "`instance_map` has `master` on port 9999, but it has no replication listener there");
    assert_says(&report, "`p2` is named by `stream_writers.events`, but has no replication listener");
    assert_silent(&report, "`instance_map` has `p3`");
    assert_says(&report, "the replication listener of `p4` has no TLS, but `instance_map` says otherwise");
    assert_says(&report, "listen on the same port: that works on different machines only");
    gg_buf_done(&report);
}

static void test_duties_twice(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml", SHARED_TOP MAP_TOP "send_federation: false\nstart_pushers: false\n");
    put(state, "s1.yaml", "worker_app: synapse.app.federation_sender\nworker_name: s1\n");
    put(state, "s2.yaml", "worker_app: synapse.app.federation_sender\nworker_name: s2\n");
    assert_int_equal(check(state, &report), GG_E_INVALID);
    assert_says(&report, "error: `s1` and `s2` both think that they are the one that sends to other servers");
    assert_says(&report, "error: no process of these files sends push notifications");
    gg_buf_done(&report);
}

static void test_duties_stood_by_for(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml", SHARED_TOP MAP_TOP "start_pushers: false\nnotify_appservices: false\n");
    put(state, "a1.yaml", "worker_app: synapse.app.appservice\nworker_name: a1\n");
    put(state, "a2.yaml", "worker_app: synapse.app.appservice\nworker_name: a2\n");
    put(state, "p1.yaml", "worker_app: synapse.app.pusher\nworker_name: p1\n");
    put(state, "p2.yaml", "worker_app: synapse.app.pusher\nworker_name: p2\n");
    assert_int_equal(check(state, &report), 0);
    assert_says(&report, "note: of `a1` and `a2` one talks to application services; the other stands by");
    assert_says(&report, "note: of `p1` and `p2` one sends push notifications; the other stands by");
    gg_buf_done(&report);

    report = (struct gg_buf)GG_BUF_INIT;
    put(state, "p1.yaml", "worker_app: synapse.app.pusher\nworker_name: p1\npusher_instances: [p1, p3]\n");
    assert_int_equal(check(state, &report), GG_E_INVALID);
    assert_says(&report, "error: `p1` and `p2` both think that they are the one that sends push notifications");
    gg_buf_done(&report);
}

static void test_alone(void **state)
{
    struct gg_buf report = GG_BUF_INIT;
    char path[128];
    const char *paths[] = {path};
    struct gg_config_source source = {.paths = paths, .n_paths = 1};
    struct gg_check_options options = {.source = &source, .declare = declare, .offline = true};
    struct gg_error err = GG_ERROR_INIT;

    put(state, "homeserver.yaml",
        SHARED_TOP MAP_TOP "  p1: {host: h, port: 9101}\nstream_writers: {events: p1}\nstart_pushers: false\n"
                           "registration_shared_secret_path: /nonexistent/secret\n");
    (void)snprintf(path, sizeof(path), "%s/homeserver.yaml", ((struct folder *)*state)->path);
    if (gg_mode_check_config(&options, &report, &err) != 0)
        fail_msg("%s", report.data);
    assert_says(&report, "note: ");
    assert_says(&report, "names `p1`, which none of the files starts");
    assert_says(&report, "the main process will make /nonexistent/secret");
    assert_says(&report, "1 process checked: 0 errors, 0 warnings\n");
    gg_buf_done(&report);
}

/* A database section with the words of GANGLION_TEST_PG. */
static void add_database(struct gg_buf *out, const char *conninfo)
{
    PQconninfoOption *options = PQconninfoParse(conninfo, NULL);

    assert_non_null(options);
    gg_buf_text(out, "server_name: example.com\nreport_stats: false\n"
                     "database:\n  name: psycopg2\n  args:\n    cp_max: 9999\n");
    for (const PQconninfoOption *each = options; each->keyword; each++)
        if (each->val)
            gg_buf_printf(out, "    %s: '%s'\n", each->keyword, each->val);
    PQconninfoFree(options);
}

static void test_connections(void **state)
{
    const char *conninfo = getenv("GANGLION_TEST_PG"), *required = getenv("GANGLION_TEST_REQUIRE");
    const char *paths[] = {((struct folder *)*state)->path};
    struct gg_config_source source = {.paths = paths, .n_paths = 1};
    struct gg_check_options options = {.source = &source, .declare = declare};
    struct gg_buf text = GG_BUF_INIT, report = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;

    if (!conninfo && required && strcmp(required, "1") == 0)
        fail_msg("GANGLION_TEST_PG is not set");
    if (!conninfo) {
        print_message("GANGLION_TEST_PG is not set: skipped\n");
        skip();
    }
    add_database(&text, conninfo);
    put(state, "homeserver.yaml", text.data);
    assert_int_equal(gg_mode_check_config(&options, &report, &err), 0);
    assert_says(&report, "warning: all processes together may open 10001 database connections, but the server allows ");
    gg_buf_done(&report);
    gg_buf_done(&text);
}

static void test_every_error_is_named(void **state)
{
    struct gg_buf report = GG_BUF_INIT;

    put(state, "homeserver.yaml",
        SHARED_TOP MAP_TOP "modules: [a]\noidc_providers: [a]\nfilter_timeline_limit: x\n");
    put(state, "w.yaml", GENERIC("w") "worker_listeners: 7\n");
    assert_int_equal(check(state, &report), GG_E_INVALID);
    assert_says(&report, "`modules` cannot be used");
    assert_says(&report, "`oidc_providers` cannot be used");
    assert_says(&report, "`filter_timeline_limit` must be a whole number");
    assert_says(&report, "`worker_listeners` must be a list");
    gg_buf_done(&report);
}

static void test_print(void **state)
{
    struct gg_config *config =
        load("server_name: example.com\nreport_stats: no\nworker_replication_secret: hush1\n"
             "database: {name: psycopg2, args: {user: u, password: hush2, dbname: 'postgres://u:hush3@h/db'}}\n"
             "email: {smtp_host: m, smtp_pass: hush4}\nlisteners: [{type: http, port: 1, resources: [{names: [client, "
             "keys]}]}]\n"
             "redis: {enabled: false}\n"
             "sentry: {dsn: hush5}\nmodules: []\nodd key: ['a: b', 1.50, null, [x, [y]], {}]\n\"yes\": 0x10\n"
             "registration_requires_token: true\n");
    struct gg_buf out = GG_BUF_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_node *root;

    gg_mode_print_config(config, &out);
    assert_silent(&out, "hush");
    assert_says(&out, "server_name: \"example.com\"  # text:1:1\n");
    assert_says(&out, "    password: \"<masked>\"\n");
    assert_says(&out, "    user: \"u\"\n");
    assert_says(&out, "  - type: \"http\"\n    port: 1\n    resources:\n      - names:\n          - \"client\"\n       "
                      "   - \"keys\"\n");
    assert_says(&out, "  - - \"x\"\n    - - \"y\"\n");
    assert_says(&out, "\"yes\": 16");
    assert_says(&out, "registration_requires_token: true");
    assert_int_equal(gg_yaml_parse(arena, "text", gg_buf_view(&out), NULL, NULL, &root, &err), 0);
    assert_int_equal(gg_node_count(root), gg_node_count(gg_config_root(config)));
    gg_arena_free(arena);
    gg_buf_done(&out);
    gg_config_free(config);
}

static void assert_private_file(const char *folder, const char *name)
{
    char path[256];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_true(st.st_size > 10);
}

/* As --generate-config does: write, then read with source.generate. */
static void generate(void **state, bool no_secrets)
{
    const char *folder = ((struct folder *)*state)->path;
    char path[128];
    const char *paths[] = {path};
    struct gg_generate_options options = {.path = path,
                                          .server_name = "new.example",
                                          .report_stats = "no",
                                          .data_directory = folder,
                                          .enable_metrics = true,
                                          .no_secrets = no_secrets};
    struct gg_config_source source = {.paths = paths, .n_paths = 1, .generate = true, .no_secrets = no_secrets};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;
    bool made;

    (void)snprintf(path, sizeof(path), "%s/homeserver.yaml", folder);
    assert_int_equal(gg_mode_generate_config(&options, &made, &err), 0);
    assert_true(made);
    if (gg_config_read(&source, &config, &err) || declare(NULL, config, &err) || gg_config_finish(config, &err))
        fail_msg("%s", err.message);
    assert_string_equal(gg_config_text(config, "server_name"), "new.example");
    assert_int_equal(strlen(gg_config_text(config, "registration_shared_secret")), 50);
    assert_false(has_finding(config, GG_FINDING_WARNING, ""));
    gg_config_free(config);
    assert_private_file(folder, "homeserver.yaml");
    assert_private_file(folder, "new.example.signing.key");
    assert_private_file(folder, "new.example.log.config");
    assert_int_equal(gg_mode_generate_config(&options, &made, &err), 0);
    assert_false(made); /* what is there stays */
}

static void test_generate(void **state)
{
    generate(state, false);
}

static void test_generate_without_secrets(void **state)
{
    generate(state, true);
    assert_private_file(((struct folder *)*state)->path, "new.example.macaroon_secret_key");
}

static void test_generate_mistakes(void **state)
{
    struct gg_generate_options options = {.path = "/nonexistent/x.yaml", .server_name = "a", .report_stats = "maybe"};
    struct gg_error err = GG_ERROR_INIT;
    bool made;

    assert_int_equal(gg_mode_generate_config(&options, &made, &err), GG_E_INVALID);
    options.report_stats = "yes";
    assert_int_equal(gg_mode_generate_config(&options, &made, &err), GG_E_IO);
    options.server_name = "../x";
    assert_int_equal(gg_mode_generate_config(&options, &made, &err), GG_E_INVALID);
    options.server_name = NULL;
    assert_int_equal(gg_mode_generate_config(&options, &made, &err), GG_E_INVALID);
}

#define IN_FOLDER(test_) cmocka_unit_test_setup_teardown(test_, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_good_deployment),
        IN_FOLDER(test_bad_names),
        IN_FOLDER(test_bad_listeners),
        IN_FOLDER(test_duties_twice),
        IN_FOLDER(test_duties_stood_by_for),
        IN_FOLDER(test_alone),
        IN_FOLDER(test_every_error_is_named),
        IN_FOLDER(test_connections),
        IN_FOLDER(test_generate),
        IN_FOLDER(test_generate_without_secrets),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_generate_mistakes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
