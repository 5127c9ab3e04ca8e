/* accounts_registration.c: registration_tokens, and changes of users at and after registration. */
#include "storage/accounts_registration.h"

#include "storage/change.h"

/* (token, now) */
#define USABLE                                                                                                         \
    "token = $1 AND (expiry_time IS NULL OR expiry_time > $2::bigint) AND "                                            \
    "(uses_allowed IS NULL OR uses_allowed > pending + completed)"

static int has_rows(struct mx_server *server, const struct gg_stmt *stmt, bool write, struct gg_str token, bool *out,
                    struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    const struct gg_param params[] = {gg_p_str(token), gg_p_i64(gg_wall_ms())};
    int status = write ? gg_db_write(server->db, stmt, params, 2, arena, &rows, err)
                       : gg_db_read(server->db, stmt, params, 2, arena, &rows, err);
    *out = !status && gg_rows_count(rows) != 0;
    gg_arena_free(arena);
    return status;
}

int mx_registration_token_valid(struct mx_server *server, struct gg_str token, bool *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT 1 FROM registration_tokens WHERE " USABLE, GG_LANE_POINT};
    return has_rows(server, &stmt, false, token, out, err);
}

int mx_registration_token_reserve(struct mx_server *server, struct gg_str token, bool *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE registration_tokens SET pending = pending + 1 WHERE " USABLE " RETURNING 1", 0};
    return has_rows(server, &stmt, true, token, out, err);
}

int mx_registration_token_spend(struct mx_server *server, struct gg_str token, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE registration_tokens SET completed = completed + 1, "
                                        "pending = greatest(pending - 1, 0) WHERE token = $1",
                                        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(token)), NULL, NULL, err);
}

/* ---- a change of one user, and who must hear of it ---- */

int mx_users_consent(struct mx_server *server, struct gg_str user_id, struct gg_str version, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE users SET consent_version = $2, consent_ts = $3::bigint WHERE name = $1", 0};
    static const char *const forget[] = {"get_user_by_id", NULL};
    const struct gg_param params[] = {gg_p_str(user_id), gg_p_str(version), gg_p_i64(gg_wall_ms())};
    return mx_change_and_forget(server, &stmt, params, GG_COUNT(params), forget, user_id, NULL, err);
}

int mx_users_upgrade(struct mx_server *server, struct gg_str user_id, struct gg_str password_hash, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE users SET password_hash = $2, upgrade_ts = $3::bigint, is_guest = 0 "
                                        "WHERE name = $1 AND is_guest = 1",
                                        0};
    static const char *const forget[] = {"get_user_by_id", "is_guest", NULL};
    const struct gg_param params[] = {gg_p_str(user_id), gg_p_str(password_hash), gg_p_i64(gg_wall_ms() / 1000)};
    int64_t changed = 0;
    int status = mx_change_and_forget(server, &stmt, params, GG_COUNT(params), forget, user_id, &changed, err);
    if (!status && !changed)
        return gg_refuse(err, 403, "M_FORBIDDEN", "The user is no guest");
    return status;
}
