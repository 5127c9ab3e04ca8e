/* ask.c: questions whose answer PostgreSQL writes as JSON, and small writes. */
#include "storage/admin/ask.h"

int mx_admin_ask(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int status = gg_db_read(server->db, stmt, params, n, arena, &rows, err);
    *json_out = (struct gg_str){0};
    if (!status && gg_rows_count(rows))
        *json_out = gg_rows_str(rows, 0, 0);
    return status;
}

int mx_admin_do(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                int64_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, stmt, params, n, arena, &rows, err);
    if (!status && n_out)
        *n_out = gg_rows_affected(rows);
    gg_arena_free(arena);
    return status;
}
