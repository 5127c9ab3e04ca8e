/* matrix/stats/stats.h: what others ask of the statistics. */
#ifndef MX_STATS_STATS_H
#define MX_STATS_STATS_H

#include <ganglion/matrix/server.h>

/* Waits until the process that counts, whichever it is, has counted all that is in the room so far: the public list shows
 * rooms by their statistics, and whoever publishes one looks for it there next. A quarter of a second at most; that it
 * has not come by then is no failure. */
GG_YIELDS void mx_stats_settle(struct mx_server *server, struct gg_str room_id);

#endif
