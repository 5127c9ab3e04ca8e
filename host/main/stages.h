/* main/stages.h: what happens between "the configuration is fine" and "ready".
 *
 * Stages start in the order of their table and stop in reverse; when one fails,
 * those before it stop. All of them run in fibers. */
#ifndef GG_MAIN_STAGES_H
#define GG_MAIN_STAGES_H

#include "main/setup.h"
#include "main/takeover.h"

/* Beyond the time for what is under way: what ends the process when even stopping hangs. */
enum { GG_STOP_GRACE_S = 15 };

struct gg_run {
    const struct gg_args *args;
    struct gg_setup setup;
    size_t reached;         /* stages that have started */
    int64_t drain_deadline; /* set before the stages stop */
    bool forced;            /* a second signal: do not wait for requests */
    const char *log_path;   /* of the log's configuration in force; NULL: standard error */
    const char *pid_file;   /* where to write it, or NULL */
    bool pid_required;      /* going to the background: failing to write it ends the start */
    bool pid_written;
    int predecessor;                /* the conversation with the process that this one replaces, or -1 */
    struct gg_successor *successor; /* that replaces this one, or NULL */
};

/* Before everything: log_config (worker_log_config of a worker). */
GG_CHECKED int gg_stages_log(struct gg_run *run, struct gg_error *err);

GG_YIELDS GG_CHECKED int gg_stages_start(struct gg_run *run, struct gg_error *err);
GG_YIELDS void gg_stages_stop(struct gg_run *run);
/* Called while gg_stages_stop runs: nothing is waited for any more. */
void gg_stages_force(struct gg_run *run);
/* What the host itself reads again on SIGHUP: log files, TLS certificates, caches. */
GG_YIELDS void gg_stages_reload(struct gg_run *run);

#endif
