/* matrix/rooms/retention.h: how long a room's messages live (retention of the configuration, m.room.retention). */
#ifndef MX_ROOMS_RETENTION_H
#define MX_ROOMS_RETENTION_H

#include <ganglion/matrix/server.h>

void mx_retention_make(struct mx_server *server);
/* How long the room's messages are shown, in ms; 0: for ever. From this process's cache, or the database. */
GG_YIELDS GG_CHECKED int mx_retention_of(struct mx_server *server, struct gg_str room_id, int64_t *max_ms, struct gg_error *err);
/* The same when messages are purged: the server's own bounds (allowed_lifetime_*) come first. 0: never. Pure. */
int64_t mx_retention_bounded(const struct gg_config *config, int64_t max_ms);
/* What rooms have that say nothing themselves; 0: no limit. */
int64_t mx_retention_default(const struct gg_config *config);

#endif
