/* struct gg_host: who this process is, and what libraries and plugins registered with it. */
#include "main/host.h"

#include <ganglion/log.h>
#include <ganglion/repl.h>
#include <stdlib.h>
#include <string.h>

static struct gg_logger logger = {"ganglion.host"};

static char *copy_text(const char *s)
{
    char *copy = strdup(s);
    GG_ASSERT(copy != NULL);
    return copy;
}

struct gg_host *gg_host_new(const struct gg_config *config, const char *worker_app, const char *name)
{
    struct gg_host *host = calloc(1, sizeof(*host));
    GG_ASSERT(host != NULL);
    host->config = config;
    host->main = worker_app == NULL || strcmp(worker_app, GG_MAIN_APP) == 0;
    host->worker_app = copy_text(host->main ? GG_MAIN_APP : worker_app);
    host->instance = copy_text(host->main ? GG_MAIN_INSTANCE : name != NULL ? name : worker_app);
    gg_random_text(host->instance_id, sizeof(host->instance_id) - 1, GG_LETTERS);
    host->background = host->main;
    host->started_ms = gg_wall_ms();
    gg_list_init(&host->services);
    gg_list_init(&host->schema);
    gg_list_init(&host->seen);
    gg_list_init(&host->reload);
    gg_list_init(&host->drain);
    gg_list_init(&host->jobs);
    return host;
}

static void free_hooks(struct gg_list *hooks)
{
    for (struct gg_list *link; (link = gg_list_pop(hooks)) != NULL;)
        free(GG_CONTAINER(link, struct gg_hook, link));
}

void gg_host_free(struct gg_host *host)
{
    if (host == NULL)
        return;
    while (!gg_list_empty(&host->services)) {
        struct gg_attached *last = GG_CONTAINER(host->services.prev, struct gg_attached, link);
        gg_list_remove(&last->link);
        if (last->service->free != NULL)
            last->service->free(last->self);
        free(last);
    }
    free_hooks(&host->schema);
    free_hooks(&host->seen);
    free_hooks(&host->reload);
    free_hooks(&host->drain);
    gg_host_free_jobs(host);
    free(host->worker_app);
    free(host->instance);
    free(host);
}

/* ---- who we are ---- */

const struct gg_config *gg_host_config(const struct gg_host *host)
{
    return host->config;
}

struct gg_db *gg_host_db(const struct gg_host *host)
{
    return host->db;
}

struct gg_scope *gg_host_scope(const struct gg_host *host)
{
    return host->scope;
}

const char *gg_host_worker_app(const struct gg_host *host)
{
    return host->worker_app;
}

bool gg_host_redis_enabled(const struct gg_host *host)
{
    return host->redis;
}

bool gg_host_runs_background(const struct gg_host *host)
{
    return host->background;
}

const char *gg_host_instance(const struct gg_host *host)
{
    return host->instance;
}

const char *gg_host_instance_id(const struct gg_host *host)
{
    return host->instance_id;
}

bool gg_host_is_main(const struct gg_host *host)
{
    return host->main;
}

/* ---- services ---- */

void gg_host_attach(struct gg_host *host, const struct gg_service *service, void *self)
{
    GG_ASSERT(host->phase == GG_PHASE_LOADING);
    struct gg_attached *attached = calloc(1, sizeof(*attached));
    GG_ASSERT(attached != NULL);
    attached->service = service;
    attached->self = self;
    gg_list_push(&host->services, &attached->link);
}

void *gg_host_service(const struct gg_host *host, const char *name)
{
    for (const struct gg_list *link = host->services.next; link != &host->services; link = link->next) {
        const struct gg_attached *attached = GG_CONTAINER(link, struct gg_attached, link);
        if (strcmp(attached->service->name, name) == 0)
            return attached->self;
    }
    return NULL;
}

int gg_host_start_services(struct gg_host *host, struct gg_error *err)
{
    GG_LIST_EACH (link, &host->services) {
        struct gg_attached *attached = GG_CONTAINER(link, struct gg_attached, link);
        int rc = attached->service->start != NULL ? attached->service->start(attached->self, err) : 0;
        if (rc < 0) {
            gg_error_prefix(err, "cannot start %s", attached->service->name);
            return rc;
        }
        attached->started = true;
    }
    return 0;
}

