/* matrix/tasks/tasks.h: deferred jobs that survive the death of any process (table scheduled_tasks).
 *
 * Any process schedules; the one that `run_background_tasks_on` names runs, at most task_scheduler.max_concurrent_tasks
 * at once. A task whose process died is begun again by the next runner with the progress that it last noted in `result`,
 * so a function must be able to start over at any point. Ended tasks are kept for a week (jobs/ sweeps them). */
#ifndef MX_TASKS_TASKS_H
#define MX_TASKS_TASKS_H

#include <ganglion/matrix/server.h>

/* One row. Texts are in the arena that it was read with, and NUL-terminated; s NULL where the column is NULL. */
struct mx_task {
    struct gg_str id, action, status; /* "scheduled", "active", "complete", "cancelled", "failed" */
    int64_t timestamp;                /* ms: when to start, then of the last change */
    struct gg_str resource_id;        /* user or room */
    struct gg_str params, result;     /* JSON objects; result: progress while active */
    struct gg_str error;
};

/* Carries a task out. *result_out: a JSON object to keep as the result; left as it is, the progress noted last stays. An
 * error ends the task as "failed", but GG_E_CANCELLED because the process ends leaves it active for the next one. */
typedef GG_YIELDS int mx_task_fn(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena,
                                 struct gg_str *result_out, struct gg_error *err);
/* Says what an action means; from a part's make(). action is a constant. */
void mx_task_on(struct mx_server *server, const char *action, mx_task_fn *fn);

enum { MX_TASK_ID = 16 }; /* letters */
/* Stores a task that is due at a time (ms; 0: now) and, when that is now, has the runner look. resource_id, params: s NULL:
 * none. id_out: MX_TASK_ID + 1 bytes, or NULL. */
GG_YIELDS GG_CHECKED int mx_task_schedule(struct mx_server *server, const char *action, struct gg_str resource_id,
                                          struct gg_str params, int64_t at_ms, char *id_out, struct gg_error *err);
/* Notes progress of a running task: a JSON object. */
GG_YIELDS GG_CHECKED int mx_task_progress(struct mx_server *server, struct gg_str id, struct gg_str result,
                                          struct gg_error *err);
/* id.s NULL in *out: there is none. */
GG_YIELDS GG_CHECKED int mx_task_get(struct mx_server *server, struct gg_str id, struct gg_arena *arena,
                                     struct mx_task *out, struct gg_error *err);

/* Which tasks; members that are zero do not restrict. */
struct mx_task_query {
    const char *action;
    struct gg_str resource_id;
    const char *status; /* words with '|' between: "scheduled|active" */
    int64_t before_ms;  /* timestamp at most */
    size_t limit;       /* 0: 1000 */
};
/* Oldest first. */
GG_YIELDS GG_CHECKED int mx_task_list(struct mx_server *server, const struct mx_task_query *query, struct gg_arena *arena,
                                      struct mx_task **out, size_t *n_out, struct gg_error *err);
/* Ends all tasks of the action for the resource that wait or run. The runner stops a running one soon after, at its next
 * wait. */
GG_YIELDS GG_CHECKED int mx_task_cancel_all(struct mx_server *server, const char *action, struct gg_str resource_id,
                                            struct gg_error *err);

#endif
