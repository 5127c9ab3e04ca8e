/* users.c: who used the server day by day, and devices that nobody uses. */
#include <ganglion/config.h>

#include "accounts/accounts.h"
#include "jobs/jobs.h"
#include "storage/admin/ask.h"

#define DAY_MS INT64_C(86400000)

/* One row for each user and device that was seen on a day, from the addresses that were seen; today's and, as a day may have
 * ended since the last turn, yesterday's. */
int mx_job_daily_visits(struct mx_server *server, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO user_daily_visits (user_id, device_id, \"timestamp\", user_agent) SELECT i.user_id, i.device_id, "
        "$1::bigint, max(i.user_agent) FROM user_ips i JOIN users u ON u.name = i.user_id WHERE i.last_seen >= $1 AND "
        "i.last_seen < $1 + 86400000 AND u.is_guest = 0 AND u.appservice_id IS NULL AND NOT EXISTS (SELECT 1 FROM "
        "user_daily_visits v WHERE v.user_id = i.user_id AND v.device_id IS NOT DISTINCT FROM i.device_id AND "
        "v.\"timestamp\" = $1) GROUP BY i.user_id, i.device_id",
        0};
    int64_t today = gg_wall_ms() / DAY_MS * DAY_MS;
    int status = mx_admin_do(server, &stmt, GG_PARAMS(gg_p_i64(today - DAY_MS)), NULL, err);
    return status ? status : mx_admin_do(server, &stmt, GG_PARAMS(gg_p_i64(today)), NULL, err);
}

/* delete_stale_devices_after: devices that nobody has used for so long are logged out. */
int mx_job_stale_devices(struct mx_server *server, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT user_id, device_id FROM devices WHERE last_seen < $1::bigint AND NOT coalesce(hidden, false) "
        "ORDER BY user_id LIMIT 1000",
        GG_LANE_SCAN};
    if (!gg_config_set(server->config, "delete_stale_devices_after"))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int64_t before = gg_wall_ms() - gg_config_int(server->config, "delete_stale_devices_after");
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(before)), arena, &rows, err);
    for (size_t i = 0, n; !status && i < gg_rows_count(rows); i += n) {
        struct gg_str user_id = gg_rows_str(rows, i, 0);
        struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows));
        for (n = 0; i + n < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, i + n, 0), user_id); n++)
            ids[n] = gg_rows_str(rows, i + n, 1);
        status = mx_logout(server, user_id, ids, n, (struct gg_str){0}, err);
    }
    gg_arena_free(arena);
    return status;
}
