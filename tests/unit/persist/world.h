/* world.h: a database with the whole schema and a process around it: configuration, host, streams, the Matrix library.
 * Include after cmocka. */
#ifndef TEST_PERSIST_WORLD_H
#define TEST_PERSIST_WORLD_H

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ganglion/db.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/persist.h>
#include <ganglion/matrix/store.h>

#include "client/client.h"
#include "config/config.h"
#include "main/host.h"
#include "repl/ids.h"
#include "schema/schema.h"

#define WORLD_CONFIG                                                                                                   \
    "server_name: test.local\nreport_stats: false\ndatabase: {name: psycopg2, args: {dbname: x}}\n"                    \
    "signing_key: \"ed25519 a_test AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"\n"

struct world {
    char database[64], conninfo[512];
    PGconn *admin, *db; /* blocking, for looking at what was written */
    struct gg_config *config;
    struct gg_host *host;
    struct mx_server *server;
    int through; /* port of a proxy before the database; 0: none */
};

extern const struct gg_config_key mx_config_keys[];
static struct world world;

static inline PGconn *world_connect(const char *dbname)
{
    const char *keys[] = {"dbname", "dbname", "options", NULL};
    const char *values[] = {getenv("GANGLION_TEST_PG"), dbname, "-c client_min_messages=warning", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static inline PGresult *world_run(const char *sql)
{
    PGresult *res = PQexec(world.db, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s\nin: %.300s", PQerrorMessage(world.db), sql);
    return res;
}

static inline void world_do(const char *sql)
{
    PQclear(world_run(sql));
}

static inline int64_t world_number(const char *sql)
{
    PGresult *res = world_run(sql);
    int64_t n = PQntuples(res) ? strtoll(PQgetvalue(res, 0, 0), NULL, 10) : -1;
    PQclear(res);
    return n;
}

static inline int world_up(void **state)
{
    if (!getenv("GANGLION_TEST_PG")) {
        if (getenv("GANGLION_TEST_REQUIRE"))
            fail_msg("GANGLION_TEST_PG is not set");
        print_message("skipped: GANGLION_TEST_PG is not set\n");
        return 0;
    }
    world.admin = world_connect(NULL);
    snprintf(world.database, sizeof(world.database), "persist_test_%d", (int)getpid());
    char sql[200];
    snprintf(sql, sizeof(sql), "CREATE DATABASE %s ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
             world.database);
    PQclear(PQexec(world.admin, sql));
    snprintf(world.conninfo, sizeof(world.conninfo), "%s dbname=%s", getenv("GANGLION_TEST_PG"), world.database);
    world.db = world_connect(world.database);
    for (const struct mx_schema_file *file = mx_schema_files; file->name; file++)
        world_do(file->sql);
    return 0;
}

static inline int world_down(void **state)
{
    char sql[200];
    if (!world.admin)
        return 0;
    PQfinish(world.db);
    snprintf(sql, sizeof(sql), "DROP DATABASE %s WITH (FORCE)", world.database);
    PQclear(PQexec(world.admin, sql));
    PQfinish(world.admin);
    return 0;
}

/* The process starts; more: further lines of configuration. From a fiber. */
static inline void world_start(const char *more)
{
    struct gg_error err = GG_ERROR_INIT;
    char text[4096], conninfo[600];
    snprintf(conninfo, sizeof(conninfo), "%s", world.conninfo);
    if (world.through)
        snprintf(conninfo, sizeof(conninfo), "%s host=127.0.0.1 port=%d", world.conninfo, world.through);
    snprintf(text, sizeof(text), "%s%s", WORLD_CONFIG, more ? more : "");
    if (gg_config_load_text(text, (const struct gg_config_key *const[]){mx_config_keys, NULL}, &world.config, &err))
        fail_msg("config: %s", err.message);
    world.host = gg_host_new(world.config, NULL, NULL);
    world.host->scope = gg_scope_new(NULL, "host");
    world.host->db = gg_db_new(&(struct gg_db_options){.conninfo = conninfo, .application_name = "test"});
    if (mx_server_attach(world.host, &world.server, &err))
        fail_msg("attach: %s", err.message);
    if (gg_streams_load(gg_streams_of(world.host), world.host->db, &err))
        fail_msg("streams: %s", err.message);
    if (gg_host_start_services(world.host, &err))
        fail_msg("start: %s", err.message);
}

static inline void world_stop(void)
{
    gg_client_stop(world.host); /* nobody asks any more */
    gg_host_stop_services(world.host);
    gg_streams_stop(gg_streams_of(world.host));
    gg_scope_end(world.host->scope);
    gg_db_free(world.host->db);
    gg_repl_free(world.host);
    gg_host_free(world.host);
    gg_config_free(world.config);
    world.host = NULL;
}

#define WORLD_TEST(name_)                                                                                              \
    static void body_##name_(void *arg);                                                                               \
    static void test_##name_(void **state)                                                                             \
    {                                                                                                                  \
        if (!world.admin)                                                                                              \
            skip();                                                                                                    \
        assert_int_equal(gg_loop_run(NULL, body_##name_, NULL), 0);                                                    \
    }                                                                                                                  \
    static void body_##name_(void *arg)

#endif
