/* matrix/storage/sessions.c: what a server remembers for a client between two requests. */
#include "storage/sessions.h"

enum { ID_LETTERS = 24 };

/* Those that have expired go when a new one comes: the table stays as small as its use. */
static const struct gg_stmt keep = {
    "WITH gone AS (DELETE FROM sessions WHERE session_type = $1 AND expiry_time_ms < $5)"
    " INSERT INTO sessions (session_type, session_id, value, expiry_time_ms) VALUES ($1, $2, $3, $4)", 0};
static const struct gg_stmt find = {
    "SELECT value FROM sessions WHERE session_type = $1 AND session_id = $2 AND expiry_time_ms > $3", GG_LANE_POINT};

int mx_session_keep(struct mx_server *server, const char *type, struct gg_str json, int64_t lifetime_ms, struct gg_arena *arena,
                    struct gg_str *id_out, struct gg_error *err)
{
    char *id = gg_arena_alloc(arena, ID_LETTERS + 1);
    int64_t now = gg_wall_ms();
    gg_random_text(id, ID_LETTERS, GG_LETTERS);
    *id_out = gg_strn(id, ID_LETTERS);
    return gg_db_write(server->db, &keep,
                       GG_PARAMS(gg_p_text(type), gg_p_str(*id_out), gg_p_str(json), gg_p_i64(now + lifetime_ms), gg_p_i64(now)),
                       arena, NULL, err);
}

int mx_session_find(struct mx_server *server, const char *type, struct gg_str id, struct gg_arena *arena,
                    struct gg_str *json_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &find, GG_PARAMS(gg_p_text(type), gg_p_str(id), gg_p_i64(gg_wall_ms())), arena, &rows, err);
    *json_out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}
