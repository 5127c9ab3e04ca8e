/* accounts_tokens.c: the tables access_tokens and login_tokens. */
#include "storage/accounts.h"

/* The members of a row from column `at` on: admin, is_guest, ... as both statements below list them. */
#define STANDING                                                                                                       \
    "u.admin, u.is_guest, u.deactivated, u.locked, u.suspended, coalesce(u.shadow_banned, false), "                    \
    "r.user_id IS NOT NULL, r.messages_per_second, r.burst_count "

static void read_standing(const struct gg_rows *rows, int at, struct mx_token_row *out)
{
    out->user = (struct mx_user){.id = out->user_id,
                                 .admin = gg_rows_i64(rows, 0, at) != 0,
                                 .guest = gg_rows_i64(rows, 0, at + 1) != 0,
                                 .deactivated = gg_rows_i64(rows, 0, at + 2) != 0,
                                 .locked = gg_rows_bool(rows, 0, at + 3),
                                 .suspended = gg_rows_bool(rows, 0, at + 4),
                                 .shadow_banned = gg_rows_bool(rows, 0, at + 5)};
    bool override = gg_rows_bool(rows, 0, at + 6);
    out->per_second = gg_rows_i64(rows, 0, at + 7);
    out->burst = gg_rows_i64(rows, 0, at + 8);
    out->unlimited = override && !out->per_second;
    out->limited = override && out->per_second;
}

int mx_tokens_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct mx_token_row *out,
                   struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT t.id, t.valid_until_ms, t.user_id, u.name, t.device_id, coalesce(t.used, false), " STANDING
        "FROM access_tokens t "
        "JOIN users u ON u.name = coalesce(t.puppets_user_id, t.user_id) "
        "LEFT JOIN ratelimit_override r ON r.user_id = u.name WHERE t.token = $1",
        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_token_row){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(token)), arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    out->id = gg_rows_i64(rows, 0, 0);
    out->valid_until_ms = gg_rows_i64(rows, 0, 1);
    out->owner = gg_rows_str(rows, 0, 2);
    out->user_id = gg_rows_str(rows, 0, 3);
    out->device_id = gg_rows_str(rows, 0, 4);
    out->used = gg_rows_bool(rows, 0, 5);
    read_standing(rows, 6, out);
    return 0;
}

int mx_tokens_standing(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_token_row *out,
                       struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT u.name, " STANDING
                                        "FROM users u LEFT JOIN ratelimit_override r ON r.user_id = u.name WHERE u.name = $1",
                                        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_token_row){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    out->owner = out->user_id = gg_rows_str(rows, 0, 0);
    read_standing(rows, 1, out);
    return 0;
}

int mx_tokens_mark_used(struct mx_server *server, int64_t id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE access_tokens SET used = true WHERE id = $1::bigint", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(id)), NULL, NULL, err);
}

int mx_tokens_validated(struct mx_server *server, int64_t id, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT last_validated FROM access_tokens WHERE id = $1::bigint",
                                        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(id)), arena, &rows, err);
    *out = !status && gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return status;
}

int mx_tokens_set_validated(struct mx_server *server, int64_t id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE access_tokens SET last_validated = $2::bigint WHERE id = $1::bigint",
                                        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(id), gg_p_i64(gg_wall_ms())), NULL, NULL, err);
}

int mx_tokens_max_id(struct mx_server *server, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT coalesce(max(id), 1) FROM access_tokens", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (!status)
        *out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_tokens_insert(struct mx_server *server, const struct mx_new_token *token, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO access_tokens (id, user_id, device_id, token, valid_until_ms, last_validated, used, "
        "puppets_user_id, refresh_token_id) VALUES ($1::bigint, $2, $3, $4, $5::bigint, $6::bigint, false, $7, "
        "$8::bigint) ON CONFLICT (id) DO NOTHING",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(
        server->db, &stmt,
        GG_PARAMS(gg_p_i64(token->id), gg_p_str(token->user_id), gg_p_str(token->device_id), gg_p_str(token->token),
                  token->valid_until_ms ? gg_p_i64(token->valid_until_ms) : gg_p_null(), gg_p_i64(gg_wall_ms()),
                  gg_p_str(token->puppets), token->refresh_id ? gg_p_i64(token->refresh_id) : gg_p_null()),
        arena, &rows, err);
    if (!status && !gg_rows_affected(rows))
        status = gg_fail(err, GG_E_CONFLICT, "access token id %lld is taken", (long long)token->id);
    gg_arena_free(arena);
    return status;
}

void mx_tokens_forget(struct mx_forget *forget, const struct gg_rows *rows)
{
    size_t n = gg_rows_count(rows);
    struct gg_str *tokens = GG_NEW_ARRAY(forget->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        tokens[i] = gg_rows_str(rows, i, 0);
        mx_forget_add(forget, "get_user_by_access_token", &tokens[i], 1);
    }
}

int mx_login_tokens_use(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct gg_str *user_out,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE login_tokens SET used_ts = $2::bigint WHERE token = $1 AND used_ts IS NULL AND expiry_ts >= $2::bigint "
        "RETURNING user_id",
        0};
    struct gg_rows *rows;
    *user_out = (struct gg_str){0};
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(token), gg_p_i64(gg_wall_ms())), arena, &rows, err);
    if (!status && gg_rows_count(rows))
        *user_out = gg_rows_str(rows, 0, 0);
    return status;
}
