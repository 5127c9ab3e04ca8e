/* matrix/federation/at_time.h: the event of a room that is nearest to a moment, though we may not hold it yet. */
#ifndef MX_FEDERATION_AT_TIME_H
#define MX_FEDERATION_AT_TIME_H

#include <ganglion/matrix/server.h>

/* As mx_event_at_time; where our copy of the room has a gap beside what it finds, other servers are asked, and what is
 * nearer is fetched and stored. *event_id_out s NULL: nobody knows of one. */
GG_YIELDS GG_CHECKED int mx_fed_event_at_time(struct mx_server *server, struct gg_str room_id, int64_t ts,
                                              bool backwards, struct gg_arena *arena, struct gg_str *event_id_out,
                                              int64_t *ts_out, struct gg_error *err);

#endif
