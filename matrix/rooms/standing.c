/* matrix/rooms/standing.c: suspended and shadow-banned users. */
#include "rooms/standing.h"

#include <ganglion/fiber.h>
#include <ganglion/matrix/store.h>

enum { PRETEND_MS = 1000, PRETEND_SPREAD_MS = 2000, EVENT_LETTERS = 43 };

static int refuse(struct gg_error *err, const char *what)
{
    return gg_refuse(err, 403, "M_USER_SUSPENDED", "%s while account is suspended is not allowed.", what);
}

int mx_standing_send(struct mx_server *server, const struct mx_requester *requester, const struct mx_new_event *event,
                     struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_event *target;
    if (!requester->suspended)
        return 0;
    if (!gg_str_is(event->type, "m.room.redaction") || !event->redacts.s)
        return refuse(err, "Sending messages");
    int rc = mx_store_event(server, event->redacts, arena, &target, err);
    if (rc == 0 && !gg_str_is(target->sender, requester->user_id))
        return gg_refuse(err, 403, "M_USER_SUSPENDED",
                         "You can only redact your own events while account is suspended.");
    return rc;
}

int mx_standing_change(const struct mx_requester *requester, const struct mx_membership_change *change,
                       struct gg_error *err)
{
    static const struct {
        const char *membership, *what;
    } table[] = {
        {"join", "Joining rooms"},
        {"knock", "Knocking on rooms"},
        {"invite", "Sending invites"},
        {"ban", "Changing membership"},
    };
    for (size_t i = 0; requester->suspended && i < GG_COUNT(table); i++)
        if (gg_str_is(change->membership, table[i].membership))
            return refuse(err, table[i].what);
    if (requester->suspended && change->action && strcmp(change->action, "kick") == 0)
        return refuse(err, "Changing membership");
    return 0;
}

int mx_standing_create(const struct mx_requester *requester, struct gg_error *err)
{
    return requester->suspended ? refuse(err, "Sending messages") : 0;
}

int mx_standing_pretend(struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err)
{
    uint16_t draw;
    char *id = gg_arena_alloc(arena, EVENT_LETTERS + 2);
    gg_random_bytes(&draw, sizeof draw);
    int rc = gg_sleep(PRETEND_MS + draw % PRETEND_SPREAD_MS);
    if (rc < 0)
        return gg_fail(err, rc, "cancelled");
    id[0] = '$';
    gg_random_text(id + 1, EVENT_LETTERS, GG_LETTERS);
    *event_id_out = gg_strn(id, EVENT_LETTERS + 1);
    return 0;
}
