/* matrix/userdata/tags.h: a user's tags of a room (client-server API, "Room Tagging"). */
#ifndef MX_USERDATA_TAGS_H
#define MX_USERDATA_TAGS_H

#include <ganglion/matrix/server.h>

/* All tags of the room as the text of {"tag":{...},...}, in the arena. */
GG_YIELDS GG_CHECKED int mx_tags_get(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                     struct gg_arena *arena, struct gg_str *out, struct gg_error *err);
/* May the user tag the room? Only one that they have, or had, to do with: or one user could fill the table with rooms that
 * there are not. */
GG_YIELDS GG_CHECKED int mx_tags_allowed(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                         struct gg_arena *arena, bool *out, struct gg_error *err);
/* On the account_data writer only. content: JSON object text, or s NULL to take the tag away (which a tag that is not
 * there survives). *stream_id: where the change stands in the account_data stream. */
GG_YIELDS GG_CHECKED int mx_tag_set(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str tag,
                                    struct gg_str content, int64_t *stream_id, struct gg_error *err);

#endif
