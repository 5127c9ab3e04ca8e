/* accounts_uia.c: sessions of interactive authentication: ui_auth_sessions and what hangs on them. */
#include "storage/accounts.h"

int mx_uia_read(struct mx_server *server, struct gg_str session_id, struct gg_arena *arena, struct mx_uia_row *out,
                struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT uri, method, description, clientdict, serverdict, ARRAY(SELECT stage_type FROM "
        "ui_auth_sessions_credentials WHERE session_id = $1 ORDER BY stage_type), ARRAY(SELECT result FROM "
        "ui_auth_sessions_credentials WHERE session_id = $1 ORDER BY stage_type) FROM ui_auth_sessions WHERE session_id = $1",
        GG_LANE_POINT};
    struct gg_rows *rows;
    *out = (struct mx_uia_row){0};
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(session_id)), arena, &rows, err);
    if (status || !gg_rows_count(rows))
        return status;
    *out = (struct mx_uia_row){
        .session_id = session_id,
        .uri = gg_rows_str(rows, 0, 0),
        .method = gg_rows_str(rows, 0, 1),
        .description = gg_rows_str(rows, 0, 2),
        .client = gg_rows_str(rows, 0, 3),
        .server = gg_rows_str(rows, 0, 4),
    };
    out->stages = gg_rows_texts(rows, 0, 5, arena, &out->n_stages);
    out->results = gg_rows_texts(rows, 0, 6, arena, &out->n_stages);
    return 0;
}

int mx_uia_create(struct mx_server *server, const struct mx_uia_row *row, const char *address, const char *user_agent,
                  struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH session AS (INSERT INTO ui_auth_sessions (session_id, creation_time, clientdict, serverdict, uri, "
        "method, "
        "description) VALUES ($1, $2::bigint, $3, $4, $5, $6, $7) RETURNING session_id) "
        "INSERT INTO ui_auth_sessions_ips (session_id, ip, user_agent) SELECT session_id, $8, $9 FROM session",
        0};
    return gg_db_write(server->db, &stmt,
                       GG_PARAMS(gg_p_str(row->session_id), gg_p_i64(gg_wall_ms()), gg_p_str(row->client),
                           gg_p_str(row->server), gg_p_str(row->uri), gg_p_str(row->method), gg_p_str(row->description),
                           gg_p_text(address), gg_p_text(user_agent)),
                       NULL, NULL, err);
}

int mx_uia_touch(struct mx_server *server, struct gg_str session_id, const char *address, const char *user_agent,
                 struct gg_error *err)
{
    static const struct gg_stmt stmt = {"INSERT INTO ui_auth_sessions_ips (session_id, ip, user_agent) "
                                        "VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                                        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(session_id), gg_p_text(address), gg_p_text(user_agent)),
                       NULL, NULL, err);
}

int mx_uia_complete(struct mx_server *server, struct gg_str session_id, struct gg_str stage, struct gg_str result,
                    struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO ui_auth_sessions_credentials (session_id, stage_type, result) VALUES ($1, $2, $3) "
        "ON CONFLICT (session_id, stage_type) DO UPDATE SET result = EXCLUDED.result",
        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(session_id), gg_p_str(stage), gg_p_str(result)),
                       NULL, NULL, err);
}

int mx_uia_set_client(struct mx_server *server, struct gg_str session_id, struct gg_str json, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"UPDATE ui_auth_sessions SET clientdict = $2 WHERE session_id = $1", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(session_id), gg_p_str(json)), NULL, NULL, err);
}

int mx_uia_note(struct mx_server *server, struct gg_str session_id, const char *key, struct gg_str value,
                struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE ui_auth_sessions SET serverdict = "
        "(serverdict::jsonb || jsonb_build_object($2::text, $3::jsonb))::text WHERE session_id = $1",
        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(session_id), gg_p_text(key), gg_p_str(value)),
                       NULL, NULL, err);
}

int mx_uia_sweep(struct mx_server *server, int64_t before_ms, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH old AS (SELECT session_id, serverdict::jsonb AS notes FROM ui_auth_sessions WHERE creation_time <= "
        "$1::bigint), "
        "unused AS (SELECT notes ->> 'm.login.registration_token' AS token, count(*) AS n FROM old WHERE NOT "
        "notes ? 'registered_user_id' AND notes ? 'm.login.registration_token' GROUP BY 1), "
        "given_back AS (UPDATE registration_tokens AS r SET pending = greatest(r.pending - unused.n, 0) FROM unused "
        "WHERE r.token = unused.token), "
        "ips AS (DELETE FROM ui_auth_sessions_ips WHERE session_id IN (SELECT session_id FROM old)), "
        "stages AS (DELETE FROM ui_auth_sessions_credentials WHERE session_id IN (SELECT session_id FROM old)) "
        "DELETE FROM ui_auth_sessions WHERE session_id IN (SELECT session_id FROM old)",
        0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_i64(before_ms)), NULL, NULL, err);
}
