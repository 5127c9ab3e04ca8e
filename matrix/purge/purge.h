/* matrix/purge/purge.h: purges as tasks (matrix/tasks), under Synapse's names. */
#ifndef MX_PURGE_PURGE_H
#define MX_PURGE_PURGE_H

#include <jansson.h>

#include "tasks/tasks.h"

#define MX_PURGE_HISTORY "purge_history"
#define MX_PURGE_ROOM "purge_room"
#define MX_SHUTDOWN_AND_PURGE_ROOM "shutdown_and_purge_room"

void mx_purge_history_make(struct mx_server *server);
void mx_purge_room_make(struct mx_server *server);

/* Schedules that events below a depth go; stream completes the position that Synapse keeps ("t5-7"). local_too: this
 * server's own messages as well. */
GG_YIELDS GG_CHECKED int mx_purge_history(struct mx_server *server, struct gg_str room_id, int64_t depth, int64_t stream,
                                          bool local_too, char id_out[MX_TASK_ID + 1], struct gg_error *err);

/* Removes a room's rows for good. force: even with local users in it, else 400 M_UNKNOWN. 404 M_NOT_FOUND. */
GG_YIELDS GG_CHECKED int mx_purge_room(struct mx_server *server, struct gg_str room_id, bool force, struct gg_error *err);

/* Ends a room for local users: blocks it, makes another and moves them and its aliases there, as params say
 * (new_room_user_id, new_room_name, message, requester_user_id, block). result: what was done so far, filled in (a
 * borrowed object); note(arg, ...) keeps it after each step, and may be NULL. */
typedef GG_YIELDS int mx_shutdown_note_fn(void *arg, json_t *result, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_room_shutdown(struct mx_server *server, struct gg_str room_id, const json_t *params,
                                          json_t *result, mx_shutdown_note_fn *note, void *arg, struct gg_error *err);
json_t *mx_room_shutdown_result(void); /* nothing done yet: a new reference */

#endif
