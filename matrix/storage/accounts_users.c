/* accounts_users.c: the table users, and what is written beside a new one. */
#include <ganglion/config.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/id.h>

#include "storage/accounts.h"
#include <ganglion/matrix/user_directory.h>

#define USER_COLUMNS                                                                                                   \
    "name, password_hash, admin, is_guest, deactivated, locked, suspended, coalesce(shadow_banned, false), "             \
    "consent_version"

static void read_user(const struct gg_rows *rows, size_t row, struct mx_user *out)
{
    *out = (struct mx_user){
        .id = gg_rows_str(rows, row, 0),
        .password_hash = gg_rows_str(rows, row, 1),
        .admin = gg_rows_i64(rows, row, 2) != 0,
        .guest = gg_rows_i64(rows, row, 3) != 0,
        .deactivated = gg_rows_i64(rows, row, 4) != 0,
        .locked = gg_rows_bool(rows, row, 5),
        .suspended = gg_rows_bool(rows, row, 6),
        .shadow_banned = gg_rows_bool(rows, row, 7),
        .consent_version = gg_rows_str(rows, row, 8),
    };
}

int mx_users_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_user *out,
                 struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT " USER_COLUMNS " FROM users WHERE name = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_user){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (!status && gg_rows_count(rows))
        read_user(rows, 0, out);
    return status;
}

int mx_users_like(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_user *out,
                  size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT " USER_COLUMNS " FROM users WHERE lower(name) = lower($1) ORDER BY name LIMIT 4", GG_LANE_SCAN};
    struct gg_rows *rows;
    *n_out = 0;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status)
        return status;
    for (size_t i = 0; i < gg_rows_count(rows) && i < MX_USERS_LIKE_MAX; i++)
        read_user(rows, i, &out[(*n_out)++]);
    return 0;
}

int mx_users_by_address(struct mx_server *server, struct gg_str medium, struct gg_str address, struct gg_arena *arena,
                        struct gg_str *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT user_id FROM user_threepids WHERE medium = $1 AND address = lower($2)",
                                        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct gg_str){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(medium), gg_p_str(address)), arena, &rows, err);
    if (!status && gg_rows_count(rows))
        *out = gg_rows_str(rows, 0, 0);
    return status;
}

int mx_users_share_room(struct mx_server *server, struct gg_str a, struct gg_str b, bool *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT EXISTS (SELECT 1 FROM local_current_membership AS a JOIN local_current_membership AS b "
        "USING (room_id) WHERE a.user_id = $1 AND b.user_id = $2 AND a.membership = 'join' AND b.membership = 'join')",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(a), gg_p_str(b)), arena, &rows, err);
    if (!status)
        *out = gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_users_next_number(struct mx_server *server, struct gg_arena *arena, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT nextval('user_id_seq')", 0};
    struct gg_rows *rows;
    int status = gg_db_write(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (!status)
        *out = gg_rows_i64(rows, 0, 0);
    return status;
}

struct creation {
    struct mx_server *server;
    const struct mx_new_user *user;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int insert_user(struct gg_txn *txn, struct creation *c, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO users (name, password_hash, creation_ts, admin, is_guest, appservice_id, user_type, "
        "shadow_banned, approved) VALUES ($1, $2, $3::bigint, $4::bigint::smallint, $5::bigint::smallint, $6, $7, "
        "$8, $9) ON CONFLICT DO NOTHING",
        0};
    const struct mx_new_user *user = c->user;
    struct gg_rows *rows;
    int status =
        gg_txn_exec(txn, &stmt,
                    GG_PARAMS(gg_p_str(user->user_id), gg_p_str(user->password_hash), gg_p_i64(gg_wall_ms() / 1000),
                              gg_p_i64(user->admin), gg_p_i64(user->guest), gg_p_str(user->app_service),
                              gg_p_str(user->user_type), gg_p_bool(user->shadow_banned), gg_p_bool(user->approved)),
                    c->arena, &rows, err);
    if (!status && !gg_rows_affected(rows))
        return gg_refuse(err, 400, "M_USER_IN_USE", "User ID already taken.");
    return status;
}

static int insert_profile(struct gg_txn *txn, const struct mx_new_user *user, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO profiles (user_id, displayname, full_user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 0};
    return gg_txn_queue(
        txn, &stmt,
        GG_PARAMS(gg_p_str(mx_id_localpart(user->user_id)), gg_p_str(user->display_name), gg_p_str(user->user_id)),
        err);
}

/* A new user has no changes of state behind it, so its counters are complete up to now. */
static int insert_statistics(struct gg_txn *txn, const struct mx_new_user *user, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO user_stats_current (user_id, joined_rooms, completed_delta_stream_id) VALUES ($1, 0, "
        "coalesce((SELECT max(stream_id) FROM current_state_delta_stream), -1)) ON CONFLICT DO NOTHING",
        0};
    return gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(user->user_id)), err);
}

static int insert_end(struct gg_txn *txn, struct creation *c, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO account_validity (user_id, expiration_ts_ms, email_sent) VALUES ($1, $2::bigint, false) "
        "ON CONFLICT (user_id) DO UPDATE SET expiration_ts_ms = excluded.expiration_ts_ms, email_sent = false",
        0};
    int64_t end = gg_wall_ms() + gg_config_int(c->server->config, "account_validity.period");
    return gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(c->user->user_id), gg_p_i64(end)), err);
}

static int create_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct creation *c = arg;
    mx_forget_again(&c->forget);
    int status = insert_user(txn, c, err);
    if (!status && c->user->display_name.s)
        status = insert_profile(txn, c->user, err);
    if (!status && gg_config_bool(c->server->config, "stats.enabled"))
        status = insert_statistics(txn, c->user, err);
    if (!status && gg_config_bool(c->server->config, "account_validity.enabled"))
        status = insert_end(txn, c, err);
    if (status)
        return status;
    mx_forget_add(&c->forget, "get_user_by_id", &c->user->user_id, 1);
    return mx_forget_write(&c->forget, txn, err);
}

int mx_users_create(struct mx_server *server, const struct mx_new_user *user, struct gg_error *err)
{
    struct creation c = {.server = server, .user = user, .arena = gg_arena_new()};
    mx_forget_begin(&c.forget, server, c.arena);
    int status = gg_db_txn(server->db, "register_user", 0, create_body, &c, err);
    mx_forget_end(&c.forget, gg_maybe_committed(status));
    gg_arena_free(c.arena);
    if (!status && !user->app_service.s && !user->guest && !user->unlisted)
        status = mx_directory_renew(server, user->user_id, err);
    return status;
}
