/* storage/usage.c: users as limits of use see them, and who is counted in a month. */
#include "storage/usage.h"

#include <ganglion/matrix/cache.h>

#include "storage/change.h"

int mx_usage_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_usage_row *out,
                  struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT is_guest, creation_ts, user_type, nullif(appservice_id, ''), consent_version, "
                                        "consent_server_notice_sent FROM users WHERE name = $1",
                                        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_usage_row){0};
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) > 0)
        *out = (struct mx_usage_row){.exists = true, .guest = gg_rows_i64(rows, 0, 0) != 0, .created_s = gg_rows_i64(rows, 0, 1),
                                     .kind = gg_rows_str(rows, 0, 2), .service = gg_rows_str(rows, 0, 3),
                                     .agreed = gg_rows_str(rows, 0, 4), .told = gg_rows_str(rows, 0, 5)};
    return rc;
}

int mx_usage_terms_told(struct mx_server *server, struct gg_str user_id, struct gg_str version, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE users SET consent_server_notice_sent = $2 WHERE name = $1", 0};
    static const char *const forget[] = {"get_user_by_id", NULL};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(version)), forget, user_id, NULL, err);
}

static int read_number(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                       int64_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n, arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return rc;
}

int mx_monthly_seen(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT \"timestamp\" FROM monthly_active_users WHERE user_id = $1", GG_LANE_POINT};
    return read_number(server, &stmt, GG_PARAMS(gg_p_str(user_id)), out, err);
}

int mx_monthly_count(struct mx_server *server, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT count(*) FROM monthly_active_users m WHERE NOT EXISTS (SELECT 1 FROM users u "
                                        "WHERE u.name = m.user_id AND u.appservice_id <> '')",
                                        GG_LANE_SCAN};
    return read_number(server, &stmt, GG_NO_PARAMS, out, err);
}

int mx_monthly_by_service(struct mx_server *server, struct gg_arena *arena, struct mx_monthly_service **out, size_t *n_out,
                          struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT coalesce(u.appservice_id, 'native'), count(*) FROM monthly_active_users m "
                                        "LEFT JOIN users u ON u.name = m.user_id GROUP BY 1",
                                        GG_LANE_SCAN};
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_monthly_service, *n_out);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_monthly_service){gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1)};
    return 0;
}

/* ---- changes ---- */

static const struct gg_str no_keys = {"", 0};

struct putting {
    struct gg_arena *arena;
    struct gg_str user_id;
    struct mx_forget forget;
};

static int put_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"INSERT INTO monthly_active_users (user_id, \"timestamp\") VALUES ($1, $2::bigint) "
                                        "ON CONFLICT (user_id) DO UPDATE SET \"timestamp\" = EXCLUDED.\"timestamp\"",
                                        0};
    struct putting *p = arg;
    mx_forget_again(&p->forget);
    int rc = gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(p->user_id), gg_p_i64(gg_wall_ms())), err);
    if (rc != 0)
        return rc;
    mx_forget_add(&p->forget, "get_monthly_active_count", &no_keys, 0);
    mx_forget_add(&p->forget, "get_monthly_active_count_by_service", &no_keys, 0);
    mx_forget_add(&p->forget, "user_last_seen_monthly_active", &p->user_id, 1);
    return mx_forget_write(&p->forget, txn, err);
}

int mx_monthly_put(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct putting p = {.arena = gg_arena_new(), .user_id = user_id};
    mx_forget_begin(&p.forget, server, p.arena);
    int rc = gg_db_txn(server->db, "upsert_monthly_active_user", GG_TXN_READ_COMMITTED, put_body, &p, err);
    mx_forget_end(&p.forget, gg_maybe_committed(rc));
    gg_arena_free(p.arena);
    return rc;
}

struct reaping {
    struct gg_arena *arena;
    int64_t before_ms, keep;
    const struct gg_str *reserved;
    size_t n_reserved;
    struct mx_forget forget;
};

static int reap_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH ranked AS (SELECT user_id, \"timestamp\", row_number() OVER (ORDER BY \"timestamp\" DESC, user_id) AS place "
        "FROM monthly_active_users WHERE user_id <> ALL ($3::text[])) DELETE FROM monthly_active_users m USING ranked r "
        "WHERE m.user_id = r.user_id AND (r.\"timestamp\" < $1::bigint OR ($2::bigint >= 0 AND r.place > $2))",
        0};
    struct reaping *r = arg;
    struct gg_rows *rows;
    mx_forget_again(&r->forget);
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_i64(r->before_ms), gg_p_i64(r->keep), gg_p_texts(r->reserved, r->n_reserved)),
                         r->arena, &rows, err);
    if (rc != 0 || gg_rows_affected(rows) == 0)
        return rc;
    mx_forget_add(&r->forget, "user_last_seen_monthly_active", NULL, 0);
    mx_forget_add(&r->forget, "get_monthly_active_count", &no_keys, 0);
    mx_forget_add(&r->forget, "get_monthly_active_count_by_service", &no_keys, 0);
    return mx_forget_write(&r->forget, txn, err);
}

int mx_monthly_reap(struct mx_server *server, int64_t before_ms, int64_t keep, const struct gg_str *reserved, size_t n_reserved,
                    struct gg_error *err)
{
    struct reaping r = {
        .arena = gg_arena_new(), .before_ms = before_ms, .keep = keep, .reserved = reserved, .n_reserved = n_reserved};
    mx_forget_begin(&r.forget, server, r.arena);
    int rc = gg_db_txn(server->db, "reap_monthly_active_users", 0, reap_body, &r, err);
    mx_forget_end(&r.forget, gg_maybe_committed(rc));
    gg_arena_free(r.arena);
    return rc;
}
