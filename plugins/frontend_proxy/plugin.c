/* frontend_proxy: stands in front of the main process, or of the whole deployment. */
#include "tables.h"

#include <errno.h>
#include <ganglion/balancer.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/role.h>
#include <ganglion/memory.h>
#include <unistd.h>

static const char *const worker_apps[] = {"synapse.app.frontend_proxy", NULL};

static int check_deployment(const struct gg_config *config, struct gg_error *err)
{
    static const char key[] = "frontend_proxy.deployment";
    size_t n;
    const char *const *paths = gg_config_texts(config, key, &n);
    for (size_t i = 0; i < n; i++)
        if (access(paths[i], R_OK) != 0)
            return gg_fail(err, GG_E_INVALID, "%s: `%s`: %s: %s", gg_node_where(gg_config_node(config, key)), key, paths[i],
                           strerror(errno));
    return 0;
}

static int check(const struct gg_host *host, struct gg_error *err)
{
    const struct gg_config *config = gg_host_config(host);
    const char *uri = gg_config_text(config, "worker_main_http_uri");
    if (!gg_config_bool(config, "frontend_proxy.route") && !gg_http_uri_valid(uri))
        return gg_fail(err, GG_E_INVALID,
                       "synapse.app.frontend_proxy needs worker_main_http_uri, \"http://host:port\" of the main process%s%s",
                       uri != NULL ? ", not " : "", uri != NULL ? uri : "");
    if (gg_config_int(config, "frontend_proxy.check_interval") < 1)
        return gg_fail(err, GG_E_INVALID, "frontend_proxy.check_interval must be at least 1 ms");
    int rc = check_deployment(config, err);
    return rc == 0 ? mx_role_check(host, err) : rc;
}

static struct gg_str who(void *self, struct gg_request *rq, const char *balance)
{
    if (strcmp(balance, "user") == 0)
        return mx_api_sender(rq);
    return strcmp(balance, "source") == 0 ? mx_api_origin(rq) : GG_STR("");
}

static bool ready(void *self, void *buf)
{
    const struct frontend *frontend = self;
    return gg_balancer_ready(frontend->router, buf);
}

static const struct gg_service routing = {.name = "frontend_proxy", .ready = ready};

static int load(struct gg_host *host, void **self_out, struct gg_error *err)
{
    const struct gg_config *config = gg_host_config(host);
    struct mx_server *server;
    int rc = mx_server_attach(host, &server, err);
    if (rc < 0)
        return rc;
    struct frontend *frontend = gg_xcalloc(1, sizeof(*frontend));
    struct gg_balancer_options options = {.deployment = gg_config_texts(config, "frontend_proxy.deployment", NULL),
                                          .stall_ms = gg_config_int(config, "frontend_proxy.timeout"),
                                          .check_ms = gg_config_int(config, "frontend_proxy.check_interval"),
                                          .who = who,
                                          .self = frontend};
    frontend->server = server;
    if (gg_config_bool(config, "frontend_proxy.route")) {
        frontend->router = gg_balancer_new(host, &options);
        gg_host_attach(host, &routing, frontend);
    }
    *self_out = frontend;
    return 0;
}

/* Also on SIGHUP: processes come and go. */
static int read_deployment(void *self, struct gg_error *err)
{
    struct frontend *frontend = self;
    return frontend->router != NULL ? gg_balancer_read(frontend->router, err) : 0;
}

static void stop(void *self)
{
    struct frontend *frontend = self;
    if (frontend->router != NULL)
        gg_balancer_stop(frontend->router);
}

static void unload(void *self)
{
    struct frontend *frontend = self;
    gg_balancer_free(frontend->router);
    free(frontend);
}

GG_PLUGIN("frontend_proxy", .version = GANGLION_VERSION,
          .summary = "stands in front of the main process, or of all processes", .license = "Apache-2.0",
          .worker_apps = worker_apps, .key_groups = frontend_proxy_keys, .routes = frontend_proxy_routes,
          .check = check, .load = load, .start = read_deployment, .reload = read_deployment, .stop = stop,
          .unload = unload);
