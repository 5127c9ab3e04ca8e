/* cited.c: the rules for the events that an event cites as its authorisation (rule "Considering the event's
 * auth_events"). */
#include "internal.h"

static bool is_wanted(const struct mx_event *cited, const struct mx_auth_wanted *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (gg_str_eq(cited->type, wanted[i].type) && cited->state_key.s &&
            gg_str_eq(cited->state_key, wanted[i].state_key))
            return true;
    return false;
}

/* Version 12 implies the create event by the room id (mx_event lists it); it is no citation that the selection names.
 */
static bool is_implied(const struct mx_event *event, const struct mx_event *cited)
{
    return event->version->room_id_is_hash && mx_event_is(cited, "m.room.create", "") &&
           gg_str_eq(cited->room_id, event->room_id);
}

static int check_one(const struct mx_event *event, const struct mx_event *const *auth, size_t i,
                     const struct mx_auth_wanted *wanted, size_t n_wanted, struct gg_error *err)
{
    const struct mx_event *cited = auth[i];
    if (!gg_str_eq(cited->room_id, event->room_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", "auth event %.*s is of another room", GG_FMT(cited->event_id));
    if (cited->meta.rejected.s)
        return gg_refuse(err, 403, "M_FORBIDDEN", "auth event %.*s was rejected", GG_FMT(cited->event_id));
    if (!is_wanted(cited, wanted, n_wanted) && !is_implied(event, cited))
        return gg_refuse(err, 403, "M_FORBIDDEN", "auth event %.*s is not one that this event may cite",
                         GG_FMT(cited->event_id));
    for (size_t k = 0; k < i; k++)
        if (gg_str_eq(auth[k]->type, cited->type) && gg_str_eq(auth[k]->state_key, cited->state_key))
            return gg_refuse(err, 403, "M_FORBIDDEN", "auth events name one piece of state twice");
    return 0;
}

int mx_auth_check_events(const struct mx_event *event, const struct mx_event *const *auth, size_t n,
                         struct gg_error *err)
{
    struct mx_auth_wanted *wanted;
    struct gg_arena *arena;
    size_t n_wanted;
    bool create = false;
    int rc = 0;
    if (gg_str_is(event->type, "m.room.create"))
        return mx_auth_create(event, err);
    arena = gg_arena_new();
    n_wanted =
        mx_auth_select(event->version, event->type, event->state_key, event->sender, event->content, arena, &wanted);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = check_one(event, auth, i, wanted, n_wanted, err);
        create = create || mx_event_is(auth[i], "m.room.create", "");
    }
    gg_arena_free(arena);
    if (rc == 0 && !create)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "No create event in auth events");
    return rc;
}
