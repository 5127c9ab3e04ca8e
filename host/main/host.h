/* The inside of struct gg_host: for the folders of host/ only, never for a plugin.
 *
 * The process is made by main/run.c; parts of the host (config, http, db, repl,
 * plugin) hang here by a pointer whose type they own. A part reads what is
 * public through ganglion/host.h and the rest from here. */
#ifndef GG_MAIN_HOST_H
#define GG_MAIN_HOST_H

#include <ganglion/buf.h>
#include <ganglion/host.h>
#include <ganglion/http.h>
#include <ganglion/list.h>

struct gg_plugins; /* plugin/plugins.h: what is loaded */
struct gg_server;  /* http/: listeners, router, requests in flight */
struct gg_client;  /* http/: outgoing requests */
struct gg_duties;  /* main/duties.h: what nobody does */
struct gg_peers;   /* main/peers.h: which processes are reachable */
struct gg_repl;    /* repl/: Redis, streams, calls between processes */

#define GG_MAIN_APP "synapse.app.homeserver"
#define GG_MAIN_INSTANCE "master" /* how the main process is called on the wire */

enum gg_phase {
    GG_PHASE_LOADING,  /* streams, services and handlers may be registered */
    GG_PHASE_STARTING, /* database is up; nothing listens yet */
    GG_PHASE_RUNNING,
    GG_PHASE_STOPPING, /* no new work */
};

struct gg_hook { /* one registered callback */
    struct gg_list link;
    union {
        gg_schema_fn *schema;
        gg_seen_fn *seen;
        void (*reload)(void *self);
        void (*drain)(void *self);
    } fn;
    void *self;
};

struct gg_attached { /* one service */
    struct gg_list link;
    const struct gg_service *service;
    void *self;
    bool started;
};

struct gg_host {
    const struct gg_config *config;
    struct gg_db *db;
    struct gg_scope *scope;
    struct gg_plugins *plugins;
    struct gg_server *server;
    struct gg_client *client;
    struct gg_repl *repl;

    char *worker_app;    /* as configured; GG_MAIN_APP when there is none */
    char *instance;      /* worker_name; GG_MAIN_INSTANCE for the main process */
    char instance_id[6]; /* 5 random letters of this start */
    bool main;           /* the main process */
    bool redis;          /* redis.enabled */
    bool background;     /* run_background_tasks_on names this process */
    enum gg_phase phase;
    int64_t started_ms; /* wall clock */

    struct {
        gg_authenticate_fn *fn;
        void *self;
    } authenticators[GG_AUTH_KINDS];
    struct {
        gg_limit_fn *fn;
        void *self;
    } limiter;
    struct gg_list services; /* struct gg_attached, in order of attachment */
    struct gg_list schema;   /* struct gg_hook */
    struct gg_list seen;     /* struct gg_hook */
    struct gg_list reload;   /* struct gg_hook */
    struct gg_list drain;    /* struct gg_hook */
    struct gg_list jobs;     /* main/jobs.c */
    struct gg_scope *jobs_scope;
    struct gg_peers *peers; /* main/peers.c */
    struct gg_duties *duties; /* main/duties.c */
};

/* An empty host; worker_app NULL: the main process; name NULL: "master", or the
 * worker_app as Synapse does. Also what unit tests of other parts use. */
struct gg_host *gg_host_new(const struct gg_config *config, const char *worker_app, const char *name);
void gg_host_free(struct gg_host *host); /* services' free() too, newest first */

/* ---- for the HTTP server: what was registered, in the order in which it must run ---- */

/* Runs the authenticator of kind (enum gg_auth); GG_AUTH_NONE always passes. A
 * kind that nobody registered is refused with 401, never let through. */
GG_YIELDS int gg_host_authenticate(struct gg_host *host, struct gg_request *rq, uint32_t kind, struct gg_error *err);
int gg_host_limit(struct gg_host *host, struct gg_request *rq, const char *limiter, struct gg_error *err);
void gg_host_seen(struct gg_host *host, struct gg_request *rq);

/* The /ready document: a whole JSON object is added to buf (a service's ready()
 * adds members, each with a comma in front). Missing roles do not make a process
 * unready; they are listed. */
bool gg_host_ready(struct gg_host *host, struct gg_buf *buf);

/* ---- for the life cycle ---- */

GG_YIELDS int gg_host_run_schema(struct gg_host *host, struct gg_error *err);
GG_YIELDS int gg_host_start_services(struct gg_host *host, struct gg_error *err);
GG_YIELDS int gg_host_services_replicated(struct gg_host *host, struct gg_error *err);
GG_YIELDS void gg_host_stop_services(struct gg_host *host);
GG_YIELDS void gg_host_run_reload(struct gg_host *host);
void gg_host_run_drain(struct gg_host *host);
void gg_host_start_jobs(struct gg_host *host); /* jobs.c: what gg_host_every registered so far */
GG_YIELDS void gg_host_stop_jobs(struct gg_host *host, int64_t deadline);
void gg_host_free_jobs(struct gg_host *host); /* no fiber of a job is left */

#endif
