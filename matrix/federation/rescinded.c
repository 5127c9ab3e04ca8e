/* matrix/federation/rescinded.c: of rooms that none of ours is in, one thing concerns us: that an invitation (or the answer
 * to a knock) is taken back. */
#include "federation/inbound.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/persist.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

static bool ends_membership(const struct mx_server *server, const struct mx_event *event)
{
    return mx_event_is(event, "m.room.member", NULL) && event->state_key.s && mx_is_mine(server, event->state_key) &&
           !gg_str_eq(event->sender, event->state_key) &&
           (gg_str_is(event->membership, "leave") || gg_str_is(event->membership, "ban"));
}

/* Without the room's state nobody can say who may do so: the server that invited them may. */
static int may_end(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena, bool *out,
                   struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    *out = false;
    int rc = mx_heads_rooms_of(server, event->state_key, arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (gg_str_eq(rooms[i].room_id, event->room_id))
            *out = gg_str_is(rooms[i].membership, "invite") &&
                   gg_str_eq(mx_id_domain(rooms[i].sender), mx_id_domain(event->sender));
    return rc;
}

int mx_fed_rescinded(struct mx_server *server, const char *origin, const struct mx_event *event, struct gg_arena *arena,
                     struct gg_error *err)
{
    bool may = false;
    int rc = ends_membership(server, event) ? may_end(server, event, arena, &may, err) : 0;
    if (rc || !may) {
        if (!rc)
            gg_info(&logger, "event %.*s of %s is passed over: nobody here is in %.*s", GG_FMT(event->event_id), origin,
                    GG_FMT(event->room_id));
        return rc;
    }
    struct mx_event_meta meta = {.outlier = true, .out_of_band = true};
    struct mx_event *leave = mx_event_with_meta(event, &meta);
    struct mx_persist_item item = {.event = leave, .push_known = true};
    rc = mx_persist_remote(server, NULL, event->room_id, &item, 1, arena, NULL, NULL, err);
    mx_event_unref(leave);
    return rc;
}
