/* The stages of a process's start, as a table, and their undoing. */
#include "main/stages.h"

#include "client/client.h"
#include "config/config.h"
#include "config/topology.h"
#include "http/server.h"
#include "log/log.h"
#include "main/daemon.h"
#include "main/duties.h"
#include "main/notify.h"
#include "main/peers.h"
#include "plugin/migrate.h"
#include "repl/calls.h"
#include "repl/ids.h"
#include "repl/lines.h"
#include "repl/locks.h"
#include "repl/repl.h"

#include <ganglion/db.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.main"};

/* Draining may have used up its time: what is cancelled still gets this to end. */
#define LAST_WORDS_MS 2000
#define LOOK_MS 20

struct stage {
    const char *name;
    int (*start)(struct gg_run *run, struct gg_error *err); /* or NULL */
    void (*stop)(struct gg_run *run); /* or NULL */
};

int gg_stages_log(struct gg_run *run, struct gg_error *err)
{
    const struct gg_setup *setup = &run->setup;
    const char *key = setup->host->main ? "log_config" : "worker_log_config";
    run->log_path = gg_config_text(setup->config, key);
    int rc = gg_log_configure(run->log_path, err);
    if (rc < 0) {
        run->log_path = NULL;
        gg_error_prefix(err, "%s", key);
        return rc;
    }
    gg_config_log_findings(run->setup.config);
    gg_plugins_log_notes(run->setup.plugins);
    return 0;
}

void gg_stages_force(struct gg_run *run)
{
    if (run->setup.host->scope != NULL)
        gg_scope_cancel(run->setup.host->scope);
}

static void reload_log(struct gg_run *run)
{
    struct gg_error err = GG_ERROR_INIT;
    if (run->log_path != NULL && gg_log_configure(run->log_path, &err) < 0) {
        gg_log_reopen(); /* with the settings that it had */
        gg_err(&logger, "the log keeps its old settings: %s", err.message);
    }
}

void gg_stages_reload(struct gg_run *run)
{
    struct gg_error err = GG_ERROR_INIT;
    reload_log(run);
    if (gg_http_reload(run->setup.host->server, &err) < 0)
        gg_err(&logger, "certificates stay as they were: %s", err.message);
}

/* ---- the parts of the host: made before plugins load, since those register with them ---- */

static bool write_ready(void *self, struct gg_buf *out)
{
    return gg_host_ready(self, out);
}

static struct gg_server *make_server(struct gg_host *host)
{
    int64_t each = gg_config_int(host->config, "ganglion.connections_per_address");
    int64_t all = gg_config_int(host->config, "ganglion.connections");
    struct gg_http_limits limits = {.max_connections = all > 0 ? (size_t)all : 0,
                                    .max_per_address = each > 0 ? (size_t)each : SIZE_MAX};
    return gg_http_new(host, &limits);
}

static int start_parts(struct gg_run *run, struct gg_error *err)
{
    struct gg_host *host = run->setup.host;
    host->config = run->setup.config;
    host->scope = gg_scope_new(NULL, "host");
    host->db = gg_db_new(gg_topology_database(host->config));
    host->server = make_server(host);
    gg_http_on_ready(host->server, write_ready, host);
    gg_duties_new(host);
    return 0;
}

static void stop_parts(struct gg_run *run)
{
    struct gg_host *host = run->setup.host;
    struct gg_scope *scope = host->scope;
    gg_http_free(host->server);
    host->server = NULL;
    gg_scope_cancel(scope);
    if (gg_scope_join(scope, gg_deadline(LAST_WORDS_MS)) != GG_OK)
        gg_warn(&logger, "%zu fibers do not end in time", gg_scope_count(scope));
    host->scope = NULL; /* a second signal must not find it */
    gg_scope_end(scope); /* what follows is freed under nobody; the alarm of main/run.c is the bound */
    gg_client_stop(host);
    gg_db_free(host->db); /* before the streams, whose statements it remembers */
    host->db = NULL;
    gg_repl_free(host);
    gg_duties_free(host);
}

