/* registration_tokens.c: the table registration_tokens. */
#include "storage/admin/registration_tokens.h"

#define TOKEN_JSON                                                                                                     \
    "json_build_object('token', token, 'uses_allowed', uses_allowed, 'pending', pending, 'completed', completed, "     \
    "'expiry_time', expiry_time)"

const struct gg_stmt mx_admin_registration_tokens = {
    "SELECT json_build_object('registration_tokens', coalesce(json_agg(" TOKEN_JSON " ORDER BY token), '[]'))::text "
    "FROM registration_tokens WHERE $1::boolean IS NULL OR $1 = ((uses_allowed IS NULL OR uses_allowed > pending + completed) "
    "AND (expiry_time IS NULL OR expiry_time > $2::bigint))",
    GG_LANE_SCAN};

const struct gg_stmt mx_admin_registration_token = {
    "SELECT " TOKEN_JSON "::text FROM registration_tokens WHERE token = $1", GG_LANE_POINT};

static struct gg_param number_or_null(int64_t v)
{
    return v == GG_NULL_I64 ? gg_p_null() : gg_p_i64(v);
}

static int not_found(struct gg_str token, struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "No such registration token: %.*s", GG_FMT(token));
}

int mx_admin_registration_token_add(struct mx_server *server, struct gg_str token, int64_t uses, int64_t expiry_ms,
                                    struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO registration_tokens (token, uses_allowed, pending, completed, expiry_time) "
        "VALUES ($1, $2::bigint, 0, 0, $3::bigint) ON CONFLICT (token) DO NOTHING",
        0};
    int64_t n;
    int status = mx_admin_do(server, &stmt, GG_PARAMS(gg_p_str(token), number_or_null(uses), number_or_null(expiry_ms)), &n,
                             err);
    return status || n ? status : gg_refuse(err, 400, "M_INVALID_PARAM", "Token already exists: %.*s", GG_FMT(token));
}

int mx_admin_registration_token_set(struct mx_server *server, struct gg_str token, bool set_uses, int64_t uses,
                                    bool set_expiry, int64_t expiry_ms, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE registration_tokens SET uses_allowed = CASE WHEN $2 THEN $3::bigint ELSE uses_allowed END, "
        "expiry_time = CASE WHEN $4 THEN $5::bigint ELSE expiry_time END WHERE token = $1",
        0};
    int64_t n;
    int status = mx_admin_do(server, &stmt,
                             GG_PARAMS(gg_p_str(token), gg_p_bool(set_uses), number_or_null(uses), gg_p_bool(set_expiry),
                                       number_or_null(expiry_ms)),
                             &n, err);
    return status || n ? status : not_found(token, err);
}

int mx_admin_registration_token_delete(struct mx_server *server, struct gg_str token, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM registration_tokens WHERE token = $1", 0};
    int64_t n;
    int status = mx_admin_do(server, &stmt, GG_PARAMS(gg_p_str(token)), &n, err);
    return status || n ? status : not_found(token, err);
}
