/* accounts_filters.c: the table user_filters (facts database 3.7, 4.10). */
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"

int mx_filters_add(struct mx_server *server, struct gg_str user_id, struct gg_str canonical, int64_t *id_out,
                   struct gg_error *err)
{
    /* Clients bring the same filter again and again: mostly nothing is written. */
    static const struct gg_stmt stmt = {
        "WITH old AS (SELECT filter_id FROM user_filters WHERE full_user_id = $1 AND filter_json = $3::bytea), "
        "new AS (INSERT INTO user_filters (full_user_id, user_id, filter_id, filter_json) SELECT $1, $2, (SELECT "
        "coalesce(max(filter_id) + 1, 0) FROM user_filters WHERE full_user_id = $1), $3::bytea WHERE NOT EXISTS (SELECT FROM "
        "old) RETURNING filter_id) SELECT filter_id FROM old UNION ALL SELECT filter_id FROM new",
        0};
    enum { TRIES = 3 }; /* two requests of one user may choose the same number: the loser chooses again */
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = -1;
    for (int i = 0; i < TRIES; i++) {
        status = gg_db_write(server->db, &stmt,
                             GG_PARAMS(gg_p_str(user_id), gg_p_str(mx_id_localpart(user_id)), gg_p_bytes(canonical)), arena,
                             &rows, err);
        if (!status || strcmp(gg_db_sqlstate(), "23505") != 0)
            break;
    }
    if (!status)
        *id_out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_filters_get(struct mx_server *server, struct gg_str user_id, int64_t id, struct gg_arena *arena,
                   struct gg_str *json_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT filter_json FROM user_filters WHERE full_user_id = $1 AND filter_id = $2::bigint", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_i64(id)), arena, &rows, err);
    if (status)
        return status;
    if (!gg_rows_count(rows))
        return gg_refuse(err, 404, "M_NOT_FOUND", "No such filter");
    *json_out = gg_rows_str(rows, 0, 0);
    return 0;
}
