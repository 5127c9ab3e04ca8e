/* matrix/federation/edu_room.c: may a server say something of one of its users in a room? */
#include "federation/edu_room.h"

#include "rooms/server_acl.h"

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/id.h>

bool mx_edu_user(const char *origin, struct gg_str user_id)
{
    return user_id.s != NULL && mx_user_id_valid(user_id) && gg_str_is(mx_id_domain(user_id), origin);
}

static int check_acl(struct mx_server *server, const char *origin, const struct mx_head *head, struct gg_arena *arena,
                     bool *allowed, struct gg_error *err)
{
    const struct mx_event *acl;
    int rc = mx_heads_state_event(server, head, "m.room.server_acl", GG_STR(""), arena, &acl, err);
    *allowed = rc == 0 && (acl == NULL || mx_server_acl_lets_in(acl->content, gg_str(origin), arena));
    return rc;
}

int mx_edu_room(struct mx_server *server, const char *origin, struct gg_str room_id, struct gg_arena *arena,
                const struct mx_head **out, struct gg_error *err)
{
    bool allowed = false;
    *out = NULL;
    if (room_id.s == NULL || !mx_room_id_valid(room_id))
        return 0;
    int rc = mx_heads_get(server, room_id, arena, out, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        *out = NULL;
        return 0;
    }
    if (rc == 0)
        rc = check_acl(server, origin, *out, arena, &allowed, err);
    if (rc != 0 || !allowed)
        *out = NULL;
    return rc;
}

int mx_edu_joined(struct mx_server *server, const struct mx_head *head, struct gg_str user_id, struct gg_arena *arena, bool *out,
                  struct gg_error *err)
{
    struct gg_str membership;
    int rc = mx_heads_membership(server, head, user_id, arena, &membership, err);
    *out = rc == 0 && gg_str_is(membership, "join");
    return rc;
}
