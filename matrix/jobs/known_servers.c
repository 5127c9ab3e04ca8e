/* known_servers.c: how many servers have users in our rooms, for Prometheus (config metrics_flags.known_servers). */
#include <ganglion/config.h>
#include <ganglion/metrics.h>

#include "jobs/jobs.h"

/* We know ourselves, even without a room. */
int mx_job_known_servers(struct mx_server *server, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT count(DISTINCT split_part(state_key, ':', 2)) FROM current_state_events "
                                        "WHERE type = 'm.room.member' AND membership = 'join'",
                                        GG_LANE_SCAN};
    static struct gg_metric known = {
        .name = "synapse_federation_known_servers", .help = "Servers with users in our rooms", .type = GG_GAUGE};
    struct gg_rows *rows;
    if (!gg_config_bool(server->config, "metrics_flags.known_servers"))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (!status) {
        int64_t n = gg_rows_i64(rows, 0, 0);
        gg_metric_set(&known, n > 0 ? (double)n : 1, NULL);
    }
    gg_arena_free(arena);
    return status;
}
