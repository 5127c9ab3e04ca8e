/* matrix/sliding/labels.h: what a user's account data says of rooms: which are direct (m.direct), and their tags. */
#ifndef MX_SLIDING_LABELS_H
#define MX_SLIDING_LABELS_H

#include "sliding/request.h"

#include <ganglion/matrix/server.h>

struct mx_room_labels;
void mx_room_labels_make(struct mx_server *server); /* the cache */
/* From memory while the user's account data does not change; the arena holds it. */
GG_YIELDS GG_CHECKED int mx_room_labels(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                        const struct mx_room_labels **out, struct gg_error *err);
bool mx_room_is_direct(const struct mx_room_labels *labels, struct gg_str room_id);
/* Has the room one of these tags? */
bool mx_room_has_tag(const struct mx_room_labels *labels, struct gg_str room_id, const struct mx_texts *tags);

#endif
