/* client_part.c: what asking other servers needs of the configuration, and its life. */
#include "federation/client_part.h"

#include "federation/well_known.h"
#include "parts.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/memory.h>
#include <stdlib.h>

/* A handshake costs more than ten requests; an idle connection, some 50 KiB. */
enum { KEEP_CONNECTIONS = 2048 };

static struct gg_map *read_whitelist(const struct gg_config *config)
{
    size_t n;
    if (!gg_config_set(config, "federation_domain_whitelist"))
        return NULL;
    const char *const *names = gg_config_texts(config, "federation_domain_whitelist", &n);
    struct gg_map *map = gg_map_new(NULL);
    for (size_t i = 0; i < n; i++)
        gg_map_put(map, gg_str(names[i]), NULL);
    return map;
}

/* Others alone may connect: they are asked to. */
static void read_restriction(struct mx_fed_client *client, const struct gg_config *config)
{
    client->through = gg_config_texts(config, "outbound_federation_restricted_to", &client->n_through);
    for (size_t i = 0; i < client->n_through; i++)
        if (strcmp(client->through[i], gg_host_instance(client->server->host)) == 0)
            client->n_through = 0;
}

static void read_config(struct mx_fed_client *client, const struct gg_config *config)
{
    const char *suffix = gg_config_text(config, "user_agent_suffix");
    client->user_agent = gg_arena_printf(client->arena, "User-Agent: Ganglion/" GANGLION_VERSION "%s%s", suffix ? " " : "",
                                         suffix ? suffix : "");
    client->timeout_ms = gg_config_int(config, "federation.client_timeout");
    client->short_delay_ms = gg_config_int(config, "federation.max_short_retry_delay");
    client->long_delay_ms = gg_config_int(config, "federation.max_long_retry_delay");
    client->short_retries = gg_config_int(config, "federation.max_short_retries");
    client->long_retries = gg_config_int(config, "federation.max_long_retries");
    client->rules.least_ms = gg_config_int(config, "federation.destination_min_retry_interval");
    client->rules.most_ms = gg_config_int(config, "federation.destination_max_retry_interval");
    client->rules.multiplier = gg_config_number(config, "federation.destination_retry_multiplier");
    client->verify = gg_config_bool(config, "federation_verify_certificates");
    client->unverified =
        gg_config_texts(config, "federation_certificate_verification_whitelist", &client->n_unverified);
    client->whitelist = read_whitelist(config);
    read_restriction(client, config);
}

/* Written as a number or as text. */
static int least_tls(const struct gg_config *config, const char **out, struct gg_error *err)
{
    static const struct {
        double number;
        const char *name;
    } known[] = {{1, "1"}, {1.1, "1.1"}, {1.2, "1.2"}, {1.3, "1.3"}};
    const struct gg_node *node = gg_config_node(config, "federation_client_minimum_tls_version");
    const char *text = gg_node_kind(node) == GG_NODE_TEXT ? gg_node_text(node) : NULL;
    for (size_t i = 0; node && i < GG_COUNT(known); i++)
        if (text ? strcmp(text, known[i].name) == 0 : gg_node_number(node) == known[i].number) {
            *out = known[i].name;
            return 0;
        }
    return gg_fail(err, GG_E_INVALID, "federation_client_minimum_tls_version must be one of 1, 1.1, 1.2, 1.3");
}

static int make_pool(struct mx_fed_client *client, const struct gg_config *config, struct gg_error *err)
{
    struct gg_client_pool_options options = {.name = "federation_custom_ca_list", .keep = KEEP_CONNECTIONS};
    options.ca_files = gg_config_texts(config, "federation_custom_ca_list", &options.n_ca_files);
    if (gg_config_set(config, "federation_custom_ca_list") && options.n_ca_files == 0)
        return gg_fail(err, GG_E_INVALID, "federation_custom_ca_list is empty: no certificate would be trusted");
    if (gg_config_set(config, "federation_ip_range_blacklist"))
        options.denied = "federation_ip_range_blacklist";
    int status = least_tls(config, &options.least_tls, err);
    return status ? status : gg_client_pool_new(client->server->host, &options, &client->pool, err);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_fed_client *client = server->fed_client = gg_xcalloc(1, sizeof(*client));
    client->server = server;
    client->arena = gg_arena_new();
    read_config(client, server->config);
    mx_fed_backoff_make(client);
    mx_fed_well_knowns_make(client);
    return make_pool(client, server->config, err);
}

static int start(struct mx_server *server, struct gg_error *err)
{
    server->fed_client->scope = gg_scope_new(NULL, "federation client");
    return 0;
}

static void stop(struct mx_server *server)
{
    gg_scope_end(server->fed_client->scope);
    server->fed_client->scope = NULL;
}

static void free_part(struct mx_server *server)
{
    struct mx_fed_client *client = server->fed_client;
    if (!client)
        return;
    mx_fed_backoff_free(client);
    mx_fed_well_knowns_free(client);
    gg_map_free(client->whitelist);
    gg_arena_free(client->arena);
    free(client);
}

const struct mx_part mx_part_fed_client = {.name = "federation client", .make = make, .start = start, .stop = stop,
                                           .free = free_part};
