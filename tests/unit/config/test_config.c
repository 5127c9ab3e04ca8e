/* Loading: merging, typed values, secrets, former spellings, unknown keys; and the
 * seed's two files as they stand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/topology.h"
#include "helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_defaults(void **state)
{
    struct gg_config *config = load(MINIMAL);

    assert_string_equal(gg_config_text(config, "server_name"), "example.com");
    assert_false(gg_config_set(config, "redis.host"));
    assert_string_equal(gg_config_text(config, "redis.host"), "localhost");
    assert_int_equal(gg_config_int(config, "redis.port"), 6379);
    assert_int_equal(gg_config_int(config, "caches.sync_response_cache_duration"), 120000);
    assert_int_equal(gg_config_int(config, "event_cache_size"), 10240);
    assert_null(gg_config_text(config, "redis.password"));
    assert_true(gg_topology_is_main(config));
    assert_string_equal(gg_topology_instance(config), "master");
    gg_config_free(config);
}

static const char *seed_paths[] = {TEST_DATA "/config/shared.yaml", TEST_DATA "/config/seed-homeserver.yaml",
                                   TEST_DATA "/config/seed-worker.yaml"};

/* shared.yaml holds what the seed leaves out: server_name, report_stats, database. */
static struct gg_config *load_seed(size_t n)
{
    struct gg_config_source source = {.paths = seed_paths, .n_paths = n};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    if (gg_config_read(&source, &config, &err) || gg_config_finish(config, &err))
        fail_msg("%s", err.message);
    return config;
}

static void test_seed_main(void **state)
{
    struct gg_config *config = load_seed(2);
    size_t n;
    const struct gg_listener *listener = gg_topology_listeners(config, &n);

    assert_int_equal(n, 1);
    assert_int_equal(listener->port, 9093);
    assert_int_equal(listener->n_addresses, 1);
    assert_string_equal(listener->addresses[0], "127.0.0.1");
    assert_true(gg_listener_has(listener, "replication"));
    assert_true(gg_topology_redis(config)->enabled);
    assert_true(gg_topology_is_main(config));
    gg_config_free(config);
}

static void test_seed_worker(void **state)
{
    struct gg_config *config = load_seed(3);
    size_t n;
    const struct gg_listener *listener = gg_topology_listeners(config, &n);
    const struct gg_peer *main_process = gg_topology_peer(config, "master");

    assert_false(gg_topology_is_main(config));
    assert_string_equal(gg_topology_instance(config), "worker1");
    assert_string_equal(gg_topology_worker_app(config), "synapse.app.generic_worker");
    assert_non_null(main_process);
    assert_string_equal(main_process->host, "127.0.0.1");
    assert_int_equal(main_process->port, 9093);
    assert_int_equal(n, 1);
    assert_int_equal(listener->port, 8083);
    assert_true(listener->default_addresses);
    assert_true(gg_listener_has(listener, "client"));
    assert_true(gg_listener_has(listener, "federation"));
    assert_true(has_finding(config, GG_FINDING_NOTE, "is now written `instance_map.main`"));
    gg_config_free(config);
}

static void test_wrong_types(void **state)
{
    assert_refused(MINIMAL "redis: {enabled: 'yes'}\n",
                   "text:4:18: `redis.enabled` must be true or false, not text (`yes`)");
    assert_refused(MINIMAL "redis: {port: 1.5}\n", "`redis.port` must be a whole number, not a fraction (`1.5`)");
    assert_refused(MINIMAL "redis: true\n", "text:4:8: `redis` must be a map, not a boolean");
    assert_refused(MINIMAL "redis: {host: 127}\n", "`redis.host` must be text (put it in quotes), not a whole number");
    assert_refused(MINIMAL "event_cache_size: 50MiB\n", "must be a size");
    assert_refused(MINIMAL "caches: {sync_response_cache_duration: 1month}\n", "must be a duration");
    assert_refused(MINIMAL "pusher_instances: p1\n", "`pusher_instances` must be a list of texts, not text (`p1`)");
    assert_refused(MINIMAL "pusher_instances: [p1, 2]\n", "text:4:24: `pusher_instances` must be a list of texts");
    assert_refused(MINIMAL "worker_replication_secret: 123\n", "`worker_replication_secret` must be text");
}

