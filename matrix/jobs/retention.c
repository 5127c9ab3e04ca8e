/* retention.c: messages that have lived long enough are purged, room by room, as tasks. */
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "jobs/jobs.h"
#include "purge/purge.h"
#include "rooms/retention.h"
#include "storage/admin/ask.h"
#include "storage/purge/purge.h"

static struct gg_logger logger = {"ganglion.jobs"};

static const struct gg_stmt rooms_with_policy = {
    "SELECT r.room_id, coalesce(t.max_lifetime, $1::bigint) FROM rooms r LEFT JOIN current_state_events c ON "
    "c.room_id = r.room_id AND c.type = 'm.room.retention' AND c.state_key = '' LEFT JOIN room_retention t ON "
    "t.room_id = r.room_id AND t.event_id = c.event_id WHERE coalesce(t.max_lifetime, $1) > 0",
    GG_LANE_SCAN};
/* Is there anything below the point that a purge has not dealt with? */
static const struct gg_stmt something = {
    "SELECT 'true' FROM events e WHERE e.room_id = $1 AND e.topological_ordering < $2::bigint AND NOT e.outlier AND NOT EXISTS "
    "(SELECT 1 FROM event_forward_extremities f WHERE f.event_id = e.event_id) AND NOT EXISTS (SELECT 1 FROM "
    "scheduled_tasks t WHERE t.resource_id = $1 AND t.action = 'purge_history' AND t.status IN ('scheduled', 'active')) LIMIT 1",
    GG_LANE_SCAN};

static int purge_room(struct mx_server *server, struct gg_str room_id, int64_t max_ms, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str found = {0};
    int64_t depth, stream;
    char id[MX_TASK_ID + 1];
    int status = mx_purge_point(server, room_id, gg_wall_ms() - mx_retention_bounded(server->config, max_ms), &depth, &stream, err);
    if (!status)
        status = mx_admin_ask(server, &something, GG_PARAMS(gg_p_str(room_id), gg_p_i64(depth)), arena, &found, err);
    if (!status && found.s)
        status = mx_purge_history(server, room_id, depth, stream, true, id, err);
    gg_arena_free(arena);
    return status;
}

int mx_job_retention(struct mx_server *server, struct gg_error *err)
{
    if (!gg_config_bool(server->config, "retention.enabled"))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &rooms_with_policy,
                            GG_PARAMS(gg_p_i64(mx_retention_default(server->config))), arena, &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows) && !gg_cancelled(); i++) {
        struct gg_error one = GG_ERROR_INIT;
        int room = purge_room(server, gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1), &one);
        if (room && room != GG_E_NOT_FOUND)
            gg_warn(&logger, "messages of %.*s could not expire: %s", GG_FMT(gg_rows_str(rows, i, 0)), one.message);
    }
    gg_arena_free(arena);
    return status;
}
