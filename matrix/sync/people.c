/* matrix/sync/people.c: whom the client began or ceased to share rooms with since its token: what device lists and
 * presence have to tell beside their own streams (client-server API, "Tracking the device list for a user"). */
#include "sync/sync.h"

static void add(struct mx_sync_names *names, struct gg_str name)
{
    names->v[names->n++] = name;
}

static struct mx_sync_names names_for(struct mx_sync *sync, size_t n)
{
    return (struct mx_sync_names){GG_NEW_ARRAY(sync->arena, struct gg_str, n + 1), 0};
}

/* Of the events that the client is shown: Synapse tells no more either. */
static void look_at(struct mx_sync *sync, size_t at)
{
    const struct mx_event *e = sync->show.events[at], *before = sync->show.replaced[at];
    if (e == NULL || !gg_str_is(e->type, "m.room.member") || e->state_key.s == NULL)
        return;
    if (gg_str_is(e->membership, "join") || gg_str_is(e->membership, "invite"))
        add(&sync->came, e->state_key);
    else if (before != NULL && gg_str_is(before->membership, "join"))
        add(&sync->went, e->state_key);
}

void mx_sync_find_people(struct mx_sync *sync)
{
    size_t shown = 0;
    for (size_t i = 0; i < sync->n; i++)
        shown += sync->rooms[i].n_timeline + sync->rooms[i].n_state;
    sync->joined_rooms = names_for(sync, sync->n);
    sync->left_rooms = names_for(sync, sync->n);
    sync->came = names_for(sync, shown);
    sync->went = names_for(sync, shown);
    for (size_t i = 0; sync->query->has_since && i < sync->n; i++) {
        const struct mx_sync_room *r = &sync->rooms[i];
        if (r->kind == MX_SYNC_JOIN && r->newly_joined)
            add(&sync->joined_rooms, r->room->room_id);
        if (r->kind == MX_SYNC_LEAVE && r->newly_left)
            add(&sync->left_rooms, r->room->room_id);
        for (size_t k = 0; r->kind == MX_SYNC_JOIN && k < r->n_timeline + r->n_state; k++)
            look_at(sync, r->shown_at + k);
    }
}
