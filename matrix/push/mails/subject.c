/* subject.c: the subject of a mail, in the operator's words (email.subjects). */
#include "accounts/mail.h"
#include "push/mails/room.h"

#include <ganglion/config.h>

struct words {
    const char *subject; /* which of email.subjects */
    struct gg_str person, room;
};

static bool is_one_person(const struct mx_mail_room *room)
{
    for (size_t i = 1; i < room->n; i++)
        if (!gg_str_eq(room->events[i]->sender, room->events[0]->sender))
            return false;
    return true;
}

static void of_invite(const struct mx_mail_room *room, struct words *w)
{
    w->room = room->name;
    w->subject = room->name.s == NULL ? "invite_from_person"
                 : room->space        ? "invite_from_person_to_space"
                                      : "invite_from_person_to_room";
}

/* A room that is called after those who are there is not named: "from Bob in the Bob room". */
static void of_messages(const struct mx_mail_room *room, struct words *w)
{
    w->room = room->name;
    if (room->n == 1)
        w->subject = room->name.s != NULL ? "message_from_person_in_room" : "message_from_person";
    else if (room->name.s != NULL)
        w->subject = "messages_in_room";
    else
        w->subject = is_one_person(room) ? "messages_from_person" : "messages_from_person_and_others";
}

int mx_mail_subject(struct mx_server *server, const char *app, const struct mx_mail_room *rooms, size_t n,
                    struct gg_arena *arena, const char **out, struct gg_error *err)
{
    struct words w = {.subject = "messages_in_room_and_others", .room = rooms->title};
    const struct mx_event *first = rooms->invite != NULL ? rooms->invite : rooms->events[0];
    int rc = mx_mail_member(server, rooms, first->sender, arena, &w.person, NULL, err);
    if (rc < 0)
        return rc;
    if (n == 1 && rooms->invite != NULL)
        of_invite(rooms, &w);
    else if (n == 1)
        of_messages(rooms, &w);
    const struct mx_page_value values[] = {{"app", gg_str(app)}, {"person", w.person}, {"room", w.room}, {"space", w.room},
                                           {"server_name", gg_str(server->name)}};
    const char *text = gg_config_text(server->config, gg_arena_printf(arena, "email.subjects.%s", w.subject));
    *out = mx_mail_fill_in(text, values, GG_COUNT(values), arena);
    return 0;
}