static int add_route(void *arg, const struct gg_role *role, const struct gg_route *route, struct gg_error *err)
{
    struct gg_host *host = arg;
    return gg_router_add(gg_http_router(host->server), route, role->self, role->desc.name, err);
}

static int start_load(struct gg_run *run, struct gg_error *err)
{
    struct gg_host *host = run->setup.host;
    int rc = gg_plugins_load(run->setup.plugins, host, err);
    if (rc < 0)
        return rc;
    rc = gg_claims_each(run->setup.plugins, add_route, host, err);
    if (rc < 0)
        gg_plugins_unload(run->setup.plugins);
    for (size_t i = 0; rc == 0 && i < run->setup.plugins->n; i++)
        gg_repl_serve(host, run->setup.plugins->roles[i]->methods, run->setup.plugins->roles[i]->self);
    return rc;
}

static void stop_load(struct gg_run *run)
{
    gg_plugins_unload(run->setup.plugins);
}

/* ---- database ---- */

static int start_database(struct gg_run *run, struct gg_error *err)
{
    run->setup.host->phase = GG_PHASE_STARTING;
    int rc = gg_db_check(run->setup.host->db, err);
    if (rc < 0)
        gg_error_prefix(err, "cannot use the database");
    return rc;
}

static int start_schema(struct gg_run *run, struct gg_error *err)
{
    int rc = gg_host_run_schema(run->setup.host, err);
    return rc == 0 ? gg_plugins_migrate(run->setup.plugins, run->setup.host, err) : rc;
}

/* ---- succession: what is before it may overlap with another process of our name, what follows may not ---- */

static int start_takeover(struct gg_run *run, struct gg_error *err)
{
    int fd = run->predecessor;
    run->predecessor = -1;
    return fd >= 0 ? gg_takeover_receive(fd, run->setup.host->server, err) : 0;
}

static void stop_takeover(struct gg_run *run)
{
    if (run->successor == NULL)
        return;
    gg_notify_main(run->successor->pid); /* first: what a process says that is not the main one is not heard */
    gg_successor_release(run->successor);
}

/* The successor serves; what clients are slow to send and to read goes on here. */
static void stop_overlap(struct gg_run *run)
{
    struct gg_host *host = run->setup.host;
    if (run->successor == NULL)
        return;
    int64_t bound = gg_config_int(run->setup.config, "ganglion.overlap_timeout"), deadline = gg_deadline(bound);
    if (gg_http_busy(host->server))
        gg_info(&logger, "the successor serves; what is under way here may take %lld s", (long long)bound / 1000);
    alarm((unsigned)(bound / 1000) + GG_STOP_GRACE_S);
    while (gg_http_busy(host->server) && !run->forced && gg_now_ms() < deadline && gg_sleep(LOOK_MS) == GG_OK)
        continue;
    if (gg_http_busy(host->server))
        gg_warn(&logger, "%zu requests did not end in time and are cut", gg_http_in_flight(host->server));
    gg_http_stop(host->server);
}

/* ---- services, positions, plugins ---- */

static int start_services(struct gg_run *run, struct gg_error *err)
{
    return gg_host_start_services(run->setup.host, err);
}

static void stop_services(struct gg_run *run)
{
    gg_host_stop_services(run->setup.host);
}

/* Positions first, then what others say; nothing is announced before others can ask us. */
static int start_replicated(struct gg_run *run, struct gg_error *err)
{
    struct gg_host *host = run->setup.host;
    struct gg_streams *streams = gg_streams_of(host);
    /* Without streams the tables that count their ids need not be there. */
    int rc = gg_streams_count(streams) > 0 ? gg_streams_load(streams, host->db, err) : 0;
    if (rc == 0 && gg_streams_count(streams) > 0)
        rc = gg_locks_inherit(gg_locks_of(host), err);
    if (rc == 0)
        rc = gg_calls_add_routes(host, err);
    if (rc == 0)
        rc = gg_host_services_replicated(host, err);
    if (rc == 0)
        rc = gg_lines_start(host, err);
    return rc;
}

