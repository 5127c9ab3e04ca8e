/* matrix/stats/stats.c: the loop that counts rooms and users along the changes of current state.
 *
 * One process of a deployment does it (run_background_tasks_on). It wakes with the events stream, works off what has
 * come since stats_incremental_position, and waits again. */
#include "parts.h"
#include "storage/room_stats.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.stats"};

enum { IDLE_MS = 60000, RETRY_MS = 5000 };

struct mx_stats {
    struct mx_server *server;
    struct gg_scope *scope;
    struct gg_cond moved;
    bool news;
};

static struct mx_stats *stats_of(const struct mx_server *server)
{
    return server->parts[MX_PART_STATS];
}

static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct mx_stats *stats = self;
    if (!moved)
        return;
    stats->news = true;
    gg_cond_signal(&stats->moved);
}

/* Everything that is there now, a batch at a time. */
static int catch_up(struct mx_stats *stats, struct gg_error *err)
{
    for (bool more = true; more && !gg_cancelled();) {
        struct gg_arena *arena = gg_arena_new();
        int status = mx_room_stats_advance(stats->server, gg_stream_upto(stats->server->events), arena, &more, err);
        gg_arena_free(arena);
        if (status)
            return status;
    }
    return 0;
}

static void loop(void *arg)
{
    struct mx_stats *stats = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        stats->news = false;
        int status = catch_up(stats, &err);
        if (status && status != GG_E_CANCELLED) {
            gg_warn(&logger, "statistics of rooms: %s", err.message);
            (void)gg_sleep(RETRY_MS);
            continue;
        }
        if (!stats->news) /* a lost wake-up is made good by the deadline */
            (void)gg_cond_wait(&stats->moved, gg_deadline(IDLE_MS));
    }
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_stats *stats = gg_xcalloc(1, sizeof(*stats));
    stats->server = server;
    gg_cond_init(&stats->moved);
    server->parts[MX_PART_STATS] = stats;
    gg_stream_follow(server->events, on_events, stats);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_stats *stats = stats_of(server);
    if (!gg_host_runs_background(server->host) || !gg_config_bool(server->config, "stats.enabled"))
        return 0;
    stats->scope = gg_scope_new(gg_host_scope(server->host), "stats");
    if (gg_spawn(stats->scope, "stats", loop, stats) == NULL)
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
    free(stats_of(server));
    server->parts[MX_PART_STATS] = NULL;
}

const struct mx_part mx_part_stats = {
    .name = "stats", .make = make, .stop = stop, .free = free_part, .replicated = replicated};
