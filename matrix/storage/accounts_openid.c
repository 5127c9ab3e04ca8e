/* accounts_openid.c: tokens by which other services learn who a user is. */
#include "storage/accounts_openid.h"

int mx_openid_add(struct mx_server *server, struct gg_str token, struct gg_str user_id, int64_t until_ms,
                  struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO open_id_tokens (token, ts_valid_until_ms, user_id) VALUES ($1, $2::bigint, $3)", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(token), gg_p_i64(until_ms), gg_p_str(user_id)),
                       NULL, NULL, err);
}

int mx_openid_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct gg_str *user_out,
                   struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT user_id FROM open_id_tokens WHERE token = $1 AND ts_valid_until_ms >= $2::bigint", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(token), gg_p_i64(gg_wall_ms())), arena, &rows, err);
    *user_out = !status && gg_rows_count(rows) ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return status;
}