/* After services, whose last words may still be sent. */
static void stop_replication(struct gg_run *run)
{
    struct gg_repl *repl = run->setup.host->repl;
    gg_calls_stop(run->setup.host);
    gg_locks_stop(repl != NULL ? repl->locks : NULL); /* announced while there is somebody to tell */
    gg_lines_stop(run->setup.host);
    gg_streams_stop(gg_streams_of(run->setup.host));
}

static int start_plugins(struct gg_run *run, struct gg_error *err)
{
    return gg_plugins_start(run->setup.plugins, err);
}

static void stop_plugins(struct gg_run *run)
{
    gg_plugins_drain(run->setup.plugins, run->drain_deadline);
    gg_plugins_stop(run->setup.plugins);
}

/* ---- listening ---- */

static int start_listening(struct gg_run *run, struct gg_error *err)
{
    int rc = gg_http_listen_all(run->setup.host->server, err);
    if (rc < 0)
        gg_http_stop(run->setup.host->server); /* what was bound before it */
    else
        gg_lines_announce(run->setup.host);
    return rc;
}

static void stop_listening(struct gg_run *run)
{
    int64_t deadline = run->forced ? gg_now_ms() : run->drain_deadline;
    gg_host_run_drain(run->setup.host);
    if (run->successor != NULL)
        gg_http_hand_over(run->setup.host->server, gg_successor_give, run->successor, deadline);
    else
        gg_http_drain(run->setup.host->server, deadline);
    if (run->successor == NULL)
        gg_http_stop(run->setup.host->server);
    gg_calls_stop(run->setup.host); /* what other processes asked for runs to its end */
}

/* ---- running ---- */

static int start_running(struct gg_run *run, struct gg_error *err)
{
    struct gg_host *host = run->setup.host;
    int rc = run->pid_file != NULL ? gg_pid_file_write(run->pid_file, err) : 0;
    if (rc < 0 && run->pid_required)
        return rc;
    if (rc < 0) /* only those who go to the background are looked for by it */
        gg_warn(&logger, "%s", err->message);
    run->pid_written = rc == 0 && run->pid_file != NULL;
    host->phase = GG_PHASE_RUNNING;
    gg_host_start_jobs(host);
    gg_peers_watch(host);
    gg_duties_watch(host);
    gg_info(&logger, "%s (%s) is ready, %lld ms after its start", host->instance, host->worker_app,
            (long long)(gg_wall_ms() - host->started_ms));
    return 0;
}

static void stop_running(struct gg_run *run)
{
    run->setup.host->phase = GG_PHASE_STOPPING;
    gg_host_stop_jobs(run->setup.host, run->drain_deadline);
    gg_peers_free(run->setup.host);
    if (run->pid_written && run->successor == NULL) /* who writes its own over it */
        gg_pid_file_remove(run->pid_file);
}

static const struct stage stages[] = {
    {"parts", start_parts, stop_parts},
    {"load", start_load, stop_load},
    {"database", start_database, NULL},
    {"schema", start_schema, NULL},
    {"overlap", NULL, stop_overlap},
    {"takeover", start_takeover, stop_takeover},
    {"replication", NULL, stop_replication},
    {"services", start_services, stop_services},
    {"replicated", start_replicated, NULL},
    {"plugins", start_plugins, stop_plugins},
    {"listening", start_listening, stop_listening},
    {"running", start_running, stop_running},
};

int gg_stages_start(struct gg_run *run, struct gg_error *err)
{
    for (size_t i = 0; i < GG_COUNT(stages); i++) {
        gg_debug(&logger, "starting: %s", stages[i].name);
        int rc = gg_cancelled() ? gg_fail(err, GG_E_CANCELLED, "stopped while starting") : 0;
        if (rc == 0 && stages[i].start != NULL)
            rc = stages[i].start(run, err);
        run->reached = rc < 0 ? i : i + 1;
        if (rc < 0)
            return rc;
    }
    return 0;
}

void gg_stages_stop(struct gg_run *run)
{
    for (; run->reached > 0; run->reached--) {
        const struct stage *stage = &stages[run->reached - 1];
        if (stage->stop == NULL)
            continue;
        gg_debug(&logger, "stopping: %s", stage->name);
        stage->stop(run);
    }
}
