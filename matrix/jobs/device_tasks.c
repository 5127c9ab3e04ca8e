/* device_tasks.c: tasks that Synapse schedules about keys and messages of devices; whoever runs tasks must know them. */
#include <ganglion/fiber.h>
#include <ganglion/matrix/json.h>

#include "jobs/jobs.h"
#include "storage/admin/ask.h"
#include "tasks/tasks.h"

enum { USERS = 100, MESSAGES = 1000, PAUSE_MS = 100 };
#define WEEK_MS INT64_C(604800000)

/* Keys that an old library made and may have thrown away since: they would be handed out for nothing. Goes on after the
 * user of the last batch. */
static int delete_old_otks(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena,
                           struct gg_str *result_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "WITH batch AS (SELECT DISTINCT user_id FROM e2e_one_time_keys_json WHERE user_id > $1 ORDER BY user_id LIMIT "
        "$2::bigint), gone AS (DELETE FROM e2e_one_time_keys_json WHERE user_id IN (SELECT user_id FROM batch) AND "
        "ts_added_ms < $3::bigint AND length(key_id) = 6) SELECT max(user_id) FROM batch",
        0};
    struct gg_str from = task->result.s ? mx_json_string(mx_json_get(task->result, "from_user"), arena) : task->result;
    if (!from.s)
        from = GG_STR("");
    for (;;) {
        struct gg_rows *rows;
        int status = gg_db_write(server->db, &stmt,
                                 GG_PARAMS(gg_p_str(from), gg_p_i64(USERS), gg_p_i64(gg_wall_ms() - WEEK_MS)), arena,
                                 &rows, err);
        if (status || gg_rows_null(rows, 0, 0))
            return status;
        from = gg_rows_str(rows, 0, 0);
        struct gg_buf note = GG_BUF_INIT;
        gg_buf_lit(&note, "{\"from_user\":");
        gg_buf_json_string(&note, from);
        gg_buf_char(&note, '}');
        status = mx_task_progress(server, task->id, gg_buf_view(&note), err);
        gg_buf_done(&note);
        if (!status && gg_sleep(PAUSE_MS))
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
        if (status)
            return status;
    }
}

/* Messages that wait for a device that is gone: too many to delete when it went. */
static int delete_messages(struct mx_server *server, const struct mx_task *task, struct gg_arena *arena,
                           struct gg_str *result_out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "DELETE FROM device_inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM device_inbox WHERE user_id = $1 AND device_id = $2 "
        "AND stream_id <= $3::bigint LIMIT $4::bigint))",
        0};
    struct gg_str user_id = mx_json_string(mx_json_get(task->params, "user_id"), arena);
    struct gg_str device_id = mx_json_string(mx_json_get(task->params, "device_id"), arena);
    int64_t up_to, n = MESSAGES;
    if (!user_id.s || !device_id.s || !mx_json_i64(mx_json_get(task->params, "up_to_stream_id"), &up_to))
        return gg_fail(err, GG_E_INVALID, "the task names no messages");
    int status = 0;
    while (!status && n == MESSAGES) {
        status = mx_admin_do(server, &stmt,
                             GG_PARAMS(gg_p_str(user_id), gg_p_str(device_id), gg_p_i64(up_to), gg_p_i64(MESSAGES)), &n, err);
        if (!status && n == MESSAGES && gg_sleep(PAUSE_MS))
            status = gg_fail(err, GG_E_CANCELLED, "stopped");
    }
    return status;
}

void mx_device_tasks_make(struct mx_server *server)
{
    mx_task_on(server, "delete_old_otks", delete_old_otks);
    mx_task_on(server, "delete_device_messages", delete_messages);
}
