/* updates.c: works off background updates that only make an index (facts database 3.1, schema-background-updates.tsv). */
#include "jobs/updates.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "storage/admin/ask.h"

static struct gg_logger logger = {"ganglion.updates"};

static const struct mx_index_update *find(struct gg_str name)
{
    for (const struct mx_index_update *u = mx_index_updates; u->update; u++)
        if (gg_str_is(name, u->update))
            return u;
    return NULL;
}

/* An index that was begun and not finished is there, and of no use. */
static int index_state(struct mx_server *server, const char *index, bool *there, bool *valid, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT i.indisvalid FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relname = $1 AND "
        "pg_table_is_visible(c.oid)",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_text(index)), arena, &rows, err);
    *there = !status && gg_rows_count(rows) > 0;
    *valid = *there && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

static int drop(struct mx_server *server, const char *index, struct gg_error *err)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "DROP INDEX CONCURRENTLY IF EXISTS %s", index); /* from our own table of names */
    return gg_db_script(server->db, sql, err);
}

static int carry_out(struct mx_server *server, const struct mx_index_update *u, struct gg_error *err)
{
    static const struct gg_stmt done = {"DELETE FROM background_updates WHERE update_name = $1", 0};
    bool there, valid;
    gg_info(&logger, "%s: making the index %s", u->update, u->index);
    int status = index_state(server, u->index, &there, &valid, err);
    if (!status && there && !valid)
        status = drop(server, u->index, err);
    if (!status && !valid)
        status = gg_db_script(server->db, u->sql, err);
    if (!status && u->replaces)
        status = drop(server, u->replaces, err);
    return status ? status : mx_admin_do(server, &done, GG_PARAMS(gg_p_text(u->update)), NULL, err);
}

/* The next one whose predecessor is gone; NULL: only what we leave to Synapse. */
static int next_update(struct mx_server *server, const struct mx_index_update **out, size_t *n_left, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT u.update_name FROM background_updates u WHERE NOT EXISTS (SELECT 1 FROM background_updates d WHERE "
        "d.update_name = u.depends_on) ORDER BY u.ordering, u.update_name",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    *out = NULL;
    *n_left = status ? 0 : gg_rows_count(rows);
    for (size_t i = 0; i < *n_left && !*out; i++)
        *out = find(gg_rows_str(rows, i, 0));
    gg_arena_free(arena);
    return status;
}

int mx_job_updates(struct mx_server *server, struct gg_error *err)
{
    struct mx_jobs_part *jobs = server->jobs;
    const struct mx_index_update *next = NULL;
    size_t left = 0;
    int status = 0;
    while (!status && !jobs->updates_paused && !gg_cancelled()) {
        status = next_update(server, &next, &left, err);
        if (status || !next)
            break;
        jobs->update = next->update;
        jobs->update_began = gg_wall_ms();
        status = carry_out(server, next, err);
        jobs->update = NULL;
    }
    if (!status && !next && left && !jobs->told) {
        gg_warn(&logger, "%zu background updates are left to Synapse: start it once on this database", left);
        jobs->told = true;
    }
    return status;
}

int mx_updates_status(const struct mx_server *server, struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err)
{
    const struct mx_jobs_part *jobs = server->jobs;
    const char *enabled = jobs->updates_paused ? "false" : "true";
    char *text = jobs->update
                     ? gg_arena_printf(arena,
                                       "{\"enabled\":%s,\"current_updates\":{\"master\":{\"name\":\"%s\",\"total_item_count\":0,"
                                       "\"total_duration_ms\":%lld,\"average_items_per_ms\":null}}}",
                                       enabled, jobs->update, (long long)(gg_wall_ms() - jobs->update_began))
                     : gg_arena_printf(arena, "{\"enabled\":%s,\"current_updates\":{}}", enabled);
    *json_out = gg_str(text);
    return 0;
}

bool mx_updates_enabled(const struct mx_server *server)
{
    return !server->jobs->updates_paused;
}

void mx_updates_enable(struct mx_server *server, bool enabled)
{
    server->jobs->updates_paused = !enabled;
}
