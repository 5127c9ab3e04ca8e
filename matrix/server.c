/* matrix/server.c: the Matrix library of one process: its identity, its streams and its parts. */
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/config.h>
#include <ganglion/matrix/role.h>
#include <stdlib.h>

#include "keys.h"
#include "parts.h"
#include "schema/schema.h"

static struct gg_logger logger = {"ganglion.matrix"};

/* One line for each part, in the order of making; stopped and freed in reverse. */
static const struct mx_part *const parts[] = {&mx_part_caches,    &mx_part_appservices, &mx_part_store, &mx_part_heads, &mx_part_push,
                                              &mx_part_fed_client,
                                              &mx_part_keyring,   &mx_part_origins,
                                              &mx_part_persister, &mx_part_sync,  &mx_part_presence,
                                              &mx_part_tasks,     &mx_part_purge, &mx_part_accounts,
                                              &mx_part_stats,     &mx_part_directory,
                                              &mx_part_groups,
                                              &mx_part_fed_hosts,
                                              &mx_part_sliding,
                                              &mx_part_fed_serving,
                                              &mx_part_media,
                                              &mx_part_previews, &mx_part_upkeep,
                                              &mx_part_e2ee, &mx_part_fed_inbound, &mx_part_fed_hints, &mx_part_jobs,
                                              &mx_part_accepting, &mx_part_usage, &mx_part_delayed};

struct attached {
    struct mx_server server; /* first: the service's self is the server */
    struct gg_arena *arena;  /* keys and names */
    size_t n_made, n_started;
};

static void server_stop(void *self)
{
    struct attached *a = self;
    while (a->n_started) {
        const struct mx_part *part = parts[--a->n_started];
        if (part->stop)
            part->stop(&a->server);
    }
}

static int server_start(void *self, struct gg_error *err)
{
    struct attached *a = self;
    for (; a->n_started < GG_COUNT(parts); a->n_started++) {
        const struct mx_part *part = parts[a->n_started];
        int status = part->start ? part->start(&a->server, err) : 0;
        if (status) {
            gg_error_prefix(err, "%s", part->name);
            a->n_started++; /* what it began is undone by its own stop */
            server_stop(a);
            return status;
        }
    }
    return 0;
}

static int server_replicated(void *self, struct gg_error *err)
{
    struct attached *a = self;
    int status = 0;
    for (size_t i = 0; i < a->n_started && !status; i++)
        if (parts[i]->replicated)
            status = parts[i]->replicated(&a->server, err);
    return status;
}

static void server_free(void *self)
{
    struct attached *a = self;
    while (a->n_made) {
        const struct mx_part *part = parts[--a->n_made];
        if (part->free)
            part->free(&a->server);
    }
    gg_arena_free(a->arena);
    free(a);
}

static const struct gg_service service = {
    .name = "matrix", .start = server_start, .replicated = server_replicated, .stop = server_stop, .free = server_free};

static int load_identity(struct attached *a, struct gg_error *err)
{
    struct mx_server *server = &a->server;
    server->name = gg_config_text(server->config, "server_name");
    if (!server->name || !mx_server_name_valid(gg_str(server->name)))
        return gg_fail(err, GG_E_INVALID, "server_name is missing or no valid server name");
    const char *version = gg_config_text(server->config, "default_room_version");
    server->default_version = mx_room_version_find(gg_str(version ? version : MX_DEFAULT_ROOM_VERSION));
    if (!server->default_version)
        return gg_fail(err, GG_E_INVALID, "default_room_version: room version \"%s\" is not known", version);
    return mx_keys_load(server->config, server->name, gg_host_is_main(server->host), a->arena, &server->keys,
                        &server->n_keys, err);
}

static int prepare_schema(void *self, struct gg_error *err)
{
    return mx_schema_prepare(self, err);
}

int mx_server_attach(struct gg_host *host, struct mx_server **out, struct gg_error *err)
{
    if ((*out = mx_server_of(host)))
        return 0;
    struct attached *a = calloc(1, sizeof(*a));
    if (!a)
        return gg_fail(err, GG_E_NOMEM, "out of memory");
    a->arena = gg_arena_new();
    a->server.host = host;
    a->server.db = gg_host_db(host);
    a->server.config = gg_host_config(host);
    int status = load_identity(a, err);
    if (status)
        goto fail;
    mx_streams_register(&a->server);
    for (; a->n_made < GG_COUNT(parts); a->n_made++)
        if ((status = parts[a->n_made]->make(&a->server, err)))
            goto fail;
    gg_host_attach(host, &service, &a->server);
    gg_host_on_schema(host, prepare_schema, &a->server);
    gg_debug(&logger, "serving %s, room version %s", a->server.name, a->server.default_version->id);
    *out = &a->server;
    return 0;
fail:
    server_free(a);
    return status;
}

int mx_role_load(struct gg_host *host, void **self_out, struct gg_error *err)
{
    struct mx_server *server = NULL;
    int status = mx_server_attach(host, &server, err);
    *self_out = server;
    return status;
}

struct mx_server *mx_server_of(const struct gg_host *host)
{
    return gg_host_service(host, service.name);
}

/* What parts read when they are made is read here first: at a start it is refused before anything is touched, and
 * --check-config sees it at all. */
int mx_role_check(const struct gg_host *host, struct gg_error *err)
{
    const struct gg_config *config = gg_host_config(host);
    const struct mx_server server = {.config = config, .name = gg_config_text(config, "server_name")};
    int status = mx_config_check(config, err);
    if (!status && server.name)
        status = mx_own_keys_check(config, server.name, err);
    for (size_t i = 0; !status && server.name && i < GG_COUNT(parts); i++)
        if (parts[i]->check)
            status = parts[i]->check(&server, err);
    return status;
}

bool mx_is_mine(const struct mx_server *server, struct gg_str id)
{
    struct gg_str domain = mx_id_domain(id);
    return domain.s && gg_str_is(domain, server->name);
}

bool mx_trusts_anybody(const struct mx_server *server)
{
    return gg_config_bool(server->config, "use_insecure_ssl_client_just_for_testing_do_not_use");
}
