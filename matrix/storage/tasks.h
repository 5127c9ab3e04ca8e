/* storage/tasks.h: the rows of scheduled_tasks, for matrix/tasks alone. */
#ifndef MX_STORAGE_TASKS_H
#define MX_STORAGE_TASKS_H

#include "tasks/tasks.h"

GG_YIELDS GG_CHECKED int mx_tasks_insert(struct mx_server *server, const struct mx_task *task, struct gg_error *err);
/* Those that are due, unfinished ones first, of the actions named. */
GG_YIELDS GG_CHECKED int mx_tasks_due(struct mx_server *server, const struct gg_str *actions, size_t n_actions,
                                      size_t limit, struct gg_arena *arena, struct mx_task **out, size_t *n_out,
                                      struct gg_error *err);
/* *begun: it had not been cancelled meanwhile, and is active now. */
GG_YIELDS GG_CHECKED int mx_tasks_begin(struct mx_server *server, struct gg_str id, bool *begun, struct gg_error *err);
/* Of an active task only: one that was cancelled stays so. result s NULL: as it is. failure NULL: complete. */
GG_YIELDS GG_CHECKED int mx_tasks_end(struct mx_server *server, struct gg_str id, struct gg_str result,
                                      const char *failure, struct gg_error *err);
/* Marks what waits or runs as cancelled; the ids. */
GG_YIELDS GG_CHECKED int mx_tasks_cancel(struct mx_server *server, const char *action, struct gg_str resource_id,
                                         struct gg_arena *arena, struct gg_rows **ids_out, struct gg_error *err);

#endif
