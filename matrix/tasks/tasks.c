/* tasks.c: schedules tasks, and runs them where background work belongs. */
#include "tasks/tasks.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "parts.h"
#include "storage/tasks.h"

static struct gg_logger logger = {"ganglion.tasks"};

enum { SCAN_MS = 60000, ACTIONS_MAX = 32 };

struct action {
    const char *name;
    mx_task_fn *fn;
};

struct mx_tasks {
    struct action actions[ACTIONS_MAX];
    size_t n_actions;
    size_t most;             /* tasks at once */
    struct gg_map *running;  /* id -> struct running */
    struct gg_scope *scope;
    bool scanning, again;    /* one look at the table at a time; what came meanwhile asks for another */
};

/* A task that is at work; owned by its fiber. */
struct running {
    struct mx_server *server;
    struct gg_arena *arena;
    struct mx_task task;
    mx_task_fn *fn;
    struct gg_fiber *fiber;
    bool cancelled; /* by CANCEL_TASK, not because the process ends */
};

void mx_task_on(struct mx_server *server, const char *action, mx_task_fn *fn)
{
    struct mx_tasks *t = server->tasks;
    GG_ASSERT(t->n_actions < ACTIONS_MAX);
    t->actions[t->n_actions++] = (struct action){action, fn};
}

static mx_task_fn *find_action(const struct mx_tasks *t, struct gg_str name)
{
    for (size_t i = 0; i < t->n_actions; i++)
        if (gg_str_is(name, t->actions[i].name))
            return t->actions[i].fn;
    return NULL;
}

/* ---- running ---- */

static void wake(struct mx_server *server);

static void finish(struct running *r, int status, struct gg_str result, const struct gg_error *failure)
{
    struct gg_error err = GG_ERROR_INIT;
    if (status && gg_cancelled() && !r->cancelled)
        return; /* the process ends: it stays active for the next one */
    gg_shield_begin();
    if (status)
        gg_warn(&logger, "task %s (%s) failed: %s", r->task.id.s, r->task.action.s, failure->message);
    if (mx_tasks_end(r->server, r->task.id, result, status ? failure->message : NULL, &err))
        gg_warn(&logger, "the end of task %s could not be noted: %s", r->task.id.s, err.message);
    gg_shield_end();
}

static void run_task(void *arg)
{
    struct running *r = arg;
    struct mx_server *server = r->server;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str result = {0};
    bool begun = false;
    int status = mx_tasks_begin(server, r->task.id, &begun, &err);
    if (!status && begun)
        status = r->fn(server, &r->task, r->arena, &result, &err);
    if (begun)
        finish(r, status, result, &err);
    else if (status && !gg_cancelled())
        gg_warn(&logger, "task %s (%s) could not begin: %s", r->task.id.s, r->task.action.s, err.message);
    gg_map_delete(server->tasks->running, r->task.id);
    gg_arena_free(r->arena); /* r lives in it */
    wake(server); /* there is room for another */
}

static struct gg_str copy(struct gg_arena *arena, struct gg_str s)
{
    return s.s ? gg_str(gg_arena_strndup(arena, s.s, s.n)) : s;
}

static void start(struct mx_server *server, const struct mx_task *task)
{
    struct mx_tasks *t = server->tasks;
    if (gg_map_has(t->running, task->id) || gg_map_count(t->running) >= t->most)
        return;
    struct gg_arena *arena = gg_arena_new();
    struct running *r = GG_NEW(arena, struct running);
    *r = (struct running){.server = server, .arena = arena, .task = *task, .fn = find_action(t, task->action)};
    struct gg_str *const texts[] = {&r->task.id,     &r->task.action, &r->task.status, &r->task.resource_id,
                                    &r->task.params, &r->task.result, &r->task.error};
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        *texts[i] = copy(arena, *texts[i]);
    r->fiber = gg_spawn(t->scope, r->task.action.s, run_task, r);
    if (r->fiber)
        gg_map_put(t->running, r->task.id, r);
    else
        gg_arena_free(arena);
}

static int look(struct mx_server *server, struct gg_error *err)
{
    struct mx_tasks *t = server->tasks;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str actions[ACTIONS_MAX];
    struct mx_task *due;
    size_t n = 0;
    for (size_t i = 0; i < t->n_actions; i++)
        actions[i] = gg_str(t->actions[i].name);
    /* Running ones are among those read: as many again leave room for all that could start. */
    int status = mx_tasks_due(server, actions, t->n_actions, 2 * t->most, arena, &due, &n, err);
    for (size_t i = 0; !status && i < n; i++)
        start(server, &due[i]);
    gg_arena_free(arena);
    return status;
}

