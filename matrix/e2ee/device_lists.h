/* matrix/e2ee/device_lists.h: who hears that somebody's devices or keys changed (client-server API, "Tracking the device
 * list for a user"). */
#ifndef MX_E2EE_DEVICE_LISTS_H
#define MX_E2EE_DEVICE_LISTS_H

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/token.h>

struct mx_device_lists {
    const struct gg_str *changed, *left; /* user ids in the arena, each once */
    size_t n_changed, n_left;
};
/* Between two tokens, for a user and all rooms that they have to do with (mx_heads_rooms_of, in its order): `changed`: users whose
 * devices or keys changed and who share a room with them, those who came into a shared room since, and whom they signed
 * themselves; `left`: users who share no room with them any more. Reads nothing when nothing of it happened. */
GG_YIELDS GG_CHECKED int mx_device_lists_between(struct mx_server *server, struct gg_str user_id,
                                                 const struct mx_user_room *rooms, size_t n, const struct mx_token *from,
                                                 const struct mx_token *to, struct gg_arena *arena,
                                                 struct mx_device_lists *out, struct gg_error *err);

/* A local user signed keys of others (user ids): tells their own devices, by way of a device_lists writer. */
GG_YIELDS GG_CHECKED int mx_signatures_changed(struct mx_server *server, struct gg_str user_id, const struct gg_str *of,
                                               size_t n, struct gg_error *err);

#endif
