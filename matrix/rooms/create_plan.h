/* matrix/rooms/create_plan.h: a room that is being made: the request read and checked, its events in memory, then written.
 * createRoom and the upgrade of a room share it. */
#ifndef MX_ROOMS_CREATE_PLAN_H
#define MX_ROOMS_CREATE_PLAN_H

#include "rooms/create.h"
#include "rooms/third_party.h"

struct mx_room_plan {
    struct mx_chain *chain;
    struct mx_json *body;
    const struct mx_preset *preset;
    const struct mx_room_version *version;
    struct gg_str alias;            /* s NULL: none */
    struct gg_str creator;
    const struct mx_json *invites, *initial_state;
    struct mx_third_party *third_party; /* invited by address, once the room stands */
    size_t n_third_party;
    bool is_public, is_direct;
    bool upgrade;                   /* made by us of an older room: its place on the public list is not asked for anew */
};

/* Reads p->body; 400 and 403 as clients are told. */
GG_YIELDS GG_CHECKED int mx_room_plan_read(struct mx_room_plan *p, struct gg_error *err);
/* Adds all events to the chain, which has begun. */
GG_YIELDS GG_CHECKED int mx_room_plan_add_events(struct mx_room_plan *p, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_room_plan_add(struct mx_room_plan *p, const char *type, struct gg_str state_key,
                                          const struct mx_json *content, struct gg_error *err);
/* The rows of the room and its alias, and the chain. *taken: the room id is in use: nothing was written. */
GG_YIELDS GG_CHECKED int mx_room_plan_write(struct mx_room_plan *p, bool *taken, struct gg_error *err);
/* Does the list of those who are invited name its i-th user before? */
bool mx_room_plan_named_before(const struct mx_room_plan *p, uint32_t i);
/* An id for a room of the version; s NULL where it is a hash. */
struct gg_str mx_room_id_draw(struct mx_server *server, const struct mx_room_version *version, struct gg_arena *arena);

#endif
