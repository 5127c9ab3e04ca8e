/* expire.c: messages whose time has come (MSC2228, enable_ephemeral_messages) are emptied in the database. */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/store.h>

#include "jobs/jobs.h"
#include "jobs/prune.h"

enum { AT_ONCE = 100 };

static int expire(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena, struct gg_error *err)
{
    static const struct gg_stmt done = {"DELETE FROM event_expiry WHERE event_id = $1", 0};
    const struct mx_event *event; /* NULL: it is not held, only its row goes */
    int status = mx_store_events(server, &event_id, 1, true, arena, &event, err);
    return status ? status : mx_prune_event(server, "expire", event, &done, event_id, arena, err);
}

int mx_job_expire(struct mx_server *server, struct gg_error *err)
{
    static const struct gg_stmt due = {
        "SELECT event_id FROM event_expiry WHERE expiry_ts <= $1::bigint ORDER BY expiry_ts LIMIT $2::bigint", GG_LANE_POINT};
    size_t n = AT_ONCE;
    int status = 0;
    if (!gg_config_bool(server->config, "enable_ephemeral_messages"))
        return 0;
    while (!status && n == AT_ONCE && !gg_cancelled()) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_rows *rows;
        status = gg_db_read(server->db, &due, GG_PARAMS(gg_p_i64(gg_wall_ms()), gg_p_i64(AT_ONCE)), arena, &rows, err);
        n = status ? 0 : gg_rows_count(rows);
        for (size_t i = 0; !status && i < n; i++)
            status = expire(server, gg_rows_str(rows, i, 0), arena, err);
        gg_arena_free(arena);
    }
    return status;
}
