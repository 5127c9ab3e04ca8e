/* Who does what: duties by the truth tables, sharding, listeners in every form, the
 * safety of the replication listener, Redis and database options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/topology.h"
#include "helper.h"

#include <ganglion/repl.h>

/* ---- duties ---- */

static bool performs(const char *text, const char *duty, bool *asked)
{
    struct gg_config *config = load(text);
    bool mine = gg_topology_has_duty(config, duty, asked);

    gg_config_free(config);
    return mine;
}

#define WORKER_AS(app_, name_)                                                                                         \
    MINIMAL "redis: {enabled: true}\ninstance_map: {main: {host: h, port: 1}}\nworker_app: " app_                      \
            "\nworker_name: " name_ "\n"

/* The table for send_federation, and the same for start_pushers. */
static void check_list_duty(const char *duty, const char *list, const char *legacy, const char *app)
{
    char text[1024];
    bool asked;

    assert_true(performs(MINIMAL, duty, &asked));
    assert_false(asked);
    (void)snprintf(text, sizeof(text), MINIMAL "%s: true\n", legacy);
    assert_true(performs(text, duty, &asked));
    assert_true(asked);
    (void)snprintf(text, sizeof(text), MINIMAL "%s: false\n", legacy);
    assert_false(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w") "%s: false\n", app, legacy);
    assert_true(performs(text, duty, &asked));
    assert_true(asked);
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w"), app);
    assert_refused(text, legacy);
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w") "%s: true\n", app, legacy);
    assert_refused(text, "in the shared file, or the main process would do the same work");
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.generic_worker", "w") "%s: false\n", legacy);
    assert_false(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.generic_worker", "w") "%s: [v, w]\n", list);
    assert_true(performs(text, duty, &asked));
    assert_true(asked);
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w") "%s: [v]\n%s: true\n", app, list, legacy);
    assert_false(performs(text, duty, &asked)); /* the list decides alone */
    (void)snprintf(text, sizeof(text), MINIMAL "%s: [v]\n", list);
    assert_false(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), MINIMAL "%s: []\n", list);
    assert_false(performs(text, duty, &asked));
}

static void test_list_duties(void **state)
{
    check_list_duty("federation_sender", "federation_sender_instances", "send_federation", "federation_sender");
    check_list_duty("pusher", "pusher_instances", "start_pushers", "pusher");
}

static void check_single_duty(const char *duty, const char *modern, const char *legacy, const char *app)
{
    char text[1024];
    bool asked;

    assert_true(performs(MINIMAL, duty, &asked));
    assert_false(asked);
    (void)snprintf(text, sizeof(text), MINIMAL "%s: w\n", modern);
    assert_false(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.generic_worker", "w") "%s: w\n", modern);
    assert_true(performs(text, duty, &asked));
    assert_true(asked);
    (void)snprintf(text, sizeof(text), MINIMAL "%s: master\n", modern);
    assert_true(performs(text, duty, &asked));
    if (!legacy)
        return;
    (void)snprintf(text, sizeof(text), MINIMAL "%s: false\n", legacy);
    assert_false(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w") "%s: false\n", app, legacy);
    assert_true(performs(text, duty, &asked));
    (void)snprintf(text, sizeof(text), WORKER_AS("synapse.app.%s", "w"), app);
    assert_refused(text, legacy);
    (void)snprintf(text, sizeof(text), MINIMAL "%s: true\n%s: w\n", legacy, modern);
    assert_refused(text, "contradicts");
    (void)snprintf(text, sizeof(text), MINIMAL "%s: false\n%s: w\n", legacy, modern);
    assert_false(performs(text, duty, &asked)); /* they agree */
}

static void test_single_duties(void **state)
{
    check_single_duty("appservice", "notify_appservices_from_worker", "notify_appservices", "appservice");
    check_single_duty("user_dir", "update_user_directory_from_worker", "update_user_directory", "user_dir");
    check_single_duty("background", "run_background_tasks_on", NULL, NULL);
}

static void test_media(void **state)
{
    bool asked;

    assert_true(performs(MINIMAL, "media_repository", &asked));
    assert_false(asked);
    assert_false(performs(MINIMAL "enable_media_repo: false\n", "media_repository", &asked));
    assert_true(performs(WORKER_AS("synapse.app.media_repository", "m") "enable_media_repo: false\n",
                         "media_repository", &asked));
    assert_true(asked);
    assert_false(performs(WORKER_AS("synapse.app.generic_worker", "w"), "media_repository", &asked));
    assert_true(performs(WORKER_AS("synapse.app.generic_worker",
                                   "w") "worker_listeners: [{type: http, port: 1, resources: [{names: [media]}]}]\n",
                         "media_repository", &asked));
    assert_true(performs(MINIMAL, "media_background", &asked));
    assert_false(performs(MINIMAL "media_instance_running_background_jobs: m\n", "media_background", &asked));
    assert_refused(MINIMAL
                   "enable_media_repo: false\nlisteners: [{type: http, port: 1, resources: [{names: [media]}]}]\n",
                   "`enable_media_repo: false` takes it from this process");
}

static void test_shards(void **state)
{
    static const struct {
        const char *key;
        size_t n, wanted;
    } rows[] = {{"!abcdefghij:example.com", 2, 1},
                {"!abcdefghij:example.com", 3, 2},
                {"!room:localhost", 5, 0},
                {"!room:localhost", 7, 2},
                {"example.com", 3, 0},
                {"example.com", 7, 4},
                {"matrix.org", 8, 3},
                {"matrix.org", 7, 6},
                {"localhost:25200", 8, 5},
                {"@alice:example.com", 7, 4},
                {"@bob:example.com", 8, 7},
                {"", 5, 4},
                {"\xc3\xa9", 3, 0},
                {"\xc3\xa9", 8, 2},
                {"!BwbuB8qSBhcoylnvHILeMD3GrdYhbdlph6OrgdCjBvU", 7, 3},
                {"x", 1, 0}};
    struct gg_config *config = load(WORKER_AS("synapse.app.generic_worker", "w1") "pusher_instances: [w0, w1]\n");

    for (size_t i = 0; i < GG_COUNT(rows); i++)
        assert_int_equal(gg_shard(gg_str(rows[i].key), rows[i].n), rows[i].wanted);
    assert_false(gg_topology_is_mine(config, "pusher", GG_STR("@alice:example.com"))); /* mod 2: 0 */
    assert_true(gg_topology_is_mine(config, "pusher", GG_STR("localhost:25200")));     /* mod 2: 1 */
    assert_false(gg_topology_is_mine(config, "federation_sender", GG_STR("example.com")));
    gg_config_free(config);
}

/* ---- refusals of identity ---- */

static void test_workers(void **state)
{
    struct gg_config *config = load(MINIMAL "redis: {enabled: true}\ninstance_map: {main: {path: /s}}\nworker_app: "
                                            "synapse.app.pusher\nstart_pushers: no\n");

    assert_string_equal(gg_topology_instance(config), "synapse.app.pusher");
    assert_string_equal(gg_topology_peer(config, "master")->path, "/s");
    gg_config_free(config);
    assert_refused(MINIMAL "instance_map: {main: {host: h, port: 1}}\nworker_app: synapse.app.generic_worker\n",
                   "a worker needs Redis");
    assert_refused(MINIMAL "redis: {enabled: true}\nworker_app: synapse.app.generic_worker\n",
                   "must know where the main process is");
    assert_refused(WORKER_AS("synapse.app.generic_worker", "'a b'"), "without blanks");
    assert_refused(WORKER_AS("synapse.app.generic_worker", "master"), "the main process is called so");
    assert_refused(MINIMAL "worker_replication_port: 9092\n",
                   "`worker_replication_port` cannot be used: TCP replication is gone");
    assert_refused(MINIMAL "instance_map: {w: {host: h}}\n", "`instance_map.w` must be {host: text, port: number");
    assert_refused(MINIMAL "instance_map: {w: {host: h, port: '1'}}\n", "`instance_map.w` must be");
    assert_refused(MINIMAL "instance_map: {w: {host: h, port: 1, path: /s}}\n", "`instance_map.w` must be");
    config = load(WORKER "worker_replication_host: old\nworker_replication_http_port: 7\n");
    assert_string_equal(gg_topology_peer(config, "master")->host, "127.0.0.1");
    assert_true(has_finding(config, GG_FINDING_NOTE, "`worker_replication_host` has no effect"));
    gg_config_free(config);
}

/* ---- listeners ---- */

static const struct gg_listener *first(const struct gg_config *config)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(config, &n);

    assert_true(n > 0);
    return listeners;
}

static void test_listener_fields(void **state)
{
    struct gg_config *config =
        load(MINIMAL "listeners:\n"
                     "- {type: http, port: 8008, x_forwarded: true, tag: front, request_id_header: X-Id,\n"
                     "   bind_address: a, bind_addresses: [b, c], resources: [{names: [client], compress: true}, "
                     "{names: [federation]}]}\n"
                     "- {type: http, path: /run/s, mode: 0660, resources: [{names: [client]}]}\n"
                     "- {type: metrics, port: 9000}\n"
                     "- {type: manhole, port: 9001, bind_addresses: ['127.0.0.1']}\n");
    const struct gg_listener *l = first(config);

    assert_int_equal(l[0].port, 8008);
    assert_int_equal(l[0].n_addresses, 3);
    assert_string_equal(l[0].addresses[2], "a");
    assert_true(l[0].x_forwarded && l[0].compress && !l[0].tls && !l[0].default_addresses);
    assert_string_equal(l[0].tag, "front");
    assert_string_equal(l[0].request_id_header, "X-Id");
    assert_int_equal(l[0].n_resources, 2);
    assert_string_equal(l[1].path, "/run/s");
    assert_int_equal(l[1].mode, 0660);
    assert_true(l[1].x_forwarded);
    assert_string_equal(l[1].tag, "unix");
    assert_int_equal(l[1].n_addresses, 0);
    assert_int_equal(l[2].type, GG_LISTENER_METRICS);
    assert_true(gg_listener_has(&l[2], "metrics"));
    assert_string_equal(l[2].addresses[0], "0.0.0.0");
    assert_int_equal(l[3].type, GG_LISTENER_MANHOLE);
    gg_config_free(config);
}

static void test_listener_mistakes(void **state)
{
    assert_refused(MINIMAL "listeners: [{port: 1}]\n", "`type` is missing");
    assert_refused(MINIMAL "listeners: [{type: ftp, port: 1}]\n", "`type` must be http, metrics or manhole, not `ftp`");
    assert_refused(MINIMAL "listeners: [{type: replication, port: 1}]\n",
                   "the listener type replication (TCP replication of old) is no longer supported");
    assert_refused(MINIMAL "listeners: [{type: http}]\n", "a listener needs `port` or `path`");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1, path: /s}]\n", "either `port` or `path`, not both");
    assert_refused(MINIMAL "listeners: [{type: metrics, path: /s}]\n",
                   "only a listener of type http can have a `path`");
    assert_refused(MINIMAL "listeners: [{type: http, port: 70000}]\n", "must be a port from 1 to 65535");
    assert_refused(MINIMAL "listeners: [{type: http, port: '80'}]\n", "must be a port from 1 to 65535");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1, resources: [{names: [klient]}]}]\n",
                   "`klient` is no listener resource; there are client, consent, federation, health, keys, media, "
                   "metrics, openid, replication, static");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1, tls: true}]\n",
                   "needs `tls_certificate_path` and `tls_private_key_path`");
    assert_refused(MINIMAL "tls_certificate_path: /nowhere/c\ntls_private_key_path: /dev/null\n"
                           "listeners: [{type: http, port: 1, tls: true}]\n",
                   "`tls_certificate_path`: there is no file /nowhere/c");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1, additional_resources: {/x: {module: m}}}]\n",
                   "`additional_resources` cannot be used");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1, bind_addresses: x}]\n",
                   "`bind_addresses` must be a list of texts");
    assert_refused(MINIMAL "listeners: [{type: http, port: 1}, {type: http, port: 1}]\n",
                   "port 1 is already taken by the listener at text:4:13");
    assert_refused(MINIMAL "listeners: {type: http}\n", "`listeners` must be a list, not a map");
    struct gg_config *config = load(MINIMAL "listeners: [{type: http, port: 1, x_forwaded: true}]\n");
    assert_true(
        has_finding(config, GG_FINDING_WARNING, "unknown key `x_forwaded` in a listener; did you mean `x_forwarded`?"));
    gg_config_free(config);
}