static void scan(void *arg)
{
    struct mx_server *server = arg;
    struct mx_tasks *t = server->tasks;
    do {
        struct gg_error err = GG_ERROR_INIT;
        t->again = false;
        if (look(server, &err) && !gg_cancelled())
            gg_warn(&logger, "looking for tasks: %s", err.message);
    } while (t->again && !gg_cancelled());
    t->scanning = false;
}

static void wake(struct mx_server *server)
{
    struct mx_tasks *t = server->tasks;
    if (!t->scope || !gg_host_runs_background(server->host))
        return;
    t->again = true;
    if (!t->scanning)
        t->scanning = gg_spawn(t->scope, "tasks", scan, server) != NULL;
}

static void on_new(void *self, const char *command, struct gg_str rest)
{
    wake(self);
}

static void stop_running(struct mx_server *server, struct gg_str id)
{
    struct running *r = gg_map_get(server->tasks->running, id);
    if (!r || r->cancelled)
        return;
    r->cancelled = true;
    gg_cancel(r->fiber);
}

static void on_cancel(void *self, const char *command, struct gg_str rest)
{
    stop_running(self, rest);
}

static void scan_job(void *arg)
{
    wake(arg);
}

/* ---- scheduling ---- */

int mx_task_schedule(struct mx_server *server, const char *action, struct gg_str resource_id, struct gg_str params,
                     int64_t at_ms, char *id_out, struct gg_error *err)
{
    char id[MX_TASK_ID + 1];
    gg_random_text(id, MX_TASK_ID, GG_LETTERS);
    int64_t now = gg_wall_ms();
    struct mx_task task = {.id = gg_str(id),
                           .action = gg_str(action),
                           .timestamp = at_ms ? at_ms : now,
                           .resource_id = resource_id,
                           .params = params};
    int status = mx_tasks_insert(server, &task, err);
    if (status)
        return status;
    if (id_out)
        memcpy(id_out, id, sizeof(id));
    if (task.timestamp > now)
        return 0;
    if (gg_host_runs_background(server->host))
        wake(server);
    else
        gg_repl_send(server->host, "NEW_ACTIVE_TASK", gg_str(id));
    return 0;
}

int mx_task_cancel_all(struct mx_server *server, const char *action, struct gg_str resource_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *ids;
    int status = mx_tasks_cancel(server, action, resource_id, arena, &ids, err);
    for (size_t i = 0; !status && i < gg_rows_count(ids); i++) {
        if (gg_host_runs_background(server->host))
            stop_running(server, gg_rows_str(ids, i, 0));
        else
            gg_repl_send(server->host, "CANCEL_TASK", gg_rows_str(ids, i, 0));
    }
    gg_arena_free(arena);
    return status;
}

/* ---- the part ---- */

static int tasks_make(struct mx_server *server, struct gg_error *err)
{
    struct mx_tasks *t = server->tasks = gg_xcalloc(1, sizeof(*t));
    int64_t most = gg_config_int(server->config, "task_scheduler.max_concurrent_tasks");
    t->most = most > 0 ? (size_t)most : 1;
    t->running = gg_map_new(NULL);
    gg_repl_on_command(server->host, "NEW_ACTIVE_TASK", on_new, server);
    gg_repl_on_command(server->host, "CANCEL_TASK", on_cancel, server);
    gg_host_every(server->host, "tasks", SCAN_MS, true, scan_job, server);
    return 0;
}

/* Only now: what tasks write needs positions. What a killed process left unfinished goes on at once. */
static int tasks_replicated(struct mx_server *server, struct gg_error *err)
{
    server->tasks->scope = gg_scope_new(gg_host_scope(server->host), "tasks");
    wake(server);
    return 0;
}

static void tasks_stop(struct mx_server *server)
{
    struct gg_scope *scope = server->tasks->scope;
    server->tasks->scope = NULL;
    if (scope)
        gg_scope_end(scope);
}

static void tasks_free(struct mx_server *server)
{
    if (!server->tasks)
        return;
    gg_map_free(server->tasks->running);
    free(server->tasks);
    server->tasks = NULL;
}

const struct mx_part mx_part_tasks = {"tasks", tasks_make, NULL, tasks_stop, tasks_free, tasks_replicated};
