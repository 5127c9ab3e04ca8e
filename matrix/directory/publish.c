/* matrix/directory/publish.c: putting a room on the public list and taking it off. */
#include "directory/publish.h"

#include "directory/published.h"
#include "directory/rules.h"
#include "rooms/access.h"
#include "stats/stats.h"
#include "storage/directory.h"
#include "storage/room_list.h"

#include <ganglion/config.h>

int mx_may_change_directory(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                            const char *refusal, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_access access;
    const struct mx_event *levels, *create;
    if (requester->admin)
        return 0;
    int rc = mx_room_access_joined(server, gg_str(requester->user_id), room_id, arena, &access, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, access.head, "m.room.power_levels", GG_STR(""), arena, &levels, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, access.head, "m.room.create", GG_STR(""), arena, &create, err);
    if (rc != 0)
        return rc;
    struct mx_power power = mx_power_read(levels, create, arena);
    if (mx_power_of_user(&power, gg_str(requester->user_id)) < mx_power_for_event(&power, GG_STR("m.room.canonical_alias"), true))
        return gg_refuse(err, 403, "M_FORBIDDEN", "%s", refusal);
    return 0;
}

static int check_rules(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                       struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *aliases;
    size_t n = 0;
    if (!gg_config_bool(server->config, "enable_room_list_search"))
        return gg_refuse(err, 403, "M_FORBIDDEN", "This user is not permitted to publish rooms to the room list");
    int rc = mx_directory_aliases_of(server, room_id, arena, &aliases, &n, err);
    if (rc == 0 && !mx_may_publish_room(server, gg_str(requester->user_id), room_id, aliases, n))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Not allowed to publish room");
    return rc;
}

int mx_room_publish(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id, bool listed,
                    struct gg_arena *arena, struct gg_error *err)
{
    bool known, before;
    int rc = mx_room_list_get(server, room_id, &known, &before, err);
    if (rc == 0 && !known)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Unknown room");
    if (rc == 0)
        rc = mx_may_change_directory(server, requester, room_id,
                                     "This server requires you to be a moderator in the room to edit its room list entry",
                                     arena, err);
    if (rc == 0 && listed)
        rc = check_rules(server, requester, room_id, arena, err);
    if (rc == 0)
        rc = mx_room_list_set(server, room_id, listed, err);
    if (rc == 0 && listed)
        mx_stats_settle(server, room_id);
    mx_published_forget(server);
    return rc;
}
