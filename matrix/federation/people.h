/* matrix/federation/people.h: what other servers tell of their users: who types, who has read up to where, who is there.
 *
 * Each runs on the process that writes the stream concerned (typing, receipts, presence). What is malformed, or said of
 * users that are not the origin's own, or of rooms that they are not in, is passed over without an error: an origin must
 * not be able to make its own transactions fail (server-server API, "EDUs"). An error is ours: the database is away. */
#ifndef MX_FEDERATION_PEOPLE_H
#define MX_FEDERATION_PEOPLE_H

#include <ganglion/matrix/server.h>
#include <jansson.h>

/* m.typing: {"room_id", "user_id", "typing"}. */
GG_YIELDS GG_CHECKED int mx_fed_edu_typing(struct mx_server *server, const char *origin, const json_t *content,
                                           struct gg_error *err);
/* m.receipt: {room: {"m.read": {user: {"event_ids": [..], "data": {"ts", "thread_id"}}}}}. */
GG_YIELDS GG_CHECKED int mx_fed_edu_receipt(struct mx_server *server, const char *origin, const json_t *content,
                                            struct gg_error *err);
/* m.presence: {"push": [{"user_id", "presence", "last_active_ago", "status_msg", "currently_active"}]}. */
GG_YIELDS GG_CHECKED int mx_fed_edu_presence(struct mx_server *server, const char *origin, const json_t *content,
                                             struct gg_error *err);

#endif
