/* tasks.c: the table scheduled_tasks (facts database 3.1). */
#include "storage/tasks.h"

#define COLUMNS "id, action, status, \"timestamp\", resource_id, params, result, error"

static struct gg_str text(const struct gg_rows *rows, size_t row, int column, struct gg_arena *arena)
{
    struct gg_str s = gg_rows_str(rows, row, column);
    return s.s ? gg_str(gg_arena_strndup(arena, s.s, s.n)) : s;
}

static void take(const struct gg_rows *rows, struct gg_arena *arena, struct mx_task **out, size_t *n_out)
{
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_task, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_task){text(rows, i, 0, arena), text(rows, i, 1, arena), text(rows, i, 2, arena),
                                     gg_rows_i64(rows, i, 3), text(rows, i, 4, arena), text(rows, i, 5, arena),
                                     text(rows, i, 6, arena), text(rows, i, 7, arena)};
}

int mx_tasks_insert(struct mx_server *server, const struct mx_task *task, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO scheduled_tasks (id, action, status, \"timestamp\", resource_id, params) "
        "VALUES ($1, $2, 'scheduled', $3::bigint, $4, $5)",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(task->id), gg_p_str(task->action), gg_p_i64(task->timestamp),
                           gg_p_str(task->resource_id), gg_p_str(task->params)),
                       NULL, NULL, err);
}

int mx_tasks_due(struct mx_server *server, const struct gg_str *actions, size_t n_actions, size_t limit,
                 struct gg_arena *arena, struct mx_task **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT " COLUMNS " FROM scheduled_tasks WHERE action = ANY($1::text[]) AND (status = 'active' OR "
        "(status = 'scheduled' AND \"timestamp\" <= $2::bigint)) ORDER BY status, \"timestamp\" LIMIT $3::bigint",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt,
                            GG_PARAMS(gg_p_texts(actions, n_actions), gg_p_i64(gg_wall_ms()), gg_p_i64((int64_t)limit)),
                            arena, &rows, err);
    if (!status)
        take(rows, arena, out, n_out);
    return status;
}

int mx_tasks_begin(struct mx_server *server, struct gg_str id, bool *begun, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET status = 'active', \"timestamp\" = $2::bigint WHERE id = $1 AND status IN "
        "('scheduled', 'active') RETURNING 1",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(id), gg_p_i64(gg_wall_ms())), arena, &rows, err);
    *begun = !status && gg_rows_count(rows) > 0;
    gg_arena_free(arena);
    return status;
}

int mx_task_progress(struct mx_server *server, struct gg_str id, struct gg_str result, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET result = $2, \"timestamp\" = $3::bigint WHERE id = $1", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(id), gg_p_str(result), gg_p_i64(gg_wall_ms())),
                       NULL, NULL, err);
}

int mx_tasks_end(struct mx_server *server, struct gg_str id, struct gg_str result, const char *failure,
                 struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET status = CASE WHEN $2::text IS NULL THEN 'complete' ELSE 'failed' END, error = $2, "
        "result = COALESCE($3, result), \"timestamp\" = $4::bigint WHERE id = $1 AND status = 'active'",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(id), failure ? gg_p_text(failure) : gg_p_null(), gg_p_str(result),
                           gg_p_i64(gg_wall_ms())),
                       NULL, NULL, err);
}

int mx_tasks_cancel(struct mx_server *server, const char *action, struct gg_str resource_id, struct gg_arena *arena,
                    struct gg_rows **ids_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET status = 'cancelled', \"timestamp\" = $3::bigint WHERE action = $1 AND "
        "resource_id = $2 AND status IN ('scheduled', 'active') RETURNING id",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_text(action), gg_p_str(resource_id), gg_p_i64(gg_wall_ms())), arena, ids_out, err);
}

int mx_task_get(struct mx_server *server, struct gg_str id, struct gg_arena *arena, struct mx_task *out,
                struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT " COLUMNS " FROM scheduled_tasks WHERE id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    struct mx_task *tasks;
    size_t n;
    *out = (struct mx_task){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(id)), arena, &rows, err);
    if (status)
        return status;
    take(rows, arena, &tasks, &n);
    if (n)
        *out = tasks[0];
    return 0;
}

int mx_task_list(struct mx_server *server, const struct mx_task_query *q, struct gg_arena *arena, struct mx_task **out,
                 size_t *n_out, struct gg_error *err)
{
    enum { MOST = 1000 };
    static const struct gg_stmt stmt = {
        "SELECT " COLUMNS " FROM scheduled_tasks WHERE ($1::text IS NULL OR action = $1) AND "
        "($2::text IS NULL OR resource_id = $2) AND ($3::text IS NULL OR status = ANY(string_to_array($3, '|'))) AND "
        "($4::bigint = 0 OR \"timestamp\" <= $4) ORDER BY \"timestamp\" LIMIT $5::bigint",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt,
                            GG_PARAMS(q->action ? gg_p_text(q->action) : gg_p_null(), gg_p_str(q->resource_id),
                                      q->status ? gg_p_text(q->status) : gg_p_null(), gg_p_i64(q->before_ms),
                                      gg_p_i64(q->limit ? (int64_t)q->limit : MOST)),
                            arena, &rows, err);
    if (!status)
        take(rows, arena, out, n_out);
    return status;
}
