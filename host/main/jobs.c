/* gg_host_every: jobs that run again and again, each in a fiber of its own. */
#include "main/host.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.host"};

struct job {
    struct gg_list link; /* host->jobs */
    struct gg_host *host;
    const char *name;
    int64_t interval_ms;
    bool background;
    void (*fn)(void *arg);
    void *arg;
};

/* Between 90 and 110 per cent: jobs of many processes must not fall into step. */
static int64_t jitter(int64_t interval_ms)
{
    uint16_t random;
    gg_random_bytes(&random, sizeof(random));
    int64_t spread = interval_ms / 5;
    return interval_ms - spread / 2 + spread * random / UINT16_MAX;
}

static void run_job(void *arg)
{
    struct job *job = arg;
    while (gg_sleep(jitter(job->interval_ms)) == GG_OK)
        job->fn(job->arg);
}

static void start_job(struct job *job)
{
    if (job->background && !job->host->background)
        return;
    if (gg_spawn(job->host->jobs_scope, job->name, run_job, job) == NULL)
        gg_err(&logger, "cannot start the job %s", job->name);
}

void gg_host_every(struct gg_host *host, const char *name, int64_t interval_ms, bool background, void (*fn)(void *arg),
                   void *arg)
{
    GG_ASSERT(interval_ms > 0);
    struct job *job = calloc(1, sizeof(*job));
    GG_ASSERT(job != NULL);
    *job = (struct job){
        .host = host, .name = name, .interval_ms = interval_ms, .background = background, .fn = fn, .arg = arg};
    gg_list_push(&host->jobs, &job->link);
    if (host->phase == GG_PHASE_RUNNING)
        start_job(job);
}

void gg_host_start_jobs(struct gg_host *host)
{
    host->jobs_scope = gg_scope_new(host->scope, "jobs");
    GG_LIST_EACH (link, &host->jobs)
        start_job(GG_CONTAINER(link, struct job, link));
}

void gg_host_stop_jobs(struct gg_host *host, int64_t deadline)
{
    struct gg_scope *scope = host->jobs_scope;
    host->jobs_scope = NULL;
    gg_scope_cancel(scope);
    if (gg_scope_join(scope, deadline) != GG_OK)
        gg_warn(&logger, "%zu jobs do not end in time", gg_scope_count(scope));
    gg_scope_end(scope); /* their arguments are freed soon; the alarm of main/run.c is the bound */
}

void gg_host_free_jobs(struct gg_host *host)
{
    for (struct gg_list *link; (link = gg_list_pop(&host->jobs)) != NULL;)
        free(GG_CONTAINER(link, struct job, link));
}