static void test_demanded(void **state)
{
    assert_refused("report_stats: true\n" DATABASE, "missing mandatory `server_name`");
    assert_refused("server_name: a\n" DATABASE, "missing mandatory `report_stats`");
    assert_refused("server_name: a\nreport_stats: true\n", "no `database` section");
}

static void test_unknown(void **state)
{
    struct gg_config *config = load(MINIMAL "redis: {hots: x}\nlisteners_: []\nqwertyuiop: 1\n");

    assert_true(
        has_finding(config, GG_FINDING_WARNING, "text:4:9: unknown key `redis.hots`; did you mean `redis.host`?"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "unknown key `listeners_`; did you mean `listeners`?"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "unknown key `qwertyuiop`"));
    assert_false(has_finding(config, GG_FINDING_WARNING, "unknown key `qwertyuiop`;"));
    gg_config_free(config);
}

static void test_key_with_a_dot(void **state)
{
    struct gg_config *config = load(MINIMAL "redis.host: x\n");

    assert_true(has_finding(config, GG_FINDING_WARNING, "unknown key `redis.host`"));
    assert_string_equal(gg_config_text(config, "redis.host"), "localhost");
    gg_config_free(config);
}

static const struct gg_config_key extra_keys[] = {
    {"colour.mode", GG_C_ENUM, GG_HONOURED, "off", "", .choices = "off|on|dim", .old = "use_colour"},
    {"open_door", GG_C_BOOL, GG_HONOURED, "false", "", .old = "!closed_door"},
    {"guards", GG_C_LIST, GG_REFUSED, .doc = "", .why = "there are none yet"},
    {"gate.enabled", GG_C_BOOL, GG_REFUSED, "false", "", "not built"},
    {"stream_writers.noise", GG_C_NAMES, GG_HONOURED, "master", "", .flags = GG_KEY_INSTANCES | GG_KEY_ONE},
    {"stream_writers.signal", GG_C_NAMES, GG_HONOURED, "master", "", .flags = GG_KEY_INSTANCES},
    {"pepper", GG_C_SECRET, GG_HONOURED, NULL, "", .flags = GG_KEY_GENERATED},
    {0},
};
static const struct gg_config_key *const extra[] = {extra_keys, NULL};

static void test_former_spellings(void **state)
{
    struct gg_config *config = load_with(MINIMAL "closed_door: false\nuse_colour: on\n", extra);

    assert_true(gg_config_bool(config, "open_door"));
    assert_string_equal(gg_config_text(config, "colour.mode"), "on");
    assert_true(
        has_finding(config, GG_FINDING_NOTE, "`closed_door` is now written `open_door` (with the opposite value)"));
    assert_false(has_finding(config, GG_FINDING_WARNING, "unknown key"));
    gg_config_free(config);
    assert_refused_with(MINIMAL "closed_door: false\nopen_door: true\n", extra,
                        "`closed_door` is the former spelling of `open_door`");
}

static void test_choices(void **state)
{
    struct gg_config *config = load_with(MINIMAL "colour: {mode: off}\n", extra);

    assert_string_equal(gg_config_text(config, "colour.mode"), "off");
    gg_config_free(config);
    assert_refused_with(MINIMAL "colour: {mode: bright}\n", extra,
                        "`colour.mode` must be one of off|on|dim, not text (`bright`)");
}

static void test_refused_keys(void **state)
{
    struct gg_config *config = load_with(MINIMAL "guards: []\ngate: {enabled: false}\n", extra);

    gg_config_free(config);
    assert_refused_with(MINIMAL "guards: [tall]\n", extra, "`guards` cannot be used: there are none yet");
    assert_refused_with(MINIMAL "gate: {enabled: true}\n", extra, "`gate.enabled` cannot be used: not built");
}

