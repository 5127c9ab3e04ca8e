/* part.c: previews in the life of a process, and what the configuration says of them (facts config 10). */
#include <ganglion/memory.h>
#include <ganglion/topology.h>

#include "media/preview/preview.h"
#include "parts.h"

struct mx_previews *mx_previews_of(const struct mx_server *server)
{
    return server->previews;
}

static void free_part(struct mx_server *server)
{
    struct mx_previews *previews = mx_previews_of(server);
    if (previews == NULL)
        return;
    mx_blocked_free(previews->blocked);
    mx_oembed_free(previews->oembed);
    gg_map_free(previews->running);
    free(previews->languages);
    free(previews);
    server->previews = NULL;
}

static int make(struct mx_server *server, struct gg_error *err)
{
    return 0; /* the role's load() does, where there is one */
}

static int start(struct mx_server *server, struct gg_error *err)
{
    struct mx_previews *previews = mx_previews_of(server);
    if (previews != NULL)
        previews->scope = gg_scope_new(gg_host_scope(server->host), "previews");
    return 0;
}

static void stop(struct mx_server *server)
{
    struct mx_previews *previews = mx_previews_of(server);
    struct gg_scope *scope = previews != NULL ? previews->scope : NULL;
    if (scope == NULL)
        return;
    previews->scope = NULL;
    gg_scope_end(scope);
}

/* Only those who make previews have the files of their providers. */
static int check(const struct mx_server *server, struct gg_error *err)
{
    const struct gg_config *config = server->config;
    struct mx_blocked *blocked = NULL;
    struct mx_oembed *oembed = NULL;
    if (!gg_config_bool(config, "url_preview_enabled") || !gg_topology_has_duty(config, "media_repository", NULL))
        return 0;
    int rc = mx_blocked_new(gg_config_node(config, "url_preview_url_blacklist"), &blocked, err);
    if (rc == 0)
        rc = mx_oembed_new(gg_config_node(config, "oembed"), &oembed, err);
    mx_blocked_free(blocked);
    mx_oembed_free(oembed);
    return rc;
}

const struct mx_part mx_part_previews = {
    .name = "previews", .make = make, .start = start, .stop = stop, .free = free_part, .check = check};

/* Each language after the first is wanted a little less, unless the operator says how much. */
static char *languages_of(const struct gg_config *config)
{
    struct gg_buf out = GG_BUF_INIT;
    size_t n;
    const char *const *texts = gg_config_texts(config, "url_preview_accept_language", &n);
    gg_buf_lit(&out, "Accept-Language: ");
    for (size_t i = 0; i < n; i++)
        gg_buf_printf(&out, "%s%s", i > 0 ? "," : "", texts[i]);
    if (n == 0)
        gg_buf_lit(&out, "en");
    return gg_buf_steal(&out, &n);
}

static int read_config(struct mx_previews *previews, struct gg_error *err)
{
    const struct gg_config *config = previews->server->config;
    static const struct gg_client_pool_options options = {
        .name = "previews", .denied = "url_preview_ip_range_blacklist", .allowed = "url_preview_ip_range_whitelist", .keep = 32};
    previews->languages = languages_of(config);
    previews->insecure = gg_config_bool(config, "use_insecure_ssl_client_just_for_testing_do_not_use");
    previews->max_bytes = (size_t)gg_config_int(config, "max_spider_size");
    int rc = mx_blocked_new(gg_config_node(config, "url_preview_url_blacklist"), &previews->blocked, err);
    if (rc == 0)
        rc = mx_oembed_new(gg_config_node(config, "oembed"), &previews->oembed, err);
    return rc == 0 ? gg_client_pool_new(previews->server->host, &options, &previews->pool, err) : rc;
}

int mx_previews_lend(struct gg_host *host, const struct mx_pages *pages, struct gg_error *err)
{
    struct mx_server *server = mx_server_of(host);
    if (!gg_config_bool(server->config, "url_preview_enabled") || mx_previews_of(server) != NULL)
        return 0;
    struct mx_previews *previews = gg_xcalloc(1, sizeof(*previews));
    previews->server = server;
    previews->pages = pages;
    previews->running = gg_map_new(NULL);
    gg_mutex_init(&previews->reading);
    server->previews = previews;
    return read_config(previews, err);
}
