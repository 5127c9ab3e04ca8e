/* ganglion/matrix/work_off.h: what is counted or listed along the changes of rooms, a moment after them.
 *
 * For work that nobody waits for (statistics, the directory of users): it keeps in the database how far it is, and is done
 * for all that came in a moment together, since each round costs a transaction however little it works off. */
#ifndef GANGLION_MATRIX_WORK_OFF_H
#define GANGLION_MATRIX_WORK_OFF_H

#include <ganglion/matrix/server.h>

/* Works off some of what is there up to a position of the events stream. *more: there may be others. */
typedef int mx_work_off_fn(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more, struct gg_error *err);

struct mx_work_off;
/* Follows the events stream; does no I/O. what: for the log. Made before the streams start, freed after they ended. */
GG_API struct mx_work_off *mx_work_off_new(struct mx_server *server, const char *what, mx_work_off_fn *advance);
/* Until the fiber is cancelled: what is there now, and from then on what comes. A failure is logged and tried again. */
GG_API GG_YIELDS void mx_work_off_run(struct mx_work_off *work);
GG_API void mx_work_off_free(struct mx_work_off *work); /* NULL is fine */

#endif
