/* matrix/rooms/guests.c: guests leave when a room no longer lets them in. */
#include "rooms/guests.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.rooms"};

/* The bound is far above what guests there are in a room; who is left over leaves with the next change. */
static const struct gg_stmt guests_of = {
    "SELECT c.state_key FROM current_state_events c JOIN users u ON u.name = c.state_key WHERE c.room_id = $1"
    " AND c.type = 'm.room.member' AND c.membership IN ('join', 'invite') AND u.is_guest <> 0 LIMIT 1000", GG_LANE_SCAN};

static void leave(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, struct gg_arena *arena)
{
    struct gg_str localpart = mx_id_localpart(user_id), event_id;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_requester guest = {.user_id = gg_arena_strndup(arena, user_id.s, user_id.n),
                                 .localpart = gg_arena_strndup(arena, localpart.s, localpart.n), .guest = true};
    struct mx_membership_change change = {.room_id = room_id, .target = user_id, .membership = GG_STR("leave"), .action = "leave"};
    if (mx_room_membership(server, &guest, &change, arena, &event_id, &err) != 0)
        gg_warn(&logger, "the guest %.*s stays in %.*s: %s", GG_FMT(user_id), GG_FMT(room_id), err.message);
}

void mx_room_guests_leave(struct mx_server *server, struct gg_str room_id, struct gg_str guest_access, struct gg_arena *arena)
{
    struct gg_rows *rows;
    struct gg_error err = GG_ERROR_INIT;
    if (gg_str_is(guest_access, "can_join"))
        return;
    if (gg_db_read(server->db, &guests_of, GG_PARAMS(gg_p_str(room_id)), arena, &rows, &err) != 0) {
        gg_warn(&logger, "the guests of %.*s: %s", GG_FMT(room_id), err.message);
        return;
    }
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        leave(server, room_id, gg_rows_str(rows, i, 0), arena);
}
