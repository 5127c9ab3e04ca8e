/* jobs.c: each address is previewed once for all who ask meanwhile, and goes on when they hang up. */
#include <ganglion/memory.h>

#include "media/preview/link.h"
#include "media/preview/preview.h"
#include "storage/media/url_cache.h"

enum { JOB_MS = 55000, MOST_JOBS = 256 };

struct job {
    struct mx_previews *previews;
    struct gg_arena *arena;
    const char *url;
    struct gg_str user_id, og;
    struct gg_cond ended;
    struct gg_error err;
    int status;
    bool done;
    size_t users; /* who wait for it, and the fiber that does it */
};

static void release(struct job *job)
{
    if (--job->users > 0)
        return;
    gg_arena_free(job->arena);
    free(job);
}

static void run(void *arg)
{
    struct job *job = arg;
    (void)gg_set_deadline(gg_deadline(JOB_MS));
    job->status = mx_preview_make(job->previews, job->url, job->user_id, job->arena, &job->og, &job->err);
    job->done = true;
    (void)gg_map_take(job->previews->running, gg_str(job->url));
    gg_cond_broadcast(&job->ended);
    release(job);
}

static struct job *begin(struct mx_previews *previews, const char *url, struct gg_str user_id, struct gg_error *err)
{
    if (gg_map_count(previews->running) >= MOST_JOBS) {
        (void)gg_refuse(err, 503, "M_UNKNOWN", "Too many previews are being made");
        return NULL;
    }
    struct job *job = gg_xcalloc(1, sizeof(*job));
    job->previews = previews;
    job->arena = gg_arena_new();
    job->url = gg_arena_strdup(job->arena, url);
    job->user_id = gg_arena_str(job->arena, user_id);
    job->users = 1;
    gg_cond_init(&job->ended);
    if (previews->scope == NULL || gg_spawn(previews->scope, "preview", run, job) == NULL) {
        release(job);
        (void)gg_fail(err, GG_E_UNAVAILABLE, "no fiber for a preview");
        return NULL;
    }
    gg_map_put(previews->running, gg_str(job->url), job);
    return job;
}

static int wait_for(struct job *job, struct gg_arena *arena, struct gg_str *og_out, struct gg_error *err)
{
    int rc = 0;
    job->users++;
    while (rc == 0 && !job->done)
        rc = gg_cond_wait(&job->ended, GG_FOREVER);
    if (rc != 0)
        rc = gg_fail(err, rc, "the preview took too long");
    else if (job->status != 0) {
        *err = job->err;
        rc = job->status;
    } else
        *og_out = gg_arena_str(arena, job->og);
    release(job);
    return rc;
}

int mx_preview_get(struct mx_previews *previews, const char *url, struct gg_str user_id, int64_t ts, struct gg_arena *arena,
                   struct gg_str *og_out, struct gg_error *err)
{
    struct mx_link link = mx_link_split(gg_str(url));
    if (strlen(url) > MX_PREVIEW_URL_MAX || !mx_link_is_web(&link, gg_str(url)))
        return gg_refuse(err, 400, "M_UNKNOWN", "Only http and https addresses can be previewed");
    if (mx_blocked_has(previews->blocked, gg_str(url)))
        return gg_refuse(err, 403, "M_UNKNOWN", "URL blocked by url pattern blocklist entry");
    int rc = mx_url_cache_get(previews->server, gg_str(url), ts, arena, og_out, err);
    if (rc != 0 || og_out->s != NULL)
        return rc;
    struct job *job = gg_map_get(previews->running, gg_str(url));
    if (job == NULL)
        job = begin(previews, url, user_id, err);
    return job != NULL ? wait_for(job, arena, og_out, err) : err->code;
}
