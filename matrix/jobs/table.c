/* table.c: the jobs of the background process, and when they run (facts database 5.5). */
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "jobs/jobs.h"
#include "parts.h"
#include "usage/usage.h"

static struct gg_logger logger = {"ganglion.jobs"};

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

const struct mx_job mx_jobs[] = {
    {"state_groups", MINUTE, mx_job_state_groups, false},
    {"user_daily_visits", 5 * MINUTE, mx_job_daily_visits, false},
    {"monthly_active_users", HOUR, mx_usage_reap, false},
    {"monthly_active_users_metrics", 5 * MINUTE, mx_usage_measure, false},
    {"known_servers", MINUTE, mx_job_known_servers, false},
    {"censor_redactions", 5 * MINUTE, mx_job_censor, false},
    {"expire_messages", SECOND, mx_job_expire, false},
    {"stale_devices", DAY, mx_job_stale_devices, true},
    {"retention", HOUR, mx_job_retention, false},
    {"dummy_events", 5 * MINUTE, mx_job_dummy_events, false},
    {"account_validity", 30 * MINUTE, mx_job_account_validity, false},
    {"background_updates", MINUTE, mx_job_updates, false},
    {0},
};

enum { FIRST_MS = 3000 };

/* A job of this process and its server: what a timer hands back. */
struct entry {
    struct gg_list link; /* mx_jobs_part.entries */
    struct mx_server *server;
    const struct mx_job *job;     /* or */
    const struct mx_sweep *sweep; /* one of both */
    bool running;
};

static void run_entry(void *arg)
{
    struct entry *e = arg;
    struct gg_error err = GG_ERROR_INIT;
    if (e->running)
        return; /* the last turn takes long */
    e->running = true;
    int status = e->job ? e->job->fn(e->server, &err) : mx_sweep_run(e->server, e->sweep, &err);
    e->running = false;
    if (status && !gg_cancelled())
        gg_warn(&logger, "%s: %s", e->job ? e->job->name : e->sweep->name, err.message);
}

static void add(struct mx_server *server, const struct mx_job *job, const struct mx_sweep *sweep)
{
    bool on_main = job && job->on_main;
    if (on_main ? !gg_host_is_main(server->host) : !gg_host_runs_background(server->host))
        return;
    struct entry *e = gg_xcalloc(1, sizeof(*e));
    *e = (struct entry){.server = server, .job = job, .sweep = sweep};
    gg_list_push(&server->jobs->entries, &e->link);
    gg_host_every(server->host, job ? job->name : sweep->name, job ? job->every_ms : sweep->every_ms, false, run_entry, e);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    server->jobs = gg_xcalloc(1, sizeof(*server->jobs));
    gg_list_init(&server->jobs->entries);
    server->jobs->hopeless = gg_map_new(NULL);
    for (const struct mx_job *job = mx_jobs; job->name; job++)
        add(server, job, NULL);
    for (const struct mx_sweep *sweep = mx_sweeps; sweep->name; sweep++)
        add(server, NULL, sweep);
    mx_device_tasks_make(server);
    return 0;
}

/* A process that is restarted every day would never come to its daily jobs. */
static void run_all(void *arg)
{
    struct mx_server *server = arg;
    if (gg_sleep(FIRST_MS))
        return;
    GG_LIST_EACH (link, &server->jobs->entries) {
        if (gg_cancelled())
            return;
        run_entry(GG_CONTAINER(link, struct entry, link));
    }
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_jobs_part *jobs = server->jobs;
    jobs->scope = gg_scope_new(gg_host_scope(server->host), "first jobs");
    if (!gg_list_empty(&jobs->entries) && !gg_spawn(jobs->scope, "first jobs", run_all, server))
        return gg_fail(err, GG_E_UNAVAILABLE, "no fiber for the background jobs");
    return 0;
}

static void stop(struct mx_server *server)
{
    struct gg_scope *scope = server->jobs->scope;
    server->jobs->scope = NULL;
    if (scope)
        gg_scope_end(scope);
}

static void free_part(struct mx_server *server)
{
    if (!server->jobs)
        return;
    for (struct gg_list *link; (link = gg_list_pop(&server->jobs->entries)) != NULL;)
        free(GG_CONTAINER(link, struct entry, link));
    gg_map_free(server->jobs->hopeless);
    free(server->jobs);
    server->jobs = NULL;
}

const struct mx_part mx_part_jobs = {"jobs", make, NULL, stop, free_part, replicated};
