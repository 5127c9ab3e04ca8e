/* ganglion/host.h: the process and the services that it lends to plugins. */
#ifndef GANGLION_HOST_H
#define GANGLION_HOST_H

#include <ganglion/base.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_host;
struct gg_config;
struct gg_db;
struct gg_request;
struct gg_scope;

GG_API const struct gg_config *gg_host_config(const struct gg_host *host);
GG_API struct gg_db *gg_host_db(const struct gg_host *host);
GG_API struct gg_scope *gg_host_scope(const struct gg_host *host); /* everything of the process */
GG_API const char *gg_host_worker_app(const struct gg_host *host);
GG_API bool gg_host_redis_enabled(const struct gg_host *host);

/* ---- services: what a shared library keeps for a process ---- */

/* A library (matrix/, or a plugin's own) attaches one object under a name in its
 * load(); whoever comes later finds it. Services start in order of attachment,
 * before plugins start, and stop in reverse after plugins stopped. */
struct gg_service {
    const char *name;
    int (*start)(void *self, struct gg_error *err); /* in a fiber; database is up, schema is checked */
    int (*replicated)(void *self, struct gg_error *err); /* after stream positions were loaded */
    void (*stop)(void *self);
    void (*free)(void *self);
    /* Adds members to the /ready document, each with a comma in front
     * (`,"lag_ms":3`), to a struct gg_buf *, and says whether it is ready. May not
     * yield. NULL: always. */
    bool (*ready)(void *self, void *buf);
};
GG_API void gg_host_attach(struct gg_host *host, const struct gg_service *service, void *self);
GG_API void *gg_host_service(const struct gg_host *host, const char *name); /* NULL: none */

/* ---- authentication: registered by whoever knows what a token means ---- */

/* Checks rq and sets its principal; 0, or err (401 M_MISSING_TOKEN, ...). */
typedef GG_YIELDS int gg_authenticate_fn(void *self, struct gg_request *rq, uint32_t kind, struct gg_error *err);
GG_API void gg_host_set_authenticator(struct gg_host *host, uint32_t kind, gg_authenticate_fn *fn, void *self);
/* The same for rate-limit classes (gg_route.limiter); runs after authentication. */
typedef int gg_limit_fn(void *self, struct gg_request *rq, const char *limiter, struct gg_error *err);
GG_API void gg_host_set_limiter(struct gg_host *host, gg_limit_fn *fn, void *self);
/* Called once a request has been authenticated and answered (last seen, metrics). */
typedef void gg_seen_fn(void *self, struct gg_request *rq);
GG_API void gg_host_on_request(struct gg_host *host, gg_seen_fn *fn, void *self);

/* ---- schema duty: the main process creates, others check; run before services start ---- */
typedef GG_YIELDS int gg_schema_fn(void *self, struct gg_error *err);
GG_API void gg_host_on_schema(struct gg_host *host, gg_schema_fn *fn, void *self);

/* A job that runs every interval_ms in a fiber of the host (jittered), only in
 * the process that has the duty `background` when background is true. */
GG_API void gg_host_every(struct gg_host *host, const char *name, int64_t interval_ms, bool background,
                          void (*fn)(void *arg), void *arg);
GG_API bool gg_host_runs_background(const struct gg_host *host); /* run_background_tasks_on names this process */

/* The process is about to end: called before requests in flight are waited for, so that those who wait for something
 * to happen are answered now. May not yield. */
GG_API void gg_host_on_drain(struct gg_host *host, void (*fn)(void *self), void *self);

/* SIGHUP: called in a fiber after the host itself has reloaded. */
GG_API void gg_host_on_reload(struct gg_host *host, void (*fn)(void *self), void *self);

#ifdef __cplusplus
}
#endif
#endif
