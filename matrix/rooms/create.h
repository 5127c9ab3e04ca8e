/* matrix/rooms/create.h: a new room, from the body of createRoom. */
#ifndef MX_ROOMS_CREATE_H
#define MX_ROOMS_CREATE_H

#include "rooms/chain.h"

/* body: the request's JSON object as text. *room_id_out and *alias_out (s NULL: none) in the arena. */
GG_YIELDS GG_CHECKED int mx_room_create(struct mx_server *server, const struct mx_requester *requester, struct gg_str body,
                                        struct gg_arena *arena, struct gg_str *room_id_out, struct gg_str *alias_out,
                                        struct gg_error *err);

/* What a preset stands for (spec "Creation", table of presets). */
struct mx_preset {
    const char *name, *join_rule, *history_visibility;
    bool guests, trusted_members; /* trusted: invitees get the creator's power */
};
const struct mx_preset *mx_preset_find(struct gg_str name); /* NULL: unknown */

#endif
