/* matrix/rooms/mutual.c: rooms that two users are both joined to. The token is the last room's id in base64. */
#include "rooms/mutual.h"

#include <ganglion/matrix/crypto.h>
#include <ganglion/matrix/id.h>

enum { PAGE = 100, MAX_TOKEN = 400 };

static const struct gg_stmt in_common = {
    "SELECT l.room_id FROM local_current_membership l WHERE l.user_id = $1 AND l.membership = 'join'"
    " AND EXISTS (SELECT 1 FROM current_state_events c WHERE c.room_id = l.room_id AND c.type = 'm.room.member'"
    " AND c.state_key = $2 AND c.membership = 'join') AND ($3::text IS NULL OR l.room_id > $3)"
    " ORDER BY l.room_id LIMIT $4", GG_LANE_SCAN};
static const struct gg_stmt count_common = {
    "SELECT count(*) FROM local_current_membership l WHERE l.user_id = $1 AND l.membership = 'join'"
    " AND EXISTS (SELECT 1 FROM current_state_events c WHERE c.room_id = l.room_id AND c.type = 'm.room.member'"
    " AND c.state_key = $2 AND c.membership = 'join')", GG_LANE_SCAN};

static int read_token(struct gg_str from, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    *out = (struct gg_str){0};
    if (from.s == NULL)
        return 0;
    char *room_id = gg_arena_alloc(arena, from.n + 1);
    int64_t n = from.n <= MAX_TOKEN ? mx_unbase64(from, room_id) : -1;
    if (n <= 0 || !mx_room_id_valid(gg_strn(room_id, (size_t)n)) || memchr(room_id, '\0', (size_t)n) != NULL)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Malformed batch token");
    *out = gg_strn(room_id, (size_t)n);
    return 0;
}

int mx_mutual_rooms(struct mx_server *server, struct gg_str user_id, struct gg_str other, struct gg_str from,
                    struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct gg_rows *rows, *total;
    struct gg_str after;
    int rc = read_token(from, arena, &after, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &in_common, GG_PARAMS(gg_p_str(user_id), gg_p_str(other), gg_p_str(after), gg_p_i64(PAGE + 1)),
                        arena, &rows, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &count_common, GG_PARAMS(gg_p_str(user_id), gg_p_str(other)), arena, &total, err);
    if (rc != 0)
        return rc;
    size_t n = gg_rows_count(rows) < PAGE ? gg_rows_count(rows) : PAGE;
    gg_buf_lit(out, "{\"joined\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, gg_rows_str(rows, i, 0));
    }
    gg_buf_printf(out, "],\"count\":%lld", (long long)gg_rows_i64(total, 0, 0));
    if (gg_rows_count(rows) > n) {
        struct gg_str last = gg_rows_str(rows, n - 1, 0);
        char *token = gg_arena_alloc(arena, mx_base64_size(last.n));
        mx_base64(last.s, last.n, true, token);
        gg_buf_printf(out, ",\"next_batch\":\"%s\"", token);
    }
    gg_buf_char(out, '}');
    return 0;
}
