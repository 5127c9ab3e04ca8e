/* admin_rooms_end.c: history and rooms are purged (admin API, "Purge History API", "Delete Room API"). */
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>

#include "api/admin_rooms.h"
#include "purge/purge.h"
#include "storage/purge/purge.h"

/* ---- history ---- */

static int point_of_event(struct gg_request *rq, struct gg_str room_id, struct gg_str event_id, int64_t *depth,
                          int64_t *stream, struct gg_error *err)
{
    const struct mx_event *event;
    int status = mx_store_event(mx_server_of_request(rq), event_id, gg_request_arena(rq), &event, err);
    if (status)
        return status;
    *depth = event->depth;
    *stream = event->meta.stream_ordering;
    return gg_str_eq(event->room_id, room_id) ? 0 : gg_refuse(err, 400, "M_UNKNOWN", "Event is for wrong room.");
}

/* The event that the path or the body names, or else the time. */
static int read_point(struct gg_request *rq, const json_t *body, struct gg_str room_id, int64_t *depth, int64_t *stream,
                      struct gg_error *err)
{
    const char *in_path = gg_request_param(rq, "event_id");
    const json_t *ts = json_object_get(body, "purge_up_to_ts"), *given = json_object_get(body, "purge_up_to_event_id");
    struct gg_str event_id = in_path ? gg_str(in_path) : mx_text(body, "purge_up_to_event_id");
    if (event_id.s)
        return point_of_event(rq, room_id, event_id, depth, stream, err);
    if (given && !json_is_null(given))
        return gg_refuse(err, 400, "M_BAD_JSON", "purge_up_to_event_id must be a string");
    if (!ts)
        return gg_refuse(err, 400, "M_BAD_JSON", "must specify purge_up_to_event_id or purge_up_to_ts");
    if (!json_is_integer(ts))
        return gg_refuse(err, 400, "M_BAD_JSON", "purge_up_to_ts must be an int");
    return mx_purge_point(mx_server_of_request(rq), room_id, json_integer_value(ts), depth, stream, err);
}

int mx_admin_api_purge_history(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str room_id = gg_str(gg_request_param(rq, "room_id"));
    int64_t depth, stream;
    char id[MX_TASK_ID + 1];
    bool local_too;
    int status = mx_admin_bool(body, "delete_local_events", false, &local_too, err);
    if (!status)
        status = read_point(rq, body, room_id, &depth, &stream, err);
    if (!status)
        status = mx_purge_history(mx_server_of_request(rq), room_id, depth, stream, local_too, id, err);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss}", "purge_id", id));
}

int mx_admin_api_purge_status(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *id = gg_request_param(rq, "purge_id");
    struct mx_task task;
    int status = mx_task_get(mx_server_of_request(rq), gg_str(id), gg_request_arena(rq), &task, err);
    if (!status && !gg_str_is(task.action, MX_PURGE_HISTORY))
        status = gg_refuse(err, 404, "M_NOT_FOUND", "purge id '%.100s' not found", id);
    if (status)
        return status;
    bool ended = gg_str_is(task.status, "complete") || gg_str_is(task.status, "failed");
    json_t *answer = json_pack("{ss}", "status", ended ? task.status.s : "active");
    if (task.error.n)
        json_object_set_new(answer, "error", json_string(task.error.s));
    return gg_reply_json(rq, 200, answer);
}

/* ---- rooms ---- */

/* The parameters of the task, as Synapse keeps them: a new reference. */
static int read_params(struct gg_request *rq, const json_t *body, json_t **out, struct gg_error *err)
{
    static const struct {
        const char *in, *out;
    } texts[] = {{"new_room_user_id", "new_room_user_id"}, {"room_name", "new_room_name"}, {"message", "message"}};
    bool block, purge, force;
    int status = mx_admin_bool(body, "block", false, &block, err);
    if (!status)
        status = mx_admin_bool(body, "purge", true, &purge, err);
    if (!status)
        status = mx_admin_bool(body, "force_purge", false, &force, err);
    for (size_t i = 0; !status && i < GG_COUNT(texts); i++) {
        const json_t *v = json_object_get(body, texts[i].in);
        if (v && !json_is_null(v) && !json_is_string(v))
            status = gg_refuse(err, 400, "M_BAD_JSON", "Param '%s' must be a string, if given", texts[i].in);
    }
    struct gg_str user = mx_text(body, "new_room_user_id");
    if (!status && user.s && (!mx_user_id_valid(user) || !mx_is_mine(mx_server_of_request(rq), user)))
        status = gg_refuse(err, 400, "M_UNKNOWN", "User must be our own: %.*s", GG_FMT(user));
    if (status)
        return status;
    *out = json_pack("{ss sb sb sb}", "requester_user_id", mx_requester_of(rq)->user_id, "block", (int)block, "purge",
                     (int)purge, "force_purge", (int)force);
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        json_t *v = json_object_get(body, texts[i].in);
        json_object_set_new(*out, texts[i].out, v ? json_incref(v) : json_null());
    }
    return 0;
}

