/* The listeners of this process as its configuration files say. */
#include "http/conn.h"

#include "config/topology.h"
#include "main/host.h"

static struct gg_logger logger = {"ganglion.http"};

/* Two names stand for more than themselves; on the main process for even more. */
static const struct {
    const char *name;
    bool main_only;
    uint32_t also;
} implied[] = {
    {"federation", false, GG_RES_OPENID | GG_RES_KEYS},
    {"federation", true, GG_RES_MEDIA},
    {"client", true, GG_RES_MEDIA | GG_RES_STATIC},
};

static uint32_t resource_bits(const struct gg_host *host, const struct gg_listener *listener)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < listener->n_resources; i++)
        bits |= gg_resource_bits(listener->resources[i]);
    for (size_t i = 0; i < GG_COUNT(implied); i++)
        if ((host->main || !implied[i].main_only) && gg_listener_has(listener, implied[i].name))
            bits |= implied[i].also;
    if (host->main && listener->type == GG_LISTENER_HTTP && !gg_config_bool(host->config, "enable_metrics"))
        bits &= ~(uint32_t)GG_RES_METRICS;
    return bits;
}

static int set_tls(const struct gg_host *host, const struct gg_listener *listener, struct gg_http_port *port,
                   struct gg_error *err)
{
    if (!listener->tls || listener->path != NULL)
        return 0;
    port->certificate = gg_config_text(host->config, "tls_certificate_path");
    port->key = gg_config_text(host->config, "tls_private_key_path");
    if (port->certificate != NULL && port->key != NULL)
        return 0;
    return gg_fail(err, GG_E_INVALID,
                   "a listener with `tls: true` needs tls_certificate_path and tls_private_key_path");
}

static int listen_tcp(struct gg_server *server, const struct gg_listener *listener, struct gg_http_port *port,
                      struct gg_error *err)
{
    size_t bound = 0;
    for (size_t i = 0; i < listener->n_addresses; i++) {
        port->address = listener->addresses[i];
        int rc = gg_http_listen(server, port, NULL, err);
        /* "::" takes IPv4 too where the kernel lets it, and is missing where there is no IPv6 */
        bool covered = rc == GG_E_CONFLICT && bound > 0 && strcmp(port->address, "0.0.0.0") == 0 &&
                       strcmp(listener->addresses[i - 1], "::") == 0;
        bool no_ipv6 = rc == GG_E_UNAVAILABLE && listener->default_addresses && i == 0;
        if (rc < 0 && !covered && !no_ipv6)
            return rc;
        bound += rc == 0;
    }
    return bound > 0 ? 0 : err->code;
}

static int listen_one(struct gg_server *server, const struct gg_listener *listener, struct gg_error *err)
{
    struct gg_host *host = server->host;
    struct gg_http_port port = {
        .port = listener->port,
        .path = listener->path,
        .mode = listener->mode,
        .x_forwarded = listener->x_forwarded,
        .metrics = listener->type == GG_LISTENER_METRICS,
        .request_id_header = listener->request_id_header,
        .tag = listener->tag,
        .compress = listener->compress,
        .resources = resource_bits(host, listener),
    };
    int rc = set_tls(host, listener, &port, err);
    if (rc == 0)
        rc = listener->path != NULL ? gg_http_listen(server, &port, NULL, err)
                                    : listen_tcp(server, listener, &port, err);
    if (rc < 0)
        gg_error_prefix(err, "%s", listener->where);
    else if (listener->path != NULL)
        gg_info(&logger, "listening on %s", listener->path);
    else
        gg_info(&logger, "listening on %s port %u", listener->addresses[0], listener->port);
    return rc;
}

int gg_http_listen_all(struct gg_server *server, struct gg_error *err)
{
    size_t n;
    const struct gg_listener *listeners = gg_topology_listeners(server->host->config, &n);
    for (size_t i = 0; i < n; i++) {
        if (listeners[i].type == GG_LISTENER_MANHOLE)
            continue;
        int rc = listen_one(server, &listeners[i], err);
        if (rc < 0)
            return rc;
    }
    gg_http_close_unclaimed(server);
    return 0;
}
