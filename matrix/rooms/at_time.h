/* matrix/rooms/at_time.h: the event of a room that is nearest to a moment (spec "Jump to date"). */
#ifndef MX_ROOMS_AT_TIME_H
#define MX_ROOMS_AT_TIME_H

#include <ganglion/matrix/store.h>

/* The first one at or after ts, or the last one at or before it, by origin_server_ts. *event_id_out in the arena, s NULL:
 * there is none. */
GG_YIELDS GG_CHECKED int mx_event_at_time(struct mx_server *server, struct gg_str room_id, int64_t ts, bool backwards,
                                          struct gg_arena *arena, struct gg_str *event_id_out, int64_t *ts_out,
                                          struct gg_error *err);

#endif
