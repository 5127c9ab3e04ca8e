/* schema.c: may this database be used? Creates the schema in an empty one (main process only); facts database 1. */
#include "schema/schema.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/server.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.schema"};

#define OLDEST_SERVER 140000
#define SYNAPSE_RELEASE "1.163.2" /* the release whose schema is MX_SCHEMA_VERSION */

static bool unsafe_locale_allowed(const struct gg_config *config)
{
    const struct gg_node *database = gg_config_node(config, "database");
    const struct gg_node *allowed = database ? gg_node_get(database, "allow_unsafe_locale") : NULL;
    return allowed && gg_node_kind(allowed) == GG_NODE_BOOL && gg_node_bool(allowed);
}

/* What the server says of itself and of the database. */
static int check_database(struct mx_server *server, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'), "
        "datcollate::text, datctype::text FROM pg_database WHERE datname = current_database()",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (status)
        return status;
    int64_t version = gg_rows_i64(rows, 0, 0);
    if (version < OLDEST_SERVER)
        return gg_fail(err, GG_E_INVALID, "PostgreSQL 14 or newer is needed, this is %d.%d", (int)(version / 10000),
                       (int)(version % 10000));
    struct gg_str encoding = gg_rows_str(rows, 0, 1), collate = gg_rows_str(rows, 0, 2),
                  ctype = gg_rows_str(rows, 0, 3);
    if (!gg_str_is(encoding, "UTF8"))
        return gg_fail(err, GG_E_INVALID, "the database has encoding %.*s, it must be UTF8", GG_FMT(encoding));
    if ((gg_str_is(collate, "C") && gg_str_is(ctype, "C")) || unsafe_locale_allowed(server->config))
        return 0;
    return gg_fail(err, GG_E_INVALID,
                   "the database has collation %.*s and character type %.*s, both must be C: create it with "
                   "LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
                   GG_FMT(collate), GG_FMT(ctype));
}

/* *version_out 0: there is no schema yet. */
static int read_version(struct mx_server *server, struct gg_arena *arena, int64_t *version_out, bool *upgraded_out,
                        struct gg_error *err)
{
    static const struct gg_stmt exists = {"SELECT to_regclass('schema_version') IS NOT NULL", GG_LANE_POINT};
    static const struct gg_stmt version = {"SELECT version, upgraded FROM schema_version", GG_LANE_POINT};
    struct gg_rows *rows;
    *version_out = 0;
    int status = gg_db_read(server->db, &exists, GG_NO_PARAMS, arena, &rows, err);
    if (status || !gg_rows_bool(rows, 0, 0))
        return status;
    if ((status = gg_db_read(server->db, &version, GG_NO_PARAMS, arena, &rows, err)))
        return status;
    if (gg_rows_count(rows)) {
        *version_out = gg_rows_i64(rows, 0, 0);
        *upgraded_out = gg_rows_bool(rows, 0, 1);
    }
    return 0;
}

static size_t count_files(void)
{
    size_t n = 0;
    while (mx_schema_files[n].name)
        n++;
    return n;
}

/* All of it in one transaction, under a lock that a second creator waits for (and then fails harmlessly). */
static int create(struct mx_server *server, struct gg_error *err)
{
    gg_info(&logger, "the database is empty: creating the schema (version %d, %zu parts)", MX_SCHEMA_VERSION,
            count_files());
    int64_t begun = gg_now_ms();
    struct gg_buf script = GG_BUF_INIT;
    gg_buf_lit(&script, "BEGIN;\nSELECT pg_advisory_xact_lock(hashtext('ganglion'), hashtext('schema'));\n");
    for (const struct mx_schema_file *file = mx_schema_files; file->name; file++) {
        gg_debug(&logger, "part %s", file->name);
        gg_buf_text(&script, file->sql);
    }
    gg_buf_lit(&script, "COMMIT;\n");
    int status = gg_db_script(server->db, script.data, err);
    gg_buf_done(&script);
    if (!status)
        gg_info(&logger, "the schema is ready after %lld ms", (long long)(gg_now_ms() - begun));
    return status;
}

static int create_or_find(struct mx_server *server, struct gg_arena *arena, int64_t *version, bool *upgraded,
                          struct gg_error *err)
{
    if (!gg_host_is_main(server->host))
        return gg_fail(err, GG_E_INVALID, "the database is empty: start the main process first, it makes the schema");
    int status = create(server, err);
    struct gg_error ignored = GG_ERROR_INIT;
    int again = read_version(server, arena, version, upgraded, status ? &ignored : err);
    return *version ? 0 : status ? status : again;
}

