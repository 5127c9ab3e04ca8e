/* history.c: old history goes, batch by batch; a killed process's successor goes on behind the last one. */
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/json.h>
#include <stdlib.h>

#include "purge/purge.h"
#include "storage/purge/purge.h"

static struct gg_logger logger = {"ganglion.purge"};

enum { PAUSE_MS = 5 }; /* between batches: others want the database too */

#define LOCK "purge_pagination_lock"

/* params {"token":"t<depth>-<stream>","delete_local_events":bool}; result, while it runs: how far it is. */
static int read_task(const struct mx_task *task, struct gg_arena *arena, struct mx_purge_batch *b, struct gg_error *err)
{
    struct gg_str token = mx_json_string(mx_json_get(task->params, "token"), arena);
    char *end = NULL;
    if (!task->resource_id.s || !token.s || token.n < 2 || token.s[0] != 't')
        return gg_fail(err, GG_E_INVALID, "Not enough parameters passed to _purge_history");
    b->room_id = task->resource_id;
    b->depth = strtoll(gg_arena_strndup(arena, token.s + 1, token.n - 1), &end, 10);
    b->local_too = mx_json_true(mx_json_get(task->params, "delete_local_events"));
    b->at_depth = b->at_stream = INT64_MIN;
    if (!end || *end != '-')
        return gg_fail(err, GG_E_INVALID, "the purge point is no position in history");
    int64_t depth, stream;
    if (task->result.s && mx_json_i64(mx_json_get(task->result, "depth"), &depth) &&
        mx_json_i64(mx_json_get(task->result, "stream"), &stream)) {
        b->at_depth = depth;
        b->at_stream = stream;
    }
    return 0;
}

static int check_point(struct mx_server *server, const struct mx_purge_batch *b, struct gg_error *err)
{
    int64_t deepest;
    int status = mx_purge_deepest(server, b->room_id, &deepest, err);
    if (!status && deepest && deepest < b->depth) /* nothing would be left to build on */
        return gg_refuse(err, 400, "M_UNKNOWN", "topological_ordering is greater than forward extremities");
    return status;
}

static int run_batches(struct mx_server *server, const struct mx_task *task, struct mx_purge_batch *b, struct gg_error *err)
{
    size_t total = 0;
    for (;;) {
        char progress[128];
        int status = mx_purge_history_batch(server, b, err);
        if (status || !b->n) {
            gg_info(&logger, "%zu events of %.*s were purged", total, GG_FMT(b->room_id));
            return status;
        }
        total += b->n;
        snprintf(progress, sizeof(progress), "{\"depth\":%lld,\"stream\":%lld,\"events\":%zu}", (long long)b->at_depth,
                 (long long)b->at_stream, total);
        status = mx_task_progress(server, task->id, gg_str(progress), err);
        if (!status && gg_sleep(PAUSE_MS))
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
        if (status)
            return status;
    }
}

static int run_task(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena, struct gg_str *result_out,
                    struct gg_error *err)
{
    struct mx_purge_batch b = {0};
    struct gg_lock *lock = NULL;
    int status = read_task(task, arena, &b, err);
    if (!status)
        status = check_point(server, &b, err);
    if (!status)
        status = gg_rwlock_acquire(server->host, LOCK, task->resource_id.s, true, &lock, err);
    if (!status)
        status = run_batches(server, task, &b, err);
    if (!status)
        status = mx_purge_history_end(server, b.room_id, err);
    gg_lock_release(lock);
    return status;
}

int mx_purge_history(struct mx_server *server, struct gg_str room_id, int64_t depth, int64_t stream, bool local_too,
                     char id_out[MX_TASK_ID + 1], struct gg_error *err)
{
    char params[128];
    snprintf(params, sizeof(params), "{\"token\":\"t%lld-%lld\",\"delete_local_events\":%s}", (long long)depth,
             (long long)stream, local_too ? "true" : "false");
    return mx_task_schedule(server, MX_PURGE_HISTORY, room_id, gg_str(params), 0, id_out, err);
}

void mx_purge_history_make(struct mx_server *server)
{
    mx_task_on(server, MX_PURGE_HISTORY, run_task);
}
