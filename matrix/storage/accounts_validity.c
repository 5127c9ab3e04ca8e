/* accounts_validity.c: rows of account_validity. */
#include "storage/accounts_validity.h"

#include <ganglion/matrix/cache.h>

#include "storage/change.h"

static const char *const forgotten[] = {"get_expiration_ts_for_user", NULL};

int mx_validity_get(struct mx_server *server, struct gg_str user_id, int64_t *expires_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT expiration_ts_ms FROM account_validity WHERE user_id = $1", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    *expires_out = !status && gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return status;
}

int mx_validity_set(struct mx_server *server, struct gg_str user_id, int64_t expires, bool mailed, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO account_validity (user_id, expiration_ts_ms, email_sent, renewal_token, token_used_ts_ms) "
        "SELECT name, $2::bigint, $3, NULL, $4::bigint FROM users WHERE name = $1 "
        "ON CONFLICT (user_id) DO UPDATE SET expiration_ts_ms = excluded.expiration_ts_ms, "
        "email_sent = excluded.email_sent, renewal_token = NULL, token_used_ts_ms = excluded.token_used_ts_ms",
        0};
    return mx_change_and_forget(server, &stmt,
                                GG_PARAMS(gg_p_str(user_id), gg_p_i64(expires), gg_p_bool(mailed), gg_p_i64(gg_wall_ms())),
                                forgotten, user_id, NULL, err);
}

int mx_validity_set_token(struct mx_server *server, struct gg_str user_id, struct gg_str token, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE account_validity SET renewal_token = $2, token_used_ts_ms = NULL WHERE user_id = $1", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(token)), NULL, NULL, err);
}

int mx_validity_mailed(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE account_validity SET email_sent = true WHERE user_id = $1", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), NULL, NULL, err);
}

/* ---- renewing ---- */

struct renewal {
    struct gg_str token;
    int64_t expires;
    int outcome;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int spend_token(struct gg_txn *txn, struct renewal *r, struct gg_str *user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE account_validity SET expiration_ts_ms = $2::bigint, email_sent = false, token_used_ts_ms = $3::bigint "
        "WHERE renewal_token = $1 AND token_used_ts_ms IS NULL RETURNING user_id",
        0};
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(r->token), gg_p_i64(r->expires), gg_p_i64(gg_wall_ms())), r->arena,
                             &rows, err);
    *user_id = !status && gg_rows_count(rows) ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return status;
}

static int find_spent(struct gg_txn *txn, struct renewal *r, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT expiration_ts_ms FROM account_validity WHERE renewal_token = $1", 0};
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(r->token)), r->arena, &rows, err);
    if (status)
        return status;
    r->outcome = gg_rows_count(rows) ? MX_RENEWED_BEFORE : MX_RENEWAL_UNKNOWN;
    r->expires = gg_rows_count(rows) ? gg_rows_i64(rows, 0, 0) : 0;
    return 0;
}

static int renew_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct renewal *r = arg;
    struct gg_str user_id;
    mx_forget_again(&r->forget);
    int status = spend_token(txn, r, &user_id, err);
    if (status)
        return status;
    if (!user_id.s)
        return find_spent(txn, r, err);
    r->outcome = MX_RENEWED;
    mx_forget_add(&r->forget, forgotten[0], &user_id, 1);
    return mx_forget_write(&r->forget, txn, err);
}

int mx_validity_renew(struct mx_server *server, struct gg_str token, int64_t expires, int *outcome_out, int64_t *expires_out,
                      struct gg_error *err)
{
    struct renewal r = {.token = token, .expires = expires, .arena = gg_arena_new()};
    mx_forget_begin(&r.forget, server, r.arena);
    int status = gg_db_txn(server->db, "renew account", 0, renew_body, &r, err);
    mx_forget_end(&r.forget, gg_maybe_committed(status));
    *outcome_out = r.outcome;
    *expires_out = r.expires;
    gg_arena_free(r.arena);
    return status;
}

/* ---- in the background ---- */

int mx_validity_fill(struct mx_server *server, int64_t latest, int64_t spread, int64_t most, int64_t *n_out,
                     struct gg_error *err)
{
    /* Nobody is told: what is kept of a user is a date, never that there is none. */
    static const struct gg_stmt stmt = {
        "INSERT INTO account_validity (user_id, expiration_ts_ms, email_sent) "
        "SELECT u.name, $1::bigint - floor(random() * $2::bigint)::bigint, false FROM users u WHERE u.deactivated = 0 AND "
        "NOT EXISTS (SELECT 1 FROM account_validity v WHERE v.user_id = u.name) LIMIT $3::bigint ON CONFLICT DO NOTHING",
        0};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(latest), gg_p_i64(spread), gg_p_i64(most)), arena, &rows, err);
    *n_out = status ? 0 : gg_rows_affected(rows);
    gg_arena_free(arena);
    return status;
}

int mx_validity_due(struct mx_server *server, int64_t before, struct gg_str after, int64_t most, struct gg_arena *arena,
                    struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT v.user_id FROM account_validity v WHERE v.expiration_ts_ms <= $1::bigint AND NOT v.email_sent AND "
        "v.user_id COLLATE \"C\" > $2 AND EXISTS (SELECT 1 FROM user_threepids t WHERE t.user_id = v.user_id AND "
        "t.medium = 'email') ORDER BY v.user_id COLLATE \"C\" LIMIT $3::bigint",
        GG_LANE_SCAN};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(before), gg_p_str(after), gg_p_i64(most)), arena, &rows, err);
    *n_out = status ? 0 : gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return status;
}
