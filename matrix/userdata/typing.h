/* matrix/userdata/typing.h: who is typing; in memory of every process, decided by the typing stream's writer. */
#ifndef MX_TYPING_H
#define MX_TYPING_H

#include <ganglion/matrix/heads.h>

struct mx_typing *mx_typing_new(struct mx_server *server);
void mx_typing_free(struct mx_typing *typing);
/* Did the room's set change after this token? */
bool mx_typing_changed(struct mx_server *server, struct gg_str room_id, int64_t from);
/* Calls fn with each room whose set changed after this token. */
void mx_typing_each_changed(struct mx_server *server, int64_t from, void (*fn)(void *arg, struct gg_str room_id), void *arg);
/* The same of all rooms of a user, as mx_changes_mark does. */
void mx_typing_mark(struct mx_server *server, const struct mx_user_rooms *rooms, int64_t from, bool *marks, uint32_t *at,
                    size_t *n);
/* On the typing writer. */
void mx_typing_set(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, bool types, int64_t timeout_ms);
/* Appends ["@a:hs",...]. */
void mx_typing_write(struct mx_server *server, struct gg_str room_id, struct gg_buf *out);

#endif
