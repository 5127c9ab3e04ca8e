/* schema_db.h: a database of one's own with the whole schema, for tests that need one. Reads GANGLION_TEST_PG. */
#ifndef TESTS_UNIT_SCHEMA_DB_H
#define TESTS_UNIT_SCHEMA_DB_H

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "schema/schema.h"

struct schema_db {
    PGconn *admin, *db; /* NULL: there is no server, skip() */
    char name[64];
    char conninfo[600]; /* of the database, for gg_db_new */
};

static inline PGconn *schema_db_connect(const char *dbname)
{
    const char *keys[] = {"dbname", "dbname", "options", NULL};
    const char *values[] = {getenv("GANGLION_TEST_PG"), dbname, "-c client_min_messages=warning", NULL};
    PGconn *conn = PQconnectdbParams(keys, values, 1);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s", PQerrorMessage(conn));
    return conn;
}

static inline PGresult *schema_db_run(PGconn *conn, const char *sql)
{
    PGresult *res = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(res);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s\nin: %.200s", PQerrorMessage(conn), sql);
    return res;
}

/* The first value of the first row; "none" without rows. Valid until the next call. */
static inline const char *schema_db_value(PGconn *conn, const char *sql)
{
    static char value[2000];
    PGresult *res = schema_db_run(conn, sql);
    snprintf(value, sizeof value, "%s", PQntuples(res) ? PQgetvalue(res, 0, 0) : "none");
    PQclear(res);
    return value;
}

static inline void schema_db_make_empty(struct schema_db *d, const char *prefix, const char *locale)
{
    char sql[256];
    if (!getenv("GANGLION_TEST_PG")) {
        if (getenv("GANGLION_TEST_REQUIRE"))
            fail_msg("GANGLION_TEST_PG is not set");
        print_message("skipped: GANGLION_TEST_PG is not set\n");
        return;
    }
    d->admin = schema_db_connect(NULL);
    snprintf(d->name, sizeof d->name, "%s_%d", prefix, (int)getpid());
    snprintf(d->conninfo, sizeof d->conninfo, "%s dbname=%s", getenv("GANGLION_TEST_PG"), d->name);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s ENCODING 'UTF8' LC_COLLATE '%s' LC_CTYPE '%s' TEMPLATE template0",
             d->name, locale, locale);
    PQclear(schema_db_run(d->admin, sql));
    d->db = schema_db_connect(d->name);
}

static inline void schema_db_make(struct schema_db *d, const char *prefix)
{
    schema_db_make_empty(d, prefix, "C");
    for (const struct mx_schema_file *file = mx_schema_files; d->db && file->name; file++)
        PQclear(schema_db_run(d->db, file->sql));
}

static inline void schema_db_drop(struct schema_db *d)
{
    char sql[256];
    if (!d->admin)
        return;
    PQfinish(d->db);
    snprintf(sql, sizeof sql, "DROP DATABASE %s WITH (FORCE)", d->name);
    PQclear(schema_db_run(d->admin, sql));
    PQfinish(d->admin);
}

#endif
