/* push/mails/room.h: a room as a mail shows it. */
#ifndef MX_PUSH_MAILS_ROOM_H
#define MX_PUSH_MAILS_ROOM_H

#include "push/mails/due.h"
#include "rooms/access.h"

#include <jansson.h>

struct mx_mail_room {
    struct gg_str room_id;
    const struct mx_head *head;     /* NULL: of another server, known by an invite alone */
    struct mx_access access;
    bool readable;                  /* access is filled in */
    bool space;
    struct gg_str name;             /* its name or alias; s NULL: none */
    struct gg_str title;            /* never empty: the name, or who is there */
    struct gg_str avatar_url;       /* s NULL: none */
    const struct mx_event *invite;  /* of the user, if that is what the mail is about; else NULL */
    const struct mx_event **events; /* that notify, oldest first */
    size_t n;
};

/* What is known of the room; events and n are given. n may become 0: there is nothing to tell any more. */
GG_YIELDS GG_CHECKED int mx_mail_room_read(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                           struct mx_mail_room *room, struct gg_error *err);
/* A member's name there, else the user id; *avatar_out (may be NULL): s NULL if there is none. */
GG_YIELDS GG_CHECKED int mx_mail_member(struct mx_server *server, const struct mx_mail_room *room, struct gg_str user_id,
                                        struct gg_arena *arena, struct gg_str *name_out, struct gg_str *avatar_out,
                                        struct gg_error *err);
/* message.c: notifs of the room for the template: [{link, ts, messages: [..]}]; each event with the message before it. */
GG_YIELDS GG_CHECKED int mx_mail_messages(struct mx_server *server, struct gg_str user_id, const struct mx_mail_room *room,
                                          struct gg_arena *arena, json_t **out, struct gg_error *err);
/* subject.c: what the mail is about, as email.subjects words it; app: what users call what they use. The first of the rooms is why it is sent. */
GG_YIELDS GG_CHECKED int mx_mail_subject(struct mx_server *server, const char *app, const struct mx_mail_room *rooms,
                                         size_t n, struct gg_arena *arena, const char **out, struct gg_error *err);
/* Where a browser shows the room, or an event of it (s NULL: the room). */
const char *mx_mail_link(struct mx_server *server, struct gg_str room_id, struct gg_str event_id, struct gg_arena *arena);
/* A number for a text, by which templates choose colours. */
json_int_t mx_mail_hash(struct gg_str text);

#endif
