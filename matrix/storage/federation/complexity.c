/* matrix/storage/federation/complexity.c: how much a room costs a server that is in it. */
#include "storage/federation/complexity.h"

#include <ganglion/matrix/heads.h>

/* Statistics follow a moment behind the room; until they know it, its state is counted. */
static const struct gg_stmt select_count = {"SELECT current_state_events FROM room_stats_current WHERE room_id = $1", GG_LANE_POINT};

static int is_open(struct mx_server *server, const struct mx_head *head, struct gg_arena *arena, bool *open, struct gg_error *err)
{
    const struct mx_event *rules, *visibility;
    *open = false;
    int rc = mx_heads_state_event(server, head, "m.room.join_rules", GG_STR(""), arena, &rules, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.history_visibility", GG_STR(""), arena, &visibility, err);
    if (rc == 0)
        *open = (rules != NULL && gg_str_is(mx_json_string(mx_json_get(rules->content, "join_rule"), arena), "public")) ||
                (visibility != NULL &&
                 gg_str_is(mx_json_string(mx_json_get(visibility->content, "history_visibility"), arena), "world_readable"));
    return rc;
}

int mx_room_complexity(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *open,
                       int64_t *state_events, struct gg_error *err)
{
    const struct mx_head *head;
    struct gg_rows *rows;
    *open = false;
    *state_events = 0;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    if (rc == 0)
        rc = is_open(server, head, arena, open, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &select_count, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (rc == 0)
        *state_events = gg_rows_count(rows) > 0 ? gg_rows_i64(rows, 0, 0) : (int64_t)mx_state_count(head->state);
    return rc;
}
