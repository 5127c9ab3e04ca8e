/* updates.c: works off background updates, one after the other (facts database 3.1, schema-background-updates.tsv). */
#include "jobs/updates.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "storage/admin/ask.h"
#include "updates/updates.h"

static struct gg_logger logger = {"ganglion.updates"};

/* One of both. */
struct found {
    const struct mx_index_update *index;
    const struct mx_data_update *data;
};

static struct found find(const struct mx_server *server, struct gg_str name)
{
    struct found found = {NULL, NULL};
    for (const struct mx_index_update *u = mx_index_updates; u->update; u++)
        if (gg_str_is(name, u->update))
            found.index = u;
    for (const struct mx_data_update *u = mx_data_updates; u->name; u++)
        if (gg_str_is(name, u->name) && (u->may == NULL || u->may(server)))
            found.data = u;
    return found;
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
static int next_update(struct mx_server *server, struct found *out, size_t *n_left, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT u.update_name FROM background_updates u WHERE NOT EXISTS (SELECT 1 FROM background_updates d WHERE "
        "d.update_name = u.depends_on) ORDER BY u.ordering, u.update_name",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    *out = (struct found){NULL, NULL};
    *n_left = status ? 0 : gg_rows_count(rows);
    for (size_t i = 0; i < *n_left && !out->index && !out->data; i++)
        *out = find(server, gg_rows_str(rows, i, 0));
    gg_arena_free(arena);
    return status;
}

static int run(struct mx_server *server, const struct found *next, struct gg_error *err)
{
    struct mx_jobs_part *jobs = server->jobs;
    struct mx_update_report report = {0};
    jobs->update = next->index ? next->index->update : next->data->name;
    jobs->update_began = gg_wall_ms();
    jobs->update_report = &report;
    int status = next->index ? carry_out(server, next->index, err)
                             : mx_data_update_run(server, next->data, &jobs->updates_paused, &report, err);
    jobs->update = NULL;
    jobs->update_report = NULL;
    return status;
}

int mx_job_updates(struct mx_server *server, struct gg_error *err)
{
    struct mx_jobs_part *jobs = server->jobs;
    struct found next = {NULL, NULL};
    size_t left = 0;
    int status = 0;
    if (jobs->updating)
        return 0;
    jobs->updating = true;
    while (!status && !jobs->updates_paused && !gg_cancelled()) {
        status = next_update(server, &next, &left, err);
        if (status || (!next.index && !next.data))
            break;
        status = run(server, &next, err);
    }
    jobs->updating = false;
    if (!status && !next.index && !next.data && left && !jobs->told) {
        gg_warn(&logger, "%zu background updates are left to Synapse: start it once on this database", left);
        jobs->told = true;
    }
    return status;
}

static void run_now(void *arg)
{
    struct gg_error err = GG_ERROR_INIT;
    if (mx_job_updates(arg, &err) < 0 && !gg_cancelled())
        gg_warn(&logger, "background updates: %s", err.message);
}

/* Where the background work is done by another process, that one looks within the minute. */
static void wake(struct mx_server *server)
{
    if (gg_host_runs_background(server->host) && server->jobs->scope != NULL)
        (void)gg_spawn(server->jobs->scope, "background updates", run_now, server);
}

int mx_updates_queue(struct mx_server *server, const struct mx_wanted_update *wanted, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *names = GG_NEW_ARRAY(arena, struct gg_str, n), *after = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++) {
        names[i] = gg_str(wanted[i].name);
        after[i] = gg_str(wanted[i].depends_on != NULL ? wanted[i].depends_on : "");
    }
    static const struct gg_stmt insert = {
        "INSERT INTO background_updates (update_name, progress_json, depends_on) SELECT n, '{}', NULLIF(d, '')"
        " FROM unnest($1::text[], $2::text[]) u(n, d)",
        0};
    int status = gg_db_write(server->db, &insert, GG_PARAMS(gg_p_texts(names, n), gg_p_texts(after, n)), NULL, NULL, err);
    if (status && strcmp(gg_db_sqlstate(), "23505") == 0)
        status = gg_refuse(err, 400, "M_UNKNOWN", "Job %s is already in queue of background updates.", wanted->name);
    gg_arena_free(arena);
    if (!status)
        wake(server);
    return status;
}

int mx_updates_status(const struct mx_server *server, struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err)
{
    const struct mx_jobs_part *jobs = server->jobs;
    const char *enabled = jobs->updates_paused ? "false" : "true";
    const struct mx_update_report none = {0}, *report = jobs->update_report ? jobs->update_report : &none;
    const char *average = report->items > 0 && report->spent_ms > 0
                              ? gg_arena_printf(arena, "%.6f", (double)report->items / (double)report->spent_ms)
                              : "null";
    char *text = jobs->update
                     ? gg_arena_printf(arena,
                                       "{\"enabled\":%s,\"current_updates\":{\"master\":{\"name\":\"%s\",\"total_item_count\":%lld,"
                                       "\"total_duration_ms\":%lld,\"average_items_per_ms\":%s}}}",
                                       enabled, jobs->update, (long long)report->items,
                                       (long long)(gg_wall_ms() - jobs->update_began), average)
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
    if (enabled)
        wake(server);
}
