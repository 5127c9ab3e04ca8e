/* The life of a process: set up, go to the background, start the stages, wait for
 * signals, stop the stages. */
#include "main/run.h"

#include "config/topology.h"
#include "log/log.h"
#include "main/daemon.h"
#include "main/notify.h"
#include "main/signals.h"
#include "main/stages.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.main"};

#define FORCED_STOP_S 3
#define PREPARE_MS 120000 /* for a successor: a large database may take long to be looked over */

struct process {
    struct gg_run run;
    int signal_fd;
    struct gg_fiber *starter; /* while the stages start */
    bool stopping, interrupted; /* interrupted: before it was ready */
    bool succeeding;            /* a new process is being prepared */
    struct gg_scope *watchers;
    struct gg_successor successor;
    struct gg_cond stop; /* stopping was set */
    int rc;
    struct gg_error err;
};

static void reload(struct process *p)
{
    struct gg_host *host = p->run.setup.host;
    if (host->phase != GG_PHASE_RUNNING)
        return;
    gg_info(&logger, "reloading");
    gg_notify_reloading();
    gg_stages_reload(&p->run);
    gg_host_run_reload(host);
    gg_plugins_reload(host->plugins);
    gg_notify_ready();
}

static void ask_to_stop(struct process *p, int signal_number)
{
    if (p->stopping) {
        gg_warn(&logger, "a second signal: requests in flight are dropped");
        p->run.forced = true;
        alarm(FORCED_STOP_S);
        gg_stages_force(&p->run);
        return;
    }
    gg_info(&logger, "stopping on %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    p->stopping = true;
    p->interrupted = p->starter != NULL;
    if (p->starter != NULL)
        gg_cancel(p->starter);
    gg_cond_broadcast(&p->stop);
}

static void stop_for_successor(struct process *p)
{
    p->run.successor = &p->successor;
    p->stopping = true;
    gg_cond_broadcast(&p->stop);
}

static void succeed(void *arg)
{
    struct process *p = arg;
    struct gg_error err = GG_ERROR_INIT;
    int rc = gg_successor_start(&p->successor, &err);
    if (rc == 0)
        rc = gg_successor_wait(&p->successor, gg_deadline(PREPARE_MS), &err);
    if (rc == 0 && p->stopping)
        gg_successor_cancel(&p->successor);
    else if (rc == 0 && gg_http_give_listeners(p->run.setup.host->server, gg_successor_give, &p->successor))
        stop_for_successor(p);
    else if (rc == 0)
        gg_successor_cancel(&p->successor);
    else if (!gg_cancelled())
        gg_err(&logger, "this process goes on: %s", err.message);
    p->succeeding = false;
}

/* SIGUSR2: a new process takes this one's place. */
static void begin_succession(struct process *p)
{
    if (p->stopping || p->succeeding || p->run.setup.host->phase != GG_PHASE_RUNNING)
        return;
    gg_info(&logger, "starting a successor");
    p->succeeding = gg_spawn(p->watchers, "successor", succeed, p) != NULL;
}

static void watch_signals(void *arg)
{
    struct process *p = arg;
    for (int signal_number; (signal_number = gg_signals_next(p->signal_fd)) > 0;)
        if (signal_number == SIGHUP)
            reload(p);
        else if (signal_number == SIGUSR2)
            begin_succession(p);
        else
            ask_to_stop(p, signal_number);
}

static void start_stages(void *arg)
{
    struct process *p = arg;
    p->rc = gg_stages_start(&p->run, &p->err);
}

static void run_stages(struct process *p)
{
    p->starter = gg_spawn_joinable(NULL, "start", start_stages, p);
    GG_ASSERT(p->starter != NULL);
    while (gg_join(p->starter, GG_FOREVER) != GG_OK)
        ;
    p->starter = NULL;
    if (p->rc < 0)
        return;
    gg_daemon_ready(p->run.args->keep_stdio);
    gg_notify_ready();
    while (!p->stopping)
        gg_cond_wait(&p->stop, GG_FOREVER);
}

static void tell_alive(void *arg)
{
    gg_notify_alive();
}

static void run_process(void *arg)
{
    struct process *p = arg;
    p->watchers = gg_scope_new(NULL, "signals");
    gg_spawn(p->watchers, "signals", watch_signals, p);
    gg_spawn(p->watchers, "watchdog", tell_alive, p);
    run_stages(p);
    if (p->run.successor == NULL)
        gg_notify_stopping();
    int64_t bound = gg_config_int(p->run.setup.config, "ganglion.drain_timeout");
    alarm((unsigned)(bound / 1000) + GG_STOP_GRACE_S);
    p->run.drain_deadline = gg_deadline(bound);
    gg_stages_stop(&p->run);
    gg_scope_end(p->watchers);
}

static bool wants_background(const struct process *p)
{
    const struct gg_setup *setup = &p->run.setup;
    return p->run.args->daemonize ||
           gg_config_bool(setup->config, setup->host->main ? "daemonize" : "worker_daemonize");
}

static const char *pid_path(const struct process *p)
{
    const struct gg_setup *setup = &p->run.setup;
    return gg_config_text(setup->config, setup->host->main ? "pid_file" : "worker_pid_file");
}

static int go_to_background(struct process *p, struct gg_error *err)
{
    const char *path = pid_path(p);
    if (p->run.predecessor >= 0) /* it is where the one before it was */
        return 0;
    if (p->run.args->print_pidfile || gg_config_bool(p->run.setup.config, "print_pidfile"))
        printf("%s\n", path != NULL ? path : "");
    if (!wants_background(p))
        return 0;
    if (path == NULL)
        return gg_fail(err, GG_E_INVALID, "to go to the background a process needs %s",
                       p->run.setup.host->main ? "pid_file" : "worker_pid_file");
    p->run.pid_required = true;
    return gg_daemonize(err);
}

static int prepare(struct process *p, struct gg_error *err)
{
    int rc = gg_setup(p->run.args, GG_SETUP_RUN, &p->run.setup, err);
    if (rc == 0)
        rc = gg_stages_log(&p->run, err);
    if (rc == 0)
        rc = go_to_background(p, err);
    if (rc < 0)
        return rc;
    p->run.pid_file = pid_path(p);
    gg_raise_file_limit(gg_config_int(p->run.setup.config, "soft_file_limit"));
    return gg_signals_open(&p->signal_fd, err);
}

int gg_run(const struct gg_args *args)
{
    struct process p = {.run = {.args = args, .predecessor = gg_takeover_open()}, .signal_fd = -1};
    gg_cond_init(&p.stop);
    p.rc = prepare(&p, &p.err);
    if (p.rc == 0) {
        struct gg_loop_options options = {0};
        int rc = gg_loop_run(&options, run_process, &p);
        if (rc < 0 && p.rc == 0)
            p.rc = gg_fail(&p.err, rc, "the event loop failed: %s", gg_status_name(rc));
    }
    if (p.rc < 0 && !p.interrupted) {
        if (p.run.log_path != NULL) /* else the line below is where the log goes, too */
            gg_log(&logger, GG_CRITICAL, "%s", p.err.message);
        fprintf(stderr, "ganglion: %s\n", p.err.message);
    }
    gg_signals_close(p.signal_fd);
    gg_log_close();
    gg_setup_done(&p.run.setup);
    return p.rc < 0 && !p.interrupted ? 1 : 0;
}
