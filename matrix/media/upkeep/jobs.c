/* jobs.c: what the one process that media_instance_running_background_jobs names does again and again. */
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>

#include "media/upkeep/upkeep.h"
#include "parts.h"
#include "storage/media/url_cache.h"

static struct gg_logger logger = {"ganglion.media.upkeep"};

#define HOUR_MS INT64_C(3600000)
/* Pictures of previews: clients may show a preview for a while after it was made. */
#define PICTURE_MS (48 * HOUR_MS)
/* The pages themselves: as long as a preview holds, and a while more. */
#define PAGE_MS (2 * HOUR_MS)
enum { FIRST_MS = 3000, PREVIEWS_MS = 10000, BATCH = 200, TURNS = 50 };

/* ---- previews ---- */

static int forget_batch(struct mx_media *media, size_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids;
    int rc = mx_url_cache_expired(media->server, gg_wall_ms(), BATCH, arena, &ids, n_out, err);
    if (rc == 0 && *n_out > 0)
        rc = mx_url_cache_forget(media->server, ids, *n_out, err);
    gg_arena_free(arena);
    return rc;
}

static int remove_batch(struct mx_media *media, size_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids;
    int64_t n_removed = 0;
    int rc = mx_url_cache_media_before(media->server, gg_wall_ms() - PICTURE_MS, gg_wall_ms() - PAGE_MS, BATCH, arena, &ids, n_out, err);
    struct mx_media_row *rows = GG_NEW_ARRAY(arena, struct mx_media_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        rows[i] = (struct mx_media_row){.id = ids[i], .file_id = ids[i], .url_cache = GG_STR("-")};
    if (rc == 0 && *n_out > 0)
        rc = mx_media_remove(media, rows, *n_out, NULL, &n_removed, err);
    if (n_removed == 0)
        *n_out = 0; /* what cannot be removed would be found for ever */
    gg_arena_free(arena);
    return rc;
}

static int in_turns(struct mx_media *media, int (*step)(struct mx_media *media, size_t *n_out, struct gg_error *err),
                    struct gg_error *err)
{
    size_t n = BATCH;
    int rc = 0;
    for (int turn = 0; turn < TURNS && rc == 0 && n == BATCH; turn++)
        rc = step(media, &n, err);
    return rc;
}

static void expire_previews(struct mx_media *media)
{
    struct gg_error err = GG_ERROR_INIT;
    int rc = in_turns(media, forget_batch, &err);
    if (rc == 0)
        rc = in_turns(media, remove_batch, &err);
    if (rc != 0 && !gg_cancelled())
        gg_warn(&logger, "previews that no longer hold: %s", err.message);
}

/* ---- files ---- */

static void expire_files(struct mx_media *media)
{
    const struct gg_config *config = media->server->config;
    struct gg_error err = GG_ERROR_INIT;
    int64_t now = gg_wall_ms(), n_ours = 0, n_theirs = 0;
    int rc = 0;
    if (gg_config_set(config, "media_retention.local_media_lifetime")) {
        struct mx_media_old old = {.before_ts = now - gg_config_int(config, "media_retention.local_media_lifetime")};
        rc = mx_media_remove_old_local(media, &old, NULL, &n_ours, &err);
    }
    if (rc == 0 && gg_config_set(config, "media_retention.remote_media_lifetime"))
        rc = mx_media_remove_old_remote(media, now - gg_config_int(config, "media_retention.remote_media_lifetime"), &n_theirs, &err);
    if (n_ours + n_theirs > 0)
        gg_info(&logger, "kept long enough: %lld files of ours and %lld of other servers", (long long)n_ours, (long long)n_theirs);
    if (rc != 0 && !gg_cancelled())
        gg_warn(&logger, "files that were kept long enough: %s", err.message);
}

static bool wants_retention(const struct gg_config *config)
{
    return gg_config_set(config, "media_retention.local_media_lifetime") ||
           gg_config_set(config, "media_retention.remote_media_lifetime");
}

static bool always(const struct gg_config *config)
{
    return true;
}

static const struct job {
    const char *name;
    int64_t every_ms;
    bool (*wanted)(const struct gg_config *config);
    void (*fn)(struct mx_media *media);
} jobs[] = {
    {"media previews", PREVIEWS_MS, always, expire_previews},
    {"media retention", HOUR_MS, wants_retention, expire_files},
};

/* ---- life ---- */

struct running {
    struct mx_media *media;
    const struct job *job;
};

static void run(void *arg)
{
    struct running *running = arg;
    int64_t pause = FIRST_MS;
    while (gg_sleep(pause) == GG_OK) {
        running->job->fn(running->media);
        pause = running->job->every_ms;
    }
    free(running);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    return 0;
}

/* Only in a process that the role runs in, whatever the configuration says. */
static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_media *media = mx_media_of(server);
    if (media->images == NULL || !gg_topology_has_duty(server->config, "media_background", NULL))
        return 0;
    struct gg_scope *scope = gg_scope_new(gg_host_scope(server->host), "media upkeep");
    server->media_upkeep = scope;
    for (size_t i = 0; i < GG_COUNT(jobs); i++) {
        if (!jobs[i].wanted(server->config))
            continue;
        struct running *running = gg_xcalloc(1, sizeof(*running));
        *running = (struct running){media, &jobs[i]};
        if (gg_spawn(scope, jobs[i].name, run, running) == NULL) {
            free(running);
            return gg_fail(err, GG_E_UNAVAILABLE, "no fiber for the upkeep of media");
        }
    }
    return 0;
}

static void stop(struct mx_server *server)
{
    struct gg_scope *scope = server->media_upkeep;
    server->media_upkeep = NULL;
    if (scope != NULL)
        gg_scope_end(scope);
}

const struct mx_part mx_part_upkeep = {"media upkeep", make, NULL, stop, NULL, replicated};