int gg_host_services_replicated(struct gg_host *host, struct gg_error *err)
{
    GG_LIST_EACH (link, &host->services) {
        struct gg_attached *attached = GG_CONTAINER(link, struct gg_attached, link);
        int rc = attached->service->replicated != NULL ? attached->service->replicated(attached->self, err) : 0;
        if (rc < 0) {
            gg_error_prefix(err, "cannot start %s", attached->service->name);
            return rc;
        }
    }
    return 0;
}

void gg_host_stop_services(struct gg_host *host)
{
    for (struct gg_list *link = host->services.prev; link != &host->services; link = link->prev) {
        struct gg_attached *attached = GG_CONTAINER(link, struct gg_attached, link);
        if (attached->started && attached->service->stop != NULL)
            attached->service->stop(attached->self);
        attached->started = false;
    }
}

/* ---- authentication, limits, notes about requests ---- */

void gg_host_set_authenticator(struct gg_host *host, uint32_t kind, gg_authenticate_fn *fn, void *self)
{
    GG_ASSERT(kind < GG_AUTH_KINDS && kind != GG_AUTH_NONE);
    host->authenticators[kind].fn = fn;
    host->authenticators[kind].self = self;
}

int gg_host_authenticate(struct gg_host *host, struct gg_request *rq, uint32_t kind, struct gg_error *err)
{
    if (kind == GG_AUTH_NONE)
        return 0;
    if (kind >= GG_AUTH_KINDS || host->authenticators[kind].fn == NULL) {
        gg_warn(&logger, "a route asks for authentication of kind %u, which this process cannot check", kind);
        return gg_refuse(err, 401, "M_UNAUTHORIZED", "This process cannot authenticate the request");
    }
    return host->authenticators[kind].fn(host->authenticators[kind].self, rq, kind, err);
}

void gg_host_set_limiter(struct gg_host *host, gg_limit_fn *fn, void *self)
{
    host->limiter.fn = fn;
    host->limiter.self = self;
}

int gg_host_limit(struct gg_host *host, struct gg_request *rq, const char *limiter, struct gg_error *err)
{
    if (limiter == NULL || host->limiter.fn == NULL)
        return 0;
    return host->limiter.fn(host->limiter.self, rq, limiter, err);
}

static struct gg_hook *add_hook(struct gg_list *hooks, void *self)
{
    struct gg_hook *hook = calloc(1, sizeof(*hook));
    GG_ASSERT(hook != NULL);
    hook->self = self;
    gg_list_push(hooks, &hook->link);
    return hook;
}

void gg_host_on_request(struct gg_host *host, gg_seen_fn *fn, void *self)
{
    add_hook(&host->seen, self)->fn.seen = fn;
}

void gg_host_seen(struct gg_host *host, struct gg_request *rq)
{
    GG_LIST_EACH (link, &host->seen) {
        struct gg_hook *hook = GG_CONTAINER(link, struct gg_hook, link);
        hook->fn.seen(hook->self, rq);
    }
}

/* ---- schema, drain and reload ---- */

void gg_host_on_schema(struct gg_host *host, gg_schema_fn *fn, void *self)
{
    add_hook(&host->schema, self)->fn.schema = fn;
}

int gg_host_run_schema(struct gg_host *host, struct gg_error *err)
{
    GG_LIST_EACH (link, &host->schema) {
        struct gg_hook *hook = GG_CONTAINER(link, struct gg_hook, link);
        int rc = hook->fn.schema(hook->self, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

void gg_host_on_drain(struct gg_host *host, void (*fn)(void *self), void *self)
{
    add_hook(&host->drain, self)->fn.drain = fn;
}

void gg_host_run_drain(struct gg_host *host)
{
    GG_LIST_EACH (link, &host->drain) {
        struct gg_hook *hook = GG_CONTAINER(link, struct gg_hook, link);
        hook->fn.drain(hook->self);
    }
}

void gg_host_on_reload(struct gg_host *host, void (*fn)(void *self), void *self)
{
    add_hook(&host->reload, self)->fn.reload = fn;
}

void gg_host_run_reload(struct gg_host *host)
{
    GG_LIST_EACH (link, &host->reload) {
        struct gg_hook *hook = GG_CONTAINER(link, struct gg_hook, link);
        hook->fn.reload(hook->self);
    }
}
