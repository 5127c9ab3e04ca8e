/* accounts_refresh.c: the table refresh_tokens (facts database 3.12, 4.1 "Refresh"). */
#include <ganglion/matrix/cache.h>

#include "storage/accounts.h"

int mx_refresh_max_id(struct mx_server *server, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT coalesce(max(id), 1) FROM refresh_tokens", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (!status)
        *out = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

static struct gg_param time_or_null(int64_t ms)
{
    return ms ? gg_p_i64(ms) : gg_p_null();
}

int mx_refresh_insert(struct mx_server *server, const struct mx_refresh_row *row, struct gg_str token,
                      struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO refresh_tokens (id, user_id, device_id, token, next_token_id, expiry_ts, "
        "ultimate_session_expiry_ts) VALUES ($1::bigint, $2, $3, $4, NULL, $5::bigint, $6::bigint) "
        "ON CONFLICT (id) DO NOTHING",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, &stmt,
                             GG_PARAMS(gg_p_i64(row->id), gg_p_str(row->user_id), gg_p_str(row->device_id),
                                       gg_p_str(token), time_or_null(row->expiry_ms), time_or_null(row->session_end_ms)),
                             arena, &rows, err);
    if (!status && !gg_rows_affected(rows))
        status = gg_fail(err, GG_E_CONFLICT, "refresh token id %lld is taken", (long long)row->id);
    gg_arena_free(arena);
    return status;
}

int mx_refresh_find(struct mx_server *server, struct gg_str token, struct gg_arena *arena, struct mx_refresh_row *out,
                    struct gg_error *err)
{
    /* The successor, and the access token that came with it. */
    static const struct gg_stmt stmt = {
        "SELECT r.id, r.user_id, r.device_id, r.expiry_ts, r.ultimate_session_expiry_ts, "
        "n.next_token_id IS NOT NULL OR coalesce(a.used, false) FROM refresh_tokens r "
        "LEFT JOIN refresh_tokens n ON n.id = r.next_token_id LEFT JOIN access_tokens a ON a.refresh_token_id = n.id "
        "WHERE r.token = $1",
        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_refresh_row){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(token)), arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    *out = (struct mx_refresh_row){.id = gg_rows_i64(rows, 0, 0),
                                   .user_id = gg_rows_str(rows, 0, 1),
                                   .device_id = gg_rows_str(rows, 0, 2),
                                   .expiry_ms = gg_rows_i64(rows, 0, 3),
                                   .session_end_ms = gg_rows_i64(rows, 0, 4),
                                   .superseded = gg_rows_bool(rows, 0, 5)};
    return 0;
}

struct replacement {
    int64_t old_id, new_id;
    struct gg_arena *arena;
    struct mx_forget forget;
};

/* The token before the presented one has done its duty, and a successor that was given out for it earlier never arrived:
 * both go with their access tokens, so that one token never has two lines of successors. */
static int replace_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt next = {
        "UPDATE refresh_tokens r SET next_token_id = $2::bigint FROM (SELECT id, next_token_id FROM refresh_tokens "
        "WHERE id = $1::bigint FOR UPDATE) was WHERE r.id = was.id RETURNING was.next_token_id",
        0};
    static const struct gg_stmt access = {
        "DELETE FROM access_tokens WHERE refresh_token_id = $2::bigint OR refresh_token_id IN (SELECT id FROM "
        "refresh_tokens WHERE next_token_id = $1::bigint) RETURNING token",
        0};
    static const struct gg_stmt gone = {
        "DELETE FROM refresh_tokens WHERE next_token_id = $1::bigint OR id = $2::bigint", 0};
    struct replacement *r = arg;
    struct gg_rows *rows;
    mx_forget_again(&r->forget);
    int status = gg_txn_exec(txn, &next, GG_PARAMS(gg_p_i64(r->old_id), gg_p_i64(r->new_id)), r->arena, &rows, err);
    if (status)
        return status;
    int64_t lost = gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0; /* ids begin with 1 */
    status = gg_txn_exec(txn, &access, GG_PARAMS(gg_p_i64(r->old_id), gg_p_i64(lost)), r->arena, &rows, err);
    if (status)
        return status;
    mx_tokens_forget(&r->forget, rows);
    status = gg_txn_queue(txn, &gone, GG_PARAMS(gg_p_i64(r->old_id), gg_p_i64(lost)), err);
    return status ? status : mx_forget_write(&r->forget, txn, err);
}

int mx_refresh_replace(struct mx_server *server, int64_t old_id, int64_t new_id, struct gg_error *err)
{
    struct replacement r = {.old_id = old_id, .new_id = new_id, .arena = gg_arena_new()};
    mx_forget_begin(&r.forget, server, r.arena);
    int status = gg_db_txn(server->db, "replace_refresh_token", 0, replace_body, &r, err);
    mx_forget_end(&r.forget, gg_maybe_committed(status));
    gg_arena_free(r.arena);
    return status;
}

int mx_login_tokens_add(struct mx_server *server, struct gg_str token, struct gg_str user_id, int64_t expiry_ms,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO login_tokens (token, user_id, expiry_ts) VALUES ($1, $2, $3::bigint)", 0};
    struct gg_arena *arena = gg_arena_new();
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(token), gg_p_str(user_id), gg_p_i64(expiry_ms)),
                             arena, NULL, err);
    gg_arena_free(arena);
    return status;
}
