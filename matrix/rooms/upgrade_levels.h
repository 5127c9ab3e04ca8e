/* matrix/rooms/upgrade_levels.h: power levels in a room that is replaced, and in the one that replaces it. Pure. */
#ifndef MX_ROOMS_UPGRADE_LEVELS_H
#define MX_ROOMS_UPGRADE_LEVELS_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/room_version.h>

/* The old levels for a room of the version: numbers written as text become numbers, what is no number goes; where
 * creators stand above all levels they are not listed. content: a power levels event's. creators: NULL-ended. */
struct mx_json *mx_levels_for_version(const struct mx_json *content, const struct mx_room_version *version,
                                      const struct gg_str *creators, size_t n_creators, struct gg_arena *arena);
/* The same with the user raised to what it takes to send all of the room's state; NULL: they stand high enough. */
struct mx_json *mx_levels_raised(const struct mx_json *levels, struct gg_str user_id, struct gg_arena *arena);
/* Nobody below a moderator speaks or invites any more; NULL: that is so already. */
struct mx_json *mx_levels_restricted(const struct mx_json *content, struct gg_arena *arena);

#endif
