/* Runs the migrations of plugins. */
#include "plugin/migrate.h"

#include "plugin/name.h"

#include <ganglion/db.h>
#include <ganglion/log.h>
#include <inttypes.h>

static struct gg_logger logger = {"ganglion.plugin"};

/* Any number, the same in every process: the ASCII of "ganglion". */
#define LOCK_KEY 0x67616e676c696f6eLL
#define OUTER "$ganglion_migrate$"
#define INNER "$ganglion_script$"

/* The host's own schema is not called "ganglion": a database role often is, and PostgreSQL then looks into it before
 * "public", where Synapse would miss its tables and make them anew. Plugins' schemas begin with "ganglion_". */
static const char set_up[] =
    "BEGIN;\n"
    "SELECT pg_advisory_xact_lock(%" PRId64 ");\n"
    "CREATE SCHEMA IF NOT EXISTS host_ganglion;\n"
    "CREATE TABLE IF NOT EXISTS host_ganglion.plugin_migrations (plugin text NOT NULL, version integer NOT NULL,\n"
    "    schema_name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (plugin, version));\n"
    "CREATE SCHEMA IF NOT EXISTS \"%s\";\n"
    /* A role of that name would have the schema before the shared tables in its search path ("$user"), and Synapse would
     * look for its own in it. */
    "DO $$ BEGIN IF current_user IN ('ganglion', '%s') THEN\n"
    "    EXECUTE format('ALTER ROLE CURRENT_USER IN DATABASE %%I SET search_path TO public', current_database());\n"
    "END IF; END $$;\n"
    "SET LOCAL search_path TO \"%s\", public;\n";

static const char apply[] =
    "DO " OUTER "\n"
    "BEGIN\n"
    "    IF EXISTS (SELECT FROM host_ganglion.plugin_migrations WHERE schema_name = '%s' AND plugin <> '%s') THEN\n"
    "        RAISE EXCEPTION 'the schema %s belongs to another plugin';\n"
    "    END IF;\n"
    "    IF NOT EXISTS (SELECT FROM host_ganglion.plugin_migrations WHERE plugin = '%s' AND version = %u) THEN\n"
    "        EXECUTE " INNER "%s" INNER ";\n"
    "        INSERT INTO host_ganglion.plugin_migrations (plugin, version, schema_name) VALUES ('%s', %u, '%s');\n"
    "    END IF;\n"
    "END " OUTER ";\n"
    "COMMIT;\n";

int gg_migration_script(const char *plugin, const struct gg_migration *migration, struct gg_buf *out,
                        struct gg_error *err)
{
    char schema[GG_ROLE_MAX + 16];
    if (strstr(migration->sql, INNER) != NULL || strstr(migration->sql, OUTER) != NULL)
        return gg_fail(err, GG_E_INVALID, "migration %u of %s uses a quoting tag of the host", migration->version,
                       plugin);
    gg_role_schema(plugin, schema, sizeof(schema)); /* letters, digits, '_': and so needs no escaping */
    gg_buf_printf(out, set_up, (int64_t)LOCK_KEY, schema, schema, schema);
    gg_buf_printf(out, apply, schema, plugin, schema, plugin, migration->version, migration->sql, plugin,
                  migration->version, schema);
    return 0;
}

/* The highest version that has run; 0: none. Read first, so that a start with nothing to do takes no lock. */
static int applied(struct gg_db *db, const char *plugin, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt has_table = {"SELECT to_regclass('host_ganglion.plugin_migrations') IS NOT NULL",
                                             GG_LANE_POINT};
    static const struct gg_stmt highest = {
        "SELECT coalesce(max(version), 0)::bigint FROM host_ganglion.plugin_migrations WHERE plugin = $1::text",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    *out = 0;
    int rc = gg_db_read(db, &has_table, GG_NO_PARAMS, arena, &rows, err);
    if (rc == 0 && gg_rows_bool(rows, 0, 0)) {
        rc = gg_db_read(db, &highest, GG_PARAMS(gg_p_text(plugin)), arena, &rows, err);
        *out = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    }
    gg_arena_free(arena);
    return rc;
}

static int migrate_role(struct gg_db *db, const struct gg_role *role, struct gg_error *err)
{
    int64_t done;
    if (role->migrations->version == 0)
        return 0;
    int rc = applied(db, role->desc.name, &done, err);
    for (const struct gg_migration *m = role->migrations; rc == 0 && m->version != 0; m++) {
        struct gg_buf script = GG_BUF_INIT;
        if ((int64_t)m->version <= done)
            continue;
        gg_info(&logger, "running migration %u of %s", m->version, role->desc.name);
        rc = gg_migration_script(role->desc.name, m, &script, err);
        if (rc == 0)
            rc = gg_db_script(db, script.data, err);
        if (rc < 0)
            gg_error_prefix(err, "migration %u of %s failed", m->version, role->desc.name);
        gg_buf_done(&script);
    }
    return rc;
}

int gg_plugins_migrate(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < plugins->n; i++)
        rc = migrate_role(gg_host_db(host), plugins->roles[i], err);
    return rc;
}
