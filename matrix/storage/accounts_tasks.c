/* accounts_tasks.c: tasks that tell rooms of a changed profile (facts database 3.1, 4.15). */
#include "storage/accounts_tasks.h"

#define ACTION "'update_join_states'"

int mx_tasks_insert(struct mx_server *server, const char *id, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH replaced AS (UPDATE scheduled_tasks SET status = 'cancelled', \"timestamp\" = $3::bigint WHERE "
        "action = " ACTION " AND resource_id = $2 AND status = 'scheduled') "
        "INSERT INTO scheduled_tasks (id, action, status, \"timestamp\", resource_id, params) "
        "VALUES ($1, " ACTION ", 'scheduled', $3::bigint, $2, "
        "'{\"requester_authenticated_entity\":' || to_json($2::text)::text || '}')",
        0};
    struct gg_arena *arena = gg_arena_new();
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_text(id), gg_p_str(user_id), gg_p_i64(gg_wall_ms())),
                             arena, NULL, err);
    gg_arena_free(arena);
    return status;
}

int mx_tasks_claim(struct mx_server *server, struct gg_arena *arena, struct mx_task *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET status = 'active', \"timestamp\" = $1::bigint WHERE id = (SELECT id FROM "
        "scheduled_tasks WHERE action = " ACTION " AND resource_id IS NOT NULL AND (status = 'active' OR "
        "(status = 'scheduled' AND \"timestamp\" <= $1::bigint)) ORDER BY status, \"timestamp\" LIMIT 1) "
        "RETURNING id, resource_id, result::json ->> 'last_room_id'",
        0};
    struct gg_rows *rows;
    *out = (struct mx_task){0};
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(gg_wall_ms())), arena, &rows, err);
    if (!status && gg_rows_count(rows))
        *out = (struct mx_task){gg_rows_str(rows, 0, 0), gg_rows_str(rows, 0, 1), gg_rows_str(rows, 0, 2)};
    return status;
}

int mx_tasks_progress(struct mx_server *server, struct gg_str id, struct gg_str room_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET result = '{\"last_room_id\":' || to_json($2::text)::text || '}', "
        "\"timestamp\" = $3::bigint WHERE id = $1",
        0};
    struct gg_arena *arena = gg_arena_new();
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(id), gg_p_str(room_id), gg_p_i64(gg_wall_ms())),
                             arena, NULL, err);
    gg_arena_free(arena);
    return status;
}

int mx_tasks_end(struct mx_server *server, struct gg_str id, const char *failure, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE scheduled_tasks SET status = CASE WHEN $2::text IS NULL THEN 'complete' ELSE 'failed' END, error = $2, "
        "\"timestamp\" = $3::bigint WHERE id = $1",
        0};
    struct gg_arena *arena = gg_arena_new();
    char why[400];
    if (failure) /* err may be where the text lives */
        memccpy(why, failure, 0, sizeof why);
    why[sizeof why - 1] = 0;
    int status = gg_db_write(server->db, &stmt,
                             GG_PARAMS(gg_p_str(id), failure ? gg_p_text(why) : gg_p_null(), gg_p_i64(gg_wall_ms())),
                             arena, NULL, err);
    gg_arena_free(arena);
    return status;
}
