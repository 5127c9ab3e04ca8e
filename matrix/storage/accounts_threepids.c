/* accounts_threepids.c: addresses of users, and how their ownership is proved. */
#include "storage/accounts_threepids.h"

#include <openssl/crypto.h>

/* ---- addresses ---- */

int mx_threepids_list(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_threepid **out,
                      size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT medium, address, validated_at, added_at FROM user_threepids WHERE user_id = $1 ORDER BY added_at, "
        "address",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_threepid, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_threepid){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 2),
                                         gg_rows_i64(rows, i, 3)};
    return 0;
}

int mx_threepids_add(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                     int64_t validated_at, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO user_threepids (user_id, medium, address, validated_at, added_at) VALUES ($1, $2, $3, "
        "$4::bigint, $5::bigint) ON CONFLICT (medium, address) DO UPDATE SET user_id = EXCLUDED.user_id, "
        "validated_at = EXCLUDED.validated_at, added_at = EXCLUDED.added_at",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(user_id), gg_p_str(medium), gg_p_str(address), gg_p_i64(validated_at),
                           gg_p_i64(gg_wall_ms())),
                       NULL, NULL, err);
}

int mx_threepids_delete(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "DELETE FROM user_threepids WHERE user_id = $1 AND medium = $2 AND address = $3", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(medium), gg_p_str(address)),
                       NULL, NULL, err);
}

int mx_threepids_delete_all(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"WITH bound AS (DELETE FROM user_threepid_id_server WHERE user_id = $1) "
                                        "DELETE FROM user_threepids WHERE user_id = $1",
                                        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), NULL, NULL, err);
}

/* ---- identity servers ---- */

int mx_bindings_add(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                    struct gg_str id_server, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"INSERT INTO user_threepid_id_server (user_id, medium, address, id_server) "
                                        "VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                                        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(user_id), gg_p_str(medium), gg_p_str(address), gg_p_str(id_server)),
                       NULL, NULL, err);
}

int mx_bindings_list(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                     struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT id_server FROM user_threepid_id_server WHERE user_id = $1 AND medium = $2 AND address = $3",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(medium), gg_p_str(address)),
                            arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

int mx_bindings_of_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                        struct mx_binding **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT medium, address, id_server FROM user_threepid_id_server WHERE user_id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_binding, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] =
            (struct mx_binding){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
    return 0;
}

int mx_bindings_delete(struct mx_server *server, struct gg_str user_id, struct gg_str medium, struct gg_str address,
                       struct gg_str id_server, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM user_threepid_id_server WHERE user_id = $1 AND medium = $2 AND "
                                        "address = $3 AND id_server = $4",
                                        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(user_id), gg_p_str(medium), gg_p_str(address), gg_p_str(id_server)),
                       NULL, NULL, err);
}

/* ---- validation ---- */

#define SESSION_COLUMNS "session_id, medium, address, client_secret, last_send_attempt, validated_at"

static int read_session(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                        struct gg_arena *arena, struct mx_validation *out, struct gg_error *err)
{
    struct gg_rows *rows;
    *out = (struct mx_validation){0};
    int status = gg_db_read(server->db, stmt, params, n, arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    *out = (struct mx_validation){.session_id = gg_rows_str(rows, 0, 0),
                                  .medium = gg_rows_str(rows, 0, 1),
                                  .address = gg_rows_str(rows, 0, 2),
                                  .client_secret = gg_rows_str(rows, 0, 3),
                                  .last_attempt = gg_rows_i64(rows, 0, 4),
                                  .validated_at = gg_rows_i64(rows, 0, 5)};
    return 0;
}

int mx_validations_find(struct mx_server *server, struct gg_str medium, struct gg_str address, struct gg_str secret,
                        struct gg_arena *arena, struct mx_validation *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT " SESSION_COLUMNS " FROM threepid_validation_session WHERE medium = $1 "
                                        "AND address = $2 AND client_secret = $3 AND validated_at IS NULL LIMIT 1",
                                        GG_LANE_SCAN};
    return read_session(server, &stmt, GG_PARAMS(gg_p_str(medium), gg_p_str(address), gg_p_str(secret)), arena, out,
                        err);
}

int mx_validations_get(struct mx_server *server, struct gg_str session_id, struct gg_arena *arena,
                       struct mx_validation *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT " SESSION_COLUMNS " FROM threepid_validation_session WHERE session_id = $1", GG_LANE_POINT};
    return read_session(server, &stmt, GG_PARAMS(gg_p_str(session_id)), arena, out, err);
}

int mx_validations_start(struct mx_server *server, const struct mx_validation *session, struct gg_str token,
                         struct gg_str next_link, int64_t expires, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH session AS (INSERT INTO threepid_validation_session (session_id, medium, address, client_secret, "
        "last_send_attempt, validated_at) VALUES ($1, $2, $3, $4, $5::bigint, NULL) ON CONFLICT (session_id) DO UPDATE "
        "SET last_send_attempt = EXCLUDED.last_send_attempt) "
        "INSERT INTO threepid_validation_token (token, session_id, next_link, expires) VALUES ($6, $1, $7, $8::bigint)",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(session->session_id), gg_p_str(session->medium), gg_p_str(session->address),
                           gg_p_str(session->client_secret), gg_p_i64(session->last_attempt), gg_p_str(token),
                           gg_p_str(next_link), gg_p_i64(expires)),
                       NULL, NULL, err);
}

static bool same_secret(struct gg_str a, struct gg_str b)
{
    return a.n == b.n && CRYPTO_memcmp(a.s, b.s, a.n) == 0;
}

int mx_validations_prove(struct mx_server *server, struct gg_str session_id, struct gg_str secret, struct gg_str token,
                         struct gg_arena *arena, int *outcome_out, struct gg_str *next_link_out, struct gg_error *err)
{
    static const struct gg_stmt find = {
        "SELECT s.client_secret, t.next_link, t.expires, s.validated_at FROM threepid_validation_session s "
        "JOIN threepid_validation_token t ON t.session_id = s.session_id WHERE s.session_id = $1 AND t.token = $2",
        GG_LANE_POINT};
    static const struct gg_stmt mark = {"UPDATE threepid_validation_session SET validated_at = $2::bigint "
                                        "WHERE session_id = $1 AND validated_at IS NULL",
                                        0};
    struct gg_rows *rows;
    *outcome_out = MX_VALIDATION_UNKNOWN;
    *next_link_out = (struct gg_str){0};
    int status = gg_db_read(server->db, &find, GG_PARAMS(gg_p_str(session_id), gg_p_str(token)), arena, &rows, err);
    if (status || !gg_rows_count(rows) || !same_secret(gg_rows_str(rows, 0, 0), secret))
        return status;
    *next_link_out = gg_rows_str(rows, 0, 1);
    *outcome_out = MX_VALIDATED;
    if (!gg_rows_null(rows, 0, 3))
        return 0;
    if (gg_rows_i64(rows, 0, 2) <= gg_wall_ms()) {
        *outcome_out = MX_VALIDATION_EXPIRED;
        return 0;
    }
    return gg_db_write(server->db, &mark, GG_PARAMS(gg_p_str(session_id), gg_p_i64(gg_wall_ms())), NULL, NULL, err);
}

int mx_validations_delete(struct mx_server *server, struct gg_str session_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"WITH tokens AS (DELETE FROM threepid_validation_token WHERE session_id = $1) "
                                        "DELETE FROM threepid_validation_session WHERE session_id = $1",
                                        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(session_id)), NULL, NULL, err);
}