/* Missing or old: every process moves it up, so that programs older than we allow for are kept out. */
static int check_compat(struct mx_server *server, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt get = {"SELECT compat_version FROM schema_compat_version", GG_LANE_POINT};
    static const struct gg_stmt set = {"INSERT INTO schema_compat_version (compat_version) VALUES ($1::integer) "
                                       "ON CONFLICT (lock) DO UPDATE SET compat_version = EXCLUDED.compat_version",
                                       0};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &get, GG_NO_PARAMS, arena, &rows, err);
    if (status)
        return status;
    int64_t compat = gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0;
    if (compat > MX_SCHEMA_VERSION)
        return gg_fail(err, GG_E_INVALID,
                       "the database is too new: only programs of schema version %lld and later "
                       "may use it, this one knows %d",
                       (long long)compat, MX_SCHEMA_VERSION);
    if (compat >= MX_SCHEMA_COMPAT)
        return 0;
    return gg_db_write(server->db, &set, GG_PARAMS(gg_p_i32(MX_SCHEMA_COMPAT)), arena, NULL, err);
}

/* A database that a Synapse upgraded holds every script of its generation; one that lacks some was left half-way. */
static int check_deltas(struct mx_server *server, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT file FROM applied_schema_deltas WHERE version = $1::integer",
                                        GG_LANE_POINT};
    const struct mx_schema_file *deltas = mx_schema_files;
    while (strcmp(deltas->name, "deltas") != 0)
        deltas++;
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i32(MX_SCHEMA_VERSION)), arena, &rows, err);
    if (status)
        return status;
    size_t wanted = 0;
    char prefix[16];
    snprintf(prefix, sizeof prefix, "'%d/", MX_SCHEMA_VERSION);
    for (const char *p = deltas->sql; (p = strstr(p, prefix)); p++)
        wanted++;
    if (gg_rows_count(rows) >= wanted)
        return 0;
    return gg_fail(err, GG_E_INVALID,
                   "an upgrade of the schema to version %d was begun and not finished: start "
                   "Synapse " SYNAPSE_RELEASE " once on it, then come back",
                   MX_SCHEMA_VERSION);
}

static int check_version(struct mx_server *server, struct gg_arena *arena, int64_t version, bool upgraded,
                         struct gg_error *err)
{
    if (version < MX_SCHEMA_VERSION)
        return gg_fail(err, GG_E_INVALID,
                       "the database has schema version %lld, %d is needed: start Synapse " SYNAPSE_RELEASE
                       " once on it, let its background updates end, then come back",
                       (long long)version, MX_SCHEMA_VERSION);
    int status = check_compat(server, arena, err);
    if (status || version > MX_SCHEMA_VERSION || !upgraded)
        return status;
    return check_deltas(server, arena, err);
}

/* One user of another domain proves that this is somebody else's database. */
static int check_domain(struct mx_server *server, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT name FROM users LIMIT 1", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    struct gg_str user = gg_rows_str(rows, 0, 0);
    if (gg_str_is(mx_id_domain(user), server->name))
        return 0;
    return gg_fail(err, GG_E_INVALID, "the database holds the users of another server (%.*s), server_name is %s",
                   GG_FMT(user), server->name);
}

/* What Synapse's background updates still owe: indexes that our queries count on may be missing. */
static int warn_of_updates(struct mx_server *server, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT count(*), min(update_name) FROM background_updates", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (!status && gg_rows_i64(rows, 0, 0))
        gg_warn(&logger, "%lld background updates of Synapse are not finished (%.*s, ...): those that make an index are "
                         "carried out in the background, let Synapse end the others",
                (long long)gg_rows_i64(rows, 0, 0), GG_FMT(gg_rows_str(rows, 0, 1)));
    return status;
}

int mx_schema_prepare(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int64_t version = 0;
    bool upgraded = false;
    int status = check_database(server, arena, err);
    if (!status)
        status = read_version(server, arena, &version, &upgraded, err);
    if (!status && !version)
        status = create_or_find(server, arena, &version, &upgraded, err);
    if (!status)
        status = check_version(server, arena, version, upgraded, err);
    if (!status)
        status = check_domain(server, arena, err);
    if (!status)
        status = mx_schema_check_sequences(server, err);
    if (!status)
        status = warn_of_updates(server, arena, err);
    gg_arena_free(arena);
    return status;
}