static void test_listeners_of_old(void **state)
{
    struct gg_config *config = load(MINIMAL "bind_port: 8448\nbind_host: 10.0.0.1\ntls_certificate_path: "
                                            "/dev/null\ntls_private_key_path: /dev/null\nmanhole: 9000\nmetrics_port: 9101\n"
                                            "listeners: [{type: http, port: 1}]\n");
    size_t n;
    const struct gg_listener *l = gg_topology_listeners(config, &n);

    assert_int_equal(n, 4);
    assert_int_equal(l[0].port, 8448);
    assert_true(l[0].tls && gg_listener_has(&l[0], "client") && gg_listener_has(&l[0], "federation"));
    assert_string_equal(l[0].addresses[0], "10.0.0.1");
    assert_int_equal(l[1].port, 8048);
    assert_false(l[1].tls);
    assert_int_equal(l[2].port, 9101);
    assert_string_equal(l[2].addresses[0], "127.0.0.1");
    assert_int_equal(l[3].type, GG_LISTENER_MANHOLE);
    gg_config_free(config);
    config = load(MINIMAL "no_tls: true\nlisteners: [{type: http, port: 1, tls: true}, {type: http, port: 2}]\n");
    l = gg_topology_listeners(config, &n);
    assert_int_equal(n, 1);
    assert_int_equal(l[0].port, 2);
    gg_config_free(config);
}

