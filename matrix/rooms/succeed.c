/* matrix/rooms/succeed.c: a room of other servers takes the place of an older one here. */
#include "rooms/succeed.h"

#include "directory/published.h"
#include "rooms/inherit.h"
#include "storage/directory.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.rooms"};

/* The bound is far above what joins a room before its predecessor's tombstone is here; who comes later inherits when they join. */
static const struct gg_stmt ours_in = {
    "SELECT user_id FROM local_current_membership WHERE room_id = $1 AND membership = 'join' LIMIT 1000", GG_LANE_SCAN};

static int state_event(struct mx_server *server, struct gg_str room_id, const char *type, struct gg_arena *arena,
                       const struct mx_event **out, struct gg_error *err)
{
    const struct mx_head *head;
    *out = NULL;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    return rc == 0 ? mx_heads_state_event(server, head, type, GG_STR(""), arena, out, err) : rc;
}

/* One room's word is not enough: anybody can make a room that says to replace another one. */
static int agree(struct mx_server *server, struct gg_str old_room, struct gg_str new_room, struct gg_arena *arena, bool *out,
                 struct gg_error *err)
{
    const struct mx_event *tombstone, *create = NULL;
    *out = false;
    int rc = state_event(server, old_room, "m.room.tombstone", arena, &tombstone, err);
    if (rc == 0 && tombstone != NULL)
        rc = state_event(server, new_room, "m.room.create", arena, &create, err);
    if (rc == GG_E_NOT_FOUND)
        return 0;
    if (rc != 0 || create == NULL)
        return rc;
    struct gg_str next = mx_json_string(mx_json_get(tombstone->content, "replacement_room"), arena);
    struct gg_str last = mx_room_predecessor(create, arena);
    *out = next.s != NULL && last.s != NULL && gg_str_eq(next, new_room) && gg_str_eq(last, old_room);
    return 0;
}

static int succeed(struct mx_server *server, struct gg_str old_room, struct gg_str new_room, struct gg_arena *arena,
                   struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = mx_directory_move(server, old_room, new_room, err);
    mx_published_forget(server);
    if (rc == 0)
        rc = gg_db_read(server->db, &ours_in, GG_PARAMS(gg_p_str(new_room)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        mx_room_inherit(server, gg_rows_str(rows, i, 0), old_room, new_room, arena);
    return rc;
}

void mx_room_succeed(struct mx_server *server, struct gg_str old_room, struct gg_str new_room, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    bool so;
    int rc = agree(server, old_room, new_room, arena, &so, &err);
    if (rc == 0 && so)
        rc = succeed(server, old_room, new_room, arena, &err);
    if (rc != 0)
        gg_warn(&logger, "%.*s does not take the place of %.*s: %s", GG_FMT(new_room), GG_FMT(old_room), err.message);
}
