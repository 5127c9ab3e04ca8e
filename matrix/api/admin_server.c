/* admin_server.c: the server's version, its tasks, and the work on its schema. */
#include "api/admin_server.h"
#include "jobs/updates.h"
#include "tasks/tasks.h"

/* What tools compare: the release whose interfaces we speak. */
#define SPOKEN "1.163.2"

int mx_admin_api_version(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_reply_json(rq, 200, json_pack("{ss}", "server_version", SPOKEN " (Ganglion)"));
}

/* ---- tasks ---- */

static json_t *json_or_null(struct gg_str text)
{
    json_t *v = text.s ? json_loadb(text.s, text.n, 0, NULL) : NULL;
    return v ? v : json_null();
}

static bool status_known(const char *name)
{
    static const char *const known[] = {"scheduled", "active", "complete", "cancelled", "failed"};
    for (size_t i = 0; i < GG_COUNT(known); i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

int mx_admin_api_tasks(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_task_query query = {.action = gg_request_query(rq, "action_name"),
                                  .resource_id = mx_admin_query(rq, "resource_id"),
                                  .status = gg_request_query(rq, "status")};
    struct mx_task *tasks;
    size_t n;
    if (!query.status)
        query.status = gg_request_query(rq, "job_status");
    if (query.status && !status_known(query.status))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter 'status' is unknown");
    int status = gg_request_query_count(rq, "max_timestamp", 0, &query.before_ms, err);
    if (!status)
        status = mx_task_list(mx_server_of_request(rq), &query, gg_request_arena(rq), &tasks, &n, err);
    if (status)
        return status;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{ss ss ss sI ss? so ss?}", "id", tasks[i].id.s, "action", tasks[i].action.s,
                                              "status", tasks[i].status.s, "timestamp_ms", (json_int_t)tasks[i].timestamp,
                                              "resource_id", tasks[i].resource_id.s, "result", json_or_null(tasks[i].result),
                                              "error", tasks[i].error.s));
    return gg_reply_json(rq, 200, json_pack("{so}", "scheduled_tasks", list));
}

/* ---- work on the schema ---- */

int mx_admin_api_updates(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str json;
    int status = mx_updates_status(mx_server_of_request(rq), gg_request_arena(rq), &json, err);
    return status ? status : mx_admin_reply(rq, json, "", err);
}

int mx_admin_api_updates_enabled(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_reply_json(rq, 200, json_pack("{sb}", "enabled", (int)mx_updates_enabled(mx_server_of_request(rq))));
}

/* Jobs that an administrator may ask for, each a list of updates. */
static const struct {
    const char *job;
    struct mx_wanted_update updates[5]; /* ends with a name of NULL */
} start_jobs[] = {
    {"populate_stats_process_rooms", {{"populate_stats_process_rooms", NULL}}},
    {"regenerate_directory",
     {{"populate_user_directory_createtables", NULL},
      {"populate_user_directory_process_rooms", "populate_user_directory_createtables"},
      {"populate_user_directory_process_users", "populate_user_directory_process_rooms"},
      {"populate_user_directory_cleanup", "populate_user_directory_process_users"}}},
};

int mx_admin_api_start_job(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *name = json_object_get(gg_request_json(rq, err), "job_name");
    if (!name)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing params: job_name");
    for (size_t i = 0; i < GG_COUNT(start_jobs); i++) {
        size_t n = 0;
        if (!json_is_string(name) || strcmp(json_string_value(name), start_jobs[i].job) != 0)
            continue;
        while (start_jobs[i].updates[n].name)
            n++;
        int status = mx_updates_queue(mx_server_of_request(rq), start_jobs[i].updates, n, err);
        return status ? status : gg_reply_empty_object(rq);
    }
    return gg_refuse(err, 400, "M_UNKNOWN", "Invalid job_name");
}

int mx_admin_api_enable_updates(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *enabled = json_object_get(gg_request_json(rq, err), "enabled");
    if (enabled && !json_is_boolean(enabled))
        return gg_refuse(err, 400, "M_UNKNOWN", "'enabled' parameter must be a boolean");
    mx_updates_enable(mx_server_of_request(rq), !enabled || json_is_true(enabled));
    return gg_reply_json(rq, 200, json_pack("{sb}", "enabled", !enabled || json_is_true(enabled)));
}
