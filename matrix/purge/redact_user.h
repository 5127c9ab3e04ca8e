/* matrix/purge/redact_user.h: all that a user sent is redacted, as a task. */
#ifndef MX_PURGE_REDACT_USER_H
#define MX_PURGE_REDACT_USER_H

#include <jansson.h>

#include "tasks/tasks.h"

#define MX_REDACT_ALL_EVENTS "redact_all_events"

void mx_redact_user_make(struct mx_server *server);
/* Rooms that the user is in or banned from: a new list. */
GG_YIELDS GG_CHECKED int mx_redact_user_rooms(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                              json_t **out, struct gg_error *err);
/* Schedules it. params: rooms, user_id, use_admin, reason, limit, before_ts, after_ts; who asks is added. */
GG_YIELDS GG_CHECKED int mx_redact_user(struct mx_server *server, struct gg_str user_id, const struct mx_requester *by,
                                        json_t *params, char id_out[MX_TASK_ID + 1], struct gg_error *err);

#endif
