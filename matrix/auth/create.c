/* create.c: rule 1: m.room.create. */
#include "internal.h"

/* Version 12: additional_creators is a list of user ids. */
static bool creators_fit(struct gg_str list, struct gg_arena *arena)
{
    if (!mx_json_is_array(list))
        return false;
    for (struct mx_json_iter it = mx_json_iter(list); mx_json_next(&it);)
        if (!mx_user_id_valid(mx_json_string(it.value, arena)))
            return false;
    return true;
}

static int check_content(const struct mx_event *event, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str version = mx_json_get(event->content, "room_version"), more;
    if (version.s && !mx_room_version_find(mx_json_string(version, arena)))
        return gg_refuse(err, 403, "M_FORBIDDEN", "room appears to have unsupported version %.*s",
                         (int)(version.n < 64 ? version.n : 64), version.s);
    if (!event->version->implicit_creator && !mx_json_get(event->content, "creator").s)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Create event lacks a 'creator' property");
    more = mx_json_get(event->content, "additional_creators");
    if (event->version->creators_privileged && more.s && !creators_fit(more, arena))
        return gg_refuse(err, 403, "M_FORBIDDEN", "additional_creators is no list of user ids");
    return 0;
}

int mx_auth_create(const struct mx_event *event, struct gg_error *err)
{
    struct gg_arena *arena;
    int rc;
    if (event->n_prev)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Create event has prev_events");
    if (event->version->room_id_is_hash) {
        if (mx_json_get(event->json, "room_id").s)
            return gg_refuse(err, 403, "M_FORBIDDEN", "Create event has a room_id");
    } else if (!gg_str_eq(mx_id_domain(event->room_id), mx_id_domain(event->sender))) {
        return gg_refuse(err, 403, "M_FORBIDDEN", "Creation event's room_id domain does not match sender's");
    }
    arena = gg_arena_new();
    rc = check_content(event, arena, err);
    gg_arena_free(arena);
    return rc;
}