static void test_writers(void **state)
{
    static const char with_map[] = MINIMAL "instance_map: {w1: {host: h, port: 1}, w2: {path: /s}}\n";
    char text[1024];

    (void)snprintf(text, sizeof(text), "%sstream_writers: {noise: w1, signal: [w2, w1]}\n", with_map);
    struct gg_config *config = load_with(text, extra);
    size_t n;
    const char *const *names = gg_topology_writers(config, "signal", &n);

    assert_int_equal(n, 2);
    assert_string_equal(names[0], "w2");
    assert_string_equal(names[1], "w1");
    assert_string_equal(gg_topology_writers(config, "noise", NULL)[0], "w1");
    assert_string_equal(gg_topology_writers(config, "other", &n)[0], "master");
    assert_int_equal(n, 1);
    assert_false(gg_topology_is_writer(config, "noise"));
    assert_true(gg_topology_is_writer(config, "other"));
    gg_config_free(config);
    (void)snprintf(text, sizeof(text), "%sstream_writers: {noise: [w1, w2]}\n", with_map);
    assert_refused_with(text, extra, "`stream_writers.noise` takes exactly one name, not 2");
    (void)snprintf(text, sizeof(text), "%sstream_writers: {signal: [w1, w3]}\n", with_map);
    assert_refused_with(text, extra, "`stream_writers.signal` names `w3`, which does not stand in `instance_map`");
    (void)snprintf(text, sizeof(text), "%sstream_writers: {singal: [w1]}\n", with_map);
    assert_refused_with(
        text, extra,
        "unknown key `stream_writers.singal`: there is no such stream; did you mean `stream_writers.signal`?");
}

static void test_secret_files(void **state)
{
    char path[] = "/tmp/ganglion-secret-XXXXXX", text[256];
    int fd = mkstemp(path);

    assert_int_equal(write(fd, "  hush \n", 8), 8);
    close(fd);
    (void)snprintf(text, sizeof(text), MINIMAL "pepper_path: %s\n", path);
    struct gg_config *config = load_with(text, extra);
    assert_string_equal(gg_config_text(config, "pepper"), "hush");
    assert_true(gg_config_set(config, "pepper"));
    gg_config_free(config);
    (void)snprintf(text, sizeof(text), MINIMAL "pepper_path: %s\npepper: loud\n", path);
    assert_refused_with(text, extra, "`pepper` and `pepper_path` are both given; keep one");
    unlink(path);
    (void)snprintf(text, sizeof(text), MINIMAL "pepper_path: %s\n", path);
    assert_refused_with(text, extra, "No such file");
}

static void test_generated_secret(void **state)
{
    char folder[] = "/tmp/ganglion-config-XXXXXX", text[256], path[128];
    struct gg_config_source source = {.text = text, .generate = true};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;
    struct stat st;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/pepper", folder);
    (void)snprintf(text, sizeof(text), MINIMAL "pepper_path: %s\n", path);
    assert_int_equal(gg_config_read(&source, &config, &err), 0);
    assert_int_equal(gg_config_declare(config, extra_keys, sizeof(extra_keys[0]), &err), 0);
    assert_int_equal(strlen(gg_config_text(config, "pepper")), 50);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    gg_config_free(config);
    unlink(path);
    rmdir(folder);
}

static void test_no_secrets(void **state)
{
    struct gg_config_source source = {.text = MINIMAL "worker_replication_secret: x\n", .no_secrets = true};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    assert_int_equal(gg_config_read(&source, &config, &err), GG_E_INVALID);
    assert_non_null(strstr(err.message, "--no-secrets-in-config forbids; use `worker_replication_secret_path`"));
    gg_config_free(config);
}

static void test_overrides(void **state)
{
    struct gg_config_override overrides[] = {{"redis.host", "far", "--redis"}, {"daemonize", "true", "-D"}};
    struct gg_config_source source = {
        .text = MINIMAL "redis: {port: 1, host: near}\n", .overrides = overrides, .n_overrides = 2};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    assert_int_equal(gg_config_read(&source, &config, &err), 0);
    assert_string_equal(gg_config_text(config, "redis.host"), "far");
    assert_int_equal(gg_config_int(config, "redis.port"), 1);
    assert_true(gg_config_bool(config, "daemonize"));
    gg_config_free(config);
}