#define REPLICATION(rest_)                                                                                             \
    MINIMAL "listeners: [{type: http, port: 9093, " rest_ "resources: [{names: [replication]}]}]\n"

static void test_replication_safety(void **state)
{
    struct gg_config *config = load(REPLICATION(""));

    assert_int_equal(first(config)->n_addresses, 1);
    assert_string_equal(first(config)->addresses[0], "127.0.0.1");
    assert_true(has_finding(config, GG_FINDING_WARNING,
                            "neither an address nor a `worker_replication_secret`: it is bound to 127.0.0.1 only"));
    gg_config_free(config);
    config = load(REPLICATION("") "worker_replication_secret: s\n");
    assert_int_equal(first(config)->n_addresses, 2);
    gg_config_free(config);
    config = load(REPLICATION("bind_addresses: ['::1', localhost, 127.1.2.3], "));
    assert_false(has_finding(config, GG_FINDING_WARNING, "replication listener"));
    gg_config_free(config);
    config = load(REPLICATION("bind_addresses: [10.1.2.3, 172.31.0.1, 192.168.0.1, 'fd00::1'], "));
    assert_true(has_finding(config, GG_FINDING_WARNING, "on 10.1.2.3 port 9093 has no `worker_replication_secret`"));
    assert_true(has_finding(config, GG_FINDING_WARNING, "on fd00::1 port 9093"));
    gg_config_free(config);
    assert_refused(REPLICATION("bind_addresses: ['0.0.0.0'], "), "on `0.0.0.0` port 9093 would be open to everybody");
    assert_refused(REPLICATION("bind_addresses: ['::'], "), "would be open to everybody");
    assert_refused(REPLICATION("bind_addresses: [''], "), "would be open to everybody");
    assert_refused(REPLICATION("bind_addresses: [172.32.0.1], "), "would be open to everybody");
    assert_refused(REPLICATION("bind_addresses: ['::ffff:8.8.8.8'], "), "would be open to everybody");
    assert_refused(REPLICATION("bind_addresses: [worker.example], "), "would be open to everybody");
    config = load(REPLICATION("bind_addresses: ['0.0.0.0'], ") "ganglion: {insecure_replication_listener: true}\n");
    assert_true(has_finding(config, GG_FINDING_WARNING,
                            "is open to everybody, as `ganglion.insecure_replication_listener` allows"));
    gg_config_free(config);
    config = load(MINIMAL "listeners: [{type: http, path: /s, resources: [{names: [replication]}]}]\n");
    gg_config_free(config);
}

