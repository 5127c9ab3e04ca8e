/* matrix/federation/edu_room.h: may a server say something of one of its users in a room? */
#ifndef MX_FEDERATION_EDU_ROOM_H
#define MX_FEDERATION_EDU_ROOM_H

#include <ganglion/matrix/heads.h>
#include <jansson.h>

/* Is it a valid id of one of the origin's users? */
bool mx_edu_user(const char *origin, struct gg_str user_id);
/* The room, if we are in it and its ACL lets the origin in (client-server API, "Server ACLs"); *out NULL: it may not. */
GG_YIELDS GG_CHECKED int mx_edu_room(struct mx_server *server, const char *origin, struct gg_str room_id,
                                     struct gg_arena *arena, const struct mx_head **out, struct gg_error *err);
/* Is the user joined? */
GG_YIELDS GG_CHECKED int mx_edu_joined(struct mx_server *server, const struct mx_head *head, struct gg_str user_id,
                                       struct gg_arena *arena, bool *out, struct gg_error *err);
/* A member that is a text; s NULL: it is not. */
static inline struct gg_str mx_edu_text(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);
    return json_is_string(v) ? gg_strn(json_string_value(v), json_string_length(v)) : (struct gg_str){0};
}

#endif
