/* matrix/jobs/jobs.h: jobs of the background process. */
#ifndef MX_JOBS_JOBS_H
#define MX_JOBS_JOBS_H

#include <ganglion/list.h>
#include <ganglion/map.h>
#include <ganglion/matrix/server.h>

/* Does a bounded piece of work; how often is in the table. Errors are logged and tried again at the next turn. */
typedef GG_YIELDS int mx_job_fn(struct mx_server *server, struct gg_error *err);

struct mx_update_report;

struct mx_job {
    const char *name;
    int64_t every_ms;
    mx_job_fn *fn;
    bool on_main; /* the main process does it, whoever does the rest */
};
extern const struct mx_job mx_jobs[]; /* ends with a name of NULL (table.c) */

/* Rows that go by age alone (sweeps.c). */
struct mx_sweep {
    const char *name;
    int64_t every_ms, age_ms;
    struct gg_stmt stmt; /* ($1 ms: what is older goes, $2: rows at most); counts the rows that it deleted */
    int64_t batch;       /* 0: 1000 */
};
extern const struct mx_sweep mx_sweeps[];
/* Until nothing is left to sweep. */
GG_YIELDS GG_CHECKED int mx_sweep_run(struct mx_server *server, const struct mx_sweep *sweep, struct gg_error *err);

/* What the jobs keep for a process. */
struct mx_jobs_part {
    struct gg_list entries; /* table.c */
    struct gg_scope *scope;
    struct gg_map *hopeless; /* dummy_events.c: room id -> until when it is left alone (gg_now_ms, as a pointer) */
    bool updates_paused; /* updates.c */
    const char *update;  /* the background update that runs; NULL: none */
    int64_t update_began;
    const struct mx_update_report *update_report; /* of the one that runs; NULL: it makes an index */
    bool updating;
    bool told;           /* what is left to Synapse has been logged */
};

/* The jobs, each in a file of its name. */
mx_job_fn mx_job_state_groups, mx_job_daily_visits, mx_job_known_servers, mx_job_censor, mx_job_stale_devices,
    mx_job_retention, mx_job_updates, mx_job_expire, mx_job_dummy_events, mx_job_account_validity;
/* Tasks that Synapse schedules about keys and messages of devices (device_tasks.c). */
void mx_device_tasks_make(struct mx_server *server);

#endif
