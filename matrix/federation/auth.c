/* matrix/federation/auth.c: an event against a handful of state events. */
#include "federation/place.h"

const struct mx_event *mx_fed_auth_lookup(void *arg, struct gg_str type, struct gg_str state_key)
{
    const struct mx_fed_auth *auth = arg;
    for (size_t i = 0; i < auth->n; i++)
        if (auth->events[i]->state_key.s && gg_str_eq(auth->events[i]->type, type) &&
            gg_str_eq(auth->events[i]->state_key, state_key))
            return auth->events[i];
    return NULL;
}

int mx_fed_auth_check(const struct mx_event *event, const struct mx_fed_auth *auth, struct gg_error *err)
{
    const struct mx_event *create = mx_event_is(event, "m.room.create", "") ? NULL : auth->create;
    return mx_auth_check(event, create, mx_fed_auth_lookup, (void *)(uintptr_t)auth, err);
}

int mx_fed_auth_of_state(struct mx_server *server, const struct mx_event *event, const struct mx_state *state,
                         struct gg_arena *arena, struct mx_fed_auth *out, struct gg_error *err)
{
    struct mx_auth_wanted *wanted;
    size_t n = mx_auth_select(event->version, event->type, event->state_key, event->sender, event->content, arena, &wanted);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    size_t n_ids = 0;
    *out = (struct mx_fed_auth){0};
    for (size_t i = 0; i < n; i++) {
        struct gg_str id = mx_state_get(state, wanted[i].type, wanted[i].state_key);
        if (id.s && !gg_str_is(wanted[i].type, "m.room.create"))
            ids[n_ids++] = gg_arena_str(arena, id);
    }
    struct gg_str create = mx_state_get(state, GG_STR("m.room.create"), GG_STR(""));
    if (create.s)
        ids[n_ids++] = gg_arena_str(arena, create); /* version 12 does not select it, and is judged by it all the same */
    const struct mx_event **found = GG_NEW_ARRAY(arena, const struct mx_event *, n_ids + 1);
    int rc = mx_store_events(server, ids, n_ids, true, arena, found, err);
    out->events = found;
    for (size_t i = 0; rc == 0 && i < n_ids; i++) {
        if (!found[i])
            continue;
        if (create.s && i == n_ids - 1)
            out->create = found[i];
        found[out->n++] = found[i];
    }
    return rc;
}
