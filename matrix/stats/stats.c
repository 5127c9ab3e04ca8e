/* matrix/stats/stats.c: rooms and users are counted along the changes of current state.
 *
 * One process of a deployment does it (run_background_tasks_on). */
#include "stats/stats.h"

#include "parts.h"
#include "storage/room_stats.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/matrix/work_off.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { SETTLE_FIRST_MS = 4, SETTLE_LAST_MS = 128 };

struct mx_stats {
    struct gg_scope *scope;
    struct mx_work_off *work;
};

static struct mx_stats *stats_of(const struct mx_server *server)
{
    return server->stats;
}

static void count(void *arg)
{
    struct mx_stats *stats = arg;
    mx_work_off_run(stats->work);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_stats *stats = gg_xcalloc(1, sizeof(*stats));
    stats->work = mx_work_off_new(server, "statistics of rooms", mx_room_stats_advance);
    server->stats = stats;
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_stats *stats = stats_of(server);
    if (!gg_host_runs_background(server->host) || !gg_config_bool(server->config, "stats.enabled"))
        return 0;
    stats->scope = gg_scope_new(gg_host_scope(server->host), "stats");
    if (gg_spawn(stats->scope, "stats", count, stats) == NULL)
        return gg_fail(err, GG_E_UNAVAILABLE, "the statistics could not be started");
    return 0;
}

static void stop(struct mx_server *server)
{
    struct mx_stats *stats = stats_of(server);
    if (stats->scope)
        gg_scope_end(stats->scope);
    stats->scope = NULL;
}

static void free_part(struct mx_server *server)
{
    mx_work_off_free(stats_of(server)->work);
    free(stats_of(server));
    server->stats = NULL;
}

void mx_stats_settle(struct mx_server *server, struct gg_str room_id)
{
    bool counted = !gg_config_bool(server->config, "stats.enabled");
    for (int64_t wait = SETTLE_FIRST_MS; !counted && wait <= SETTLE_LAST_MS; wait *= 2) {
        struct gg_error err = GG_ERROR_INIT;
        if (mx_room_stats_counted(server, room_id, &counted, &err) != 0 || (!counted && gg_sleep(wait) != 0))
            return;
    }
}

const struct mx_part mx_part_stats = {
    .name = "stats", .make = make, .stop = stop, .free = free_part, .replicated = replicated};