static void test_environment(void **state)
{
    setenv("SYNAPSE_CACHE_FACTOR", "2.5", 1);
    setenv("SYNAPSE_CACHE_FACTOR_GETEVENT", "7", 1);
    struct gg_config *config = load(MINIMAL "caches: {per_cache_factors: {'*stateGroupCache*': 3, GetEvent: 1}}\n");

    assert_true(gg_config_number(config, "caches.global_factor") == 2.5);
    assert_true(gg_config_cache_factor(config, "other") == 2.5);
    assert_true(gg_config_cache_factor(config, "*getEvent*") == 7);
    assert_true(gg_config_cache_factor(config, "statEGroupCache") == 3);
    gg_config_free(config);
    config = load(MINIMAL "caches: {global_factor: 1}\n");
    assert_true(gg_config_number(config, "caches.global_factor") == 1.0);
    gg_config_free(config);
    unsetenv("SYNAPSE_CACHE_FACTOR");
    unsetenv("SYNAPSE_CACHE_FACTOR_GETEVENT");
}

static void test_shorter_entries(void **state)
{
    struct old_key {
        const char *path;
        uint32_t type, verdict;
        const char *fallback, *doc, *why, *choices;
    };
    static const struct old_key old[] = {{"my.key", GG_C_TEXT, 0, "x", "", NULL, NULL}, {0}};
    struct gg_config_source source = {.text = MINIMAL "my: {key: y}\n"};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    assert_int_equal(gg_config_read(&source, &config, &err), 0);
    assert_int_equal(gg_config_declare(config, (const struct gg_config_key *)(const void *)old, sizeof(old[0]), &err),
                     0);
    assert_string_equal(gg_config_text(config, "my.key"), "y");
    gg_config_free(config);
}

static void put_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
}

static void test_files_and_folders(void **state)
{
    char folder[] = "/tmp/ganglion-config-XXXXXX", command[128], first[128];
    const char *paths[] = {first, folder};
    struct gg_config_source source = {.paths = paths, .n_paths = 2};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(first, sizeof(first), "%s/a.conf", folder);
    put_file(folder, "a.conf", MINIMAL "redis: {host: one, port: 1}\n");
    put_file(folder, "b.yaml", "redis: {host: two}\npid_file: p\n");
    put_file(folder, "a.yaml", "redis: {host: three, port: 3}\n");
    put_file(folder, "c.yaml", "");
    put_file(folder, "d.yaml", "[1, 2]\n");
    (void)snprintf(command, sizeof(command), "%s/sub.yaml", folder);
    mkdir(command, 0700);
    assert_int_equal(gg_config_read(&source, &config, &err), 0);
    assert_string_equal(gg_config_text(config, "redis.host"), "two"); /* a.conf, then a.yaml, then b.yaml */
    assert_int_equal(gg_config_int(config, "redis.port"), 6379);      /* top-level keys are replaced whole */
    assert_string_equal(gg_config_text(config, "pid_file"), "p");
    assert_string_equal(gg_config_directory(config), folder);
    assert_true(has_finding(config, GG_FINDING_NOTE, "a.conf: skipped, its name does not end in .yaml"));
    assert_true(has_finding(config, GG_FINDING_NOTE, "sub.yaml: skipped, not a file"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "nothing in it; the file is ignored"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "its top is not a map; the file is ignored"));
    gg_config_free(config);
    (void)snprintf(command, sizeof(command), "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(gg_config_read(&source, &config, &err), GG_E_NOT_FOUND);
    gg_config_free(config);
}

static void test_worker_app_in_shared_file(void **state)
{
    char folder[] = "/tmp/ganglion-config-XXXXXX", path[128];
    const char *paths[] = {path};
    struct gg_config_source source = {.paths = paths, .n_paths = 1};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config;

    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/homeserver.yaml", folder);
    put_file(folder, "homeserver.yaml", WORKER);
    assert_int_equal(gg_config_read(&source, &config, &err), GG_E_INVALID);
    assert_non_null(strstr(err.message, "stands in the file that all processes share"));
    gg_config_free(config);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_seed_main),
        cmocka_unit_test(test_seed_worker),
        cmocka_unit_test(test_wrong_types),
        cmocka_unit_test(test_demanded),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_key_with_a_dot),
        cmocka_unit_test(test_former_spellings),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_refused_keys),
        cmocka_unit_test(test_writers),
        cmocka_unit_test(test_secret_files),
        cmocka_unit_test(test_generated_secret),
        cmocka_unit_test(test_no_secrets),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_shorter_entries),
        cmocka_unit_test(test_files_and_folders),
        cmocka_unit_test(test_worker_app_in_shared_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
