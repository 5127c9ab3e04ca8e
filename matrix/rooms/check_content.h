/* matrix/rooms/check_content.h: what the content of an event must hold for us to send it, beyond the auth rules. */
#ifndef MX_ROOMS_CHECK_CONTENT_H
#define MX_ROOMS_CHECK_CONTENT_H

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/room_version.h>

struct mx_new_content {
    const struct mx_room_version *version;
    const char *server;           /* ours */
    struct gg_str type, state_key; /* state_key s NULL: a message */
    struct gg_str content;        /* JSON object text (checked) */
};
/* Only for events of our own users: what others send is judged by the auth rules alone. 0, or what Synapse refuses with:
 * 400, 413 M_TOO_LARGE. */
GG_CHECKED int mx_check_content(const struct mx_new_content *event, struct gg_arena *arena, struct gg_error *err);

#endif
