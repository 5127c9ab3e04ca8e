/* matrix/federation/edu_typing.c: users of other servers type (server-server API, "Typing Notifications"). */
#include "federation/edu_room.h"
#include "federation/people.h"

#include "userdata/typing.h"

/* Their server repeats itself while they type; when it falls silent, they have stopped. */
enum { HEARD_MS = 60 * 1000 };

int mx_fed_edu_typing(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    struct gg_str room_id = mx_edu_text(content, "room_id"), user_id = mx_edu_text(content, "user_id");
    struct gg_arena *arena = gg_arena_new();
    const struct mx_head *head = NULL;
    bool joined = false;
    int rc = mx_edu_user(origin, user_id) ? mx_edu_room(server, origin, room_id, arena, &head, err) : 0;
    if (rc == 0 && head != NULL)
        rc = mx_edu_joined(server, head, user_id, arena, &joined, err);
    if (rc == 0 && joined)
        mx_typing_set(server, room_id, user_id, json_is_true(json_object_get(content, "typing")), HEARD_MS);
    gg_arena_free(arena);
    return rc;
}
