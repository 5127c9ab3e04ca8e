/* matrix/storage/user_directory_stale.c: users of other servers whose profile is to be asked for (facts database 3.14). */
#include "storage/user_directory.h"

static const struct gg_stmt due = {
    "SELECT user_id, retry_counter FROM (SELECT user_id, retry_counter, next_try_at_ts,"
    " row_number() OVER (PARTITION BY user_server_name ORDER BY next_try_at_ts) AS place"
    " FROM user_directory_stale_remote_users WHERE next_try_at_ts <= $1) s WHERE place <= $2"
    " ORDER BY next_try_at_ts LIMIT $3", GG_LANE_SCAN};
static const struct gg_stmt next = {"SELECT min(next_try_at_ts) FROM user_directory_stale_remote_users", GG_LANE_SCAN};
static const struct gg_stmt put_off = {
    "UPDATE user_directory_stale_remote_users SET next_try_at_ts = $2, retry_counter = retry_counter + 1 WHERE user_id = $1", 0};
static const struct gg_stmt give_up = {"DELETE FROM user_directory_stale_remote_users WHERE user_id = $1", 0};

int mx_directory_due(struct mx_server *server, int64_t now_ms, size_t per_server, size_t limit, struct gg_arena *arena,
                     struct mx_directory_due **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &due,
                        GG_PARAMS(gg_p_i64(now_ms), gg_p_i64((int64_t)per_server), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc < 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_directory_due, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_directory_due){gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1)};
    return 0;
}

int mx_directory_next_due(struct mx_server *server, struct gg_arena *arena, int64_t *ms_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &next, GG_NO_PARAMS, arena, &rows, err);
    *ms_out = rc < 0 || gg_rows_null(rows, 0, 0) ? INT64_MAX : gg_rows_i64(rows, 0, 0);
    return rc;
}

int mx_directory_put_off(struct mx_server *server, struct gg_str user_id, int64_t until_ms, struct gg_error *err)
{
    return gg_db_write(server->db, &put_off, GG_PARAMS(gg_p_str(user_id), gg_p_i64(until_ms)), NULL, NULL, err);
}

int mx_directory_give_up(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    return gg_db_write(server->db, &give_up, GG_PARAMS(gg_p_str(user_id)), NULL, NULL, err);
}