/* ---- services ---- */

static void test_redis(void **state)
{
    struct gg_config *config = load(
        MINIMAL
        "redis: {enabled: true, host: r, port: 7, dbid: 3, username: u, password: p, use_tls: true, ca_file: c}\n");
    const struct gg_redis_options *redis = gg_topology_redis(config);

    assert_true(redis->enabled && redis->tls);
    assert_string_equal(redis->host, "r");
    assert_int_equal(redis->port, 7);
    assert_int_equal(redis->dbid, 3);
    assert_string_equal(redis->password, "p");
    gg_config_free(config);
    config = load(MINIMAL "redis: {enabled: true, path: /r, use_tls: true}\n");
    redis = gg_topology_redis(config);
    assert_null(redis->host);
    assert_string_equal(redis->path, "/r");
    assert_false(redis->tls);
    assert_int_equal(redis->dbid, -1);
    gg_config_free(config);
    assert_refused(MINIMAL "redis: {username: u}\n", "`redis.username` needs `redis.password`");
    assert_refused(MINIMAL "redis: {port: 0}\n", "`redis.port` must be a port");
}

#define HEAD "server_name: a\nreport_stats: no\n"

static void test_database(void **state)
{
    struct gg_config *config = load(HEAD "database: {name: psycopg2, args: {database: \"a'b\\\\\", host: h, port: "
                                         "5433, password: 123, cp_min: 5, cp_max: 20, "
                                         "sslmode: null}, allow_unsafe_locale: true}\n");
    const struct gg_db_options *db = gg_topology_database(config);

    assert_string_equal(db->conninfo, "dbname='a\\'b\\\\' host='h' port='5433' password='123'");
    assert_int_equal(db->max_connections, 20);
    assert_int_equal(db->statement_timeout_ms, 600000);
    assert_int_equal(db->lanes, 2);
    assert_string_equal(db->application_name, "master");
    assert_true(gg_topology_unsafe_locale(config));
    gg_config_free(config);
    config = load(HEAD "databases: {main: {name: psycopg2, args: {dbname: x}, statement_timeout: null, data_stores: "
                       "[main, state]}}\n");
    assert_int_equal(gg_topology_database(config)->statement_timeout_ms, 0);
    gg_config_free(config);
    assert_refused(MINIMAL "ganglion: {database_lanes: 0}\n", "`ganglion.database_lanes` must be from 1 to 64");
    assert_refused(MINIMAL "ip_range_blacklist: ['10.0.0.0/33']\n", "`10.0.0.0/33` is no range of addresses");
    assert_refused(MINIMAL "ip_range_whitelist: [host]\n", "`host` is no range of addresses");
    assert_refused(HEAD "database: {name: sqlite3}\n", "SQLite is not supported");
    assert_refused(HEAD "database: {args: {database: x}}\n", "SQLite is not supported");
    assert_refused(HEAD "database: {name: mysql}\n", "unsupported database type `mysql`");
    assert_refused(HEAD DATABASE "databases: {}\n", "`database` and `databases` cannot both be given");
    assert_refused(HEAD "databases: {a: {name: psycopg2}, b: {name: psycopg2}}\n", "more than one database");
    assert_refused(HEAD "database: {name: psycopg2, args: {pasword: x}}\n",
                   "`database.args.pasword` is no connection option; did you mean `password`?");
    assert_refused(HEAD "database: {name: psycopg2, args: {cp_max: lots}}\n", "`database.args.cp_max` must be");
    assert_refused(HEAD "database: {name: psycopg2, statement_timeout: 1m}\n", "must be milliseconds or null");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_duties),
        cmocka_unit_test(test_single_duties),
        cmocka_unit_test(test_media),
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_workers),
        cmocka_unit_test(test_listener_fields),
        cmocka_unit_test(test_listener_mistakes),
        cmocka_unit_test(test_listeners_of_old),
        cmocka_unit_test(test_replication_safety),
        cmocka_unit_test(test_redis),
        cmocka_unit_test(test_database),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
