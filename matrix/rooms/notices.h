/* matrix/rooms/notices.h: messages of the server to its users (server_notices of the configuration), each user's in a room of
 * their own. */
#ifndef MX_ROOMS_NOTICES_H
#define MX_ROOMS_NOTICES_H

#include <ganglion/matrix/rooms.h>

/* Does the configuration name who speaks? */
bool mx_notices_on(const struct mx_server *server);
/* Their user id, in the arena; s NULL: nobody. */
struct gg_str mx_notice_speaker(const struct mx_server *server, struct gg_arena *arena);
/* The room in which the user is, or to which they are invited, and in which the server speaks; s NULL: there is none. */
GG_YIELDS GG_CHECKED int mx_notice_room(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                        struct gg_str *out, struct gg_error *err);
/* What a transaction of an administrator came to, by a key of their own; s NULL: it is not known. Kept in memory, within a
 * bound, by the one process that is asked. Borrowed until the next yield. */
struct gg_str mx_notice_sent(struct mx_server *server, struct gg_str key);
void mx_notice_keep(struct mx_server *server, struct gg_str key, struct gg_str event_id);
/* Sends an event into the user's room for notices, which is made, tagged m.server_notice, and the user invited (or with
 * auto_join let in) where need be. event: type, state_key and content are looked at. *event_id_out in the arena. */
GG_YIELDS GG_CHECKED int mx_notice_send(struct mx_server *server, struct gg_str user_id, const struct mx_new_event *event,
                                        struct gg_arena *arena, struct gg_str *event_id_out, struct gg_error *err);

#endif