static int schedule(struct gg_request *rq, struct gg_str room_id, const json_t *params, char id[MX_TASK_ID + 1],
                    struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct mx_task_query query = {.action = MX_SHUTDOWN_AND_PURGE_ROOM, .resource_id = room_id, .status = "active|scheduled"};
    struct mx_task *live;
    size_t n;
    int status = mx_task_list(server, &query, gg_request_arena(rq), &live, &n, err);
    if (!status && n)
        return gg_refuse(err, 400, "M_UNKNOWN", "Purge already in progress for %.*s", GG_FMT(room_id));
    char *text = json_dumps(params, JSON_COMPACT);
    if (!status)
        status = mx_task_schedule(server, MX_SHUTDOWN_AND_PURGE_ROOM, room_id, gg_str(text), 0, id, err);
    free(text);
    return status;
}

int mx_admin_api_delete_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str room_id;
    json_t *params = NULL;
    char id[MX_TASK_ID + 1];
    int status = mx_admin_room_id(rq, &room_id, err);
    if (!status)
        status = read_params(rq, gg_request_json(rq, err), &params, err);
    if (!status)
        status = schedule(rq, room_id, params, id, err);
    json_decref(params);
    return status ? status : gg_reply_json(rq, 200, json_pack("{ss}", "delete_id", id));
}

/* The old form: answers when all is done. Runs to its end even if the caller goes away. */
int mx_admin_api_delete_room_now(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str room_id;
    json_t *params = NULL, *result = mx_room_shutdown_result();
    int status = mx_admin_room_id(rq, &room_id, err);
    if (!status)
        status = read_params(rq, gg_request_json(rq, err), &params, err);
    if (!status)
        status = mx_room_shutdown(server, room_id, params, result, NULL, NULL, err);
    if (!status && json_is_true(json_object_get(params, "purge")))
        status = mx_purge_room(server, room_id, json_is_true(json_object_get(params, "force_purge")), err);
    if (status == GG_E_NOT_FOUND && json_is_true(json_object_get(params, "block")))
        status = 0;
    json_decref(params);
    if (!status)
        return gg_reply_json(rq, 200, result);
    json_decref(result);
    return status;
}

static json_t *task_json(const struct mx_task *task)
{
    json_t *result = task->result.s ? json_loadb(task->result.s, task->result.n, 0, NULL) : NULL;
    return json_pack("{ss ss? ss so}", "delete_id", task->id.s, "room_id", task->resource_id.s, "status", task->status.s,
                     "shutdown_room", result ? result : json_null());
}

static bool deletes_room(const struct mx_task *task)
{
    return gg_str_is(task->action, MX_SHUTDOWN_AND_PURGE_ROOM) || gg_str_is(task->action, MX_PURGE_ROOM);
}

int mx_admin_api_delete_status(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *id = gg_request_param(rq, "delete_id");
    struct mx_task task;
    int status = mx_task_get(mx_server_of_request(rq), gg_str(id), gg_request_arena(rq), &task, err);
    if (!status && !deletes_room(&task))
        status = gg_refuse(err, 404, "M_NOT_FOUND", "delete id '%.100s' not found", id);
    return status ? status : gg_reply_json(rq, 200, task_json(&task));
}

int mx_admin_api_delete_status_of_room(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_task_query query = {.status = "active|scheduled|complete|failed"};
    struct mx_task *tasks;
    size_t n = 0;
    int status = mx_admin_room_id(rq, &query.resource_id, err);
    if (!status)
        status = mx_task_list(mx_server_of_request(rq), &query, gg_request_arena(rq), &tasks, &n, err);
    if (status)
        return status;
    json_t *results = json_array();
    for (size_t i = 0; i < n; i++)
        if (deletes_room(&tasks[i]))
            json_array_append_new(results, task_json(&tasks[i]));
    if (json_array_size(results))
        return gg_reply_json(rq, 200, json_pack("{so}", "results", results));
    json_decref(results);
    return gg_refuse(err, 404, "M_NOT_FOUND", "No delete task for room_id '%.255s' found", query.resource_id.s);
}
