/* Who this process is, where the others are, and who writes which stream group. */
#include "config/internal.h"

#include <ganglion/log.h>
#include <ganglion/repl.h>

#include <ctype.h>

#define MAIN_APP "synapse.app.homeserver"

static const char *text_at(const struct gg_config *config, const char *key)
{
    return gg_node_text(gg_node_get(config->root, key));
}

/* ---- identity ---- */

static bool is_instance_name(const char *name)
{
    size_t n = strlen(name);

    for (const char *c = name; *c; c++)
        if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c) || *c == '/')
            return false;
    return n > 0 && n <= 255;
}

static void check_name(struct gg_config *config)
{
    const struct gg_node *node = gg_node_get(config->root, "worker_name");

    if (config->topo.is_main) {
        if (gg_node_text(node))
            gg_config_find(config, GG_FINDING_WARNING, "%s: `worker_name` has no effect in the main process",
                           node->where);
        return;
    }
    if (!is_instance_name(config->topo.instance))
        gg_config_find(config, GG_FINDING_ERROR, "%s: `worker_name` must be 1 to 255 characters without blanks or `/`",
                       gg_node_where(node));
    else if (strcmp(config->topo.instance, GG_MASTER) == 0 || strcmp(config->topo.instance, "main") == 0)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `worker_name` cannot be `%s`: the main process is called so",
                       gg_node_where(node), config->topo.instance);
}

void gg_topology_identify(struct gg_config *config)
{
    const char *app = text_at(config, "worker_app"), *name = text_at(config, "worker_name");

    config->topo.worker_app = app ? app : MAIN_APP;
    config->topo.is_main = strcmp(config->topo.worker_app, MAIN_APP) == 0;
    config->topo.instance = config->topo.is_main ? GG_MASTER : name ? name : config->topo.worker_app;
    check_name(config);
}

/* worker_app in the file that all processes share would turn main into a worker. */
static void check_app_place(struct gg_config *config)
{
    const struct gg_entry *app = gg_node_entry(config->root, "worker_app");
    const struct gg_entry *server = gg_node_entry(config->root, "server_name");
    size_t n;

    if (config->from_text || config->topo.is_main || !app || !server)
        return;
    n = strcspn(server->where, ":");
    if (strncmp(app->where, server->where, n + 1) == 0)
        gg_config_find(
            config, GG_FINDING_ERROR,
            "%s: `worker_app` stands in the file that all processes share (it has `server_name`); it belongs "
            "in a file of the worker's own",
            app->where);
}

/* ---- instance_map ---- */

static bool peer_fields(struct gg_config *config, struct gg_peer *peer, const struct gg_node *map)
{
    static const char *const known[] = {"host", "port", "tls", "path", NULL};
    const struct gg_node *host = gg_node_get(map, "host"), *port = gg_node_get(map, "port");
    const struct gg_node *path = gg_node_get(map, "path"), *tls = gg_node_get(map, "tls");

    gg_config_unknown_in(config, map, "an entry of instance_map", known);
    peer->host = gg_node_text(host);
    peer->path = gg_node_text(path);
    peer->tls = gg_node_bool(tls);
    if (tls && tls->kind != GG_NODE_BOOL)
        return false;
    if (path)
        return peer->path && !host && !port;
    if (!peer->host || gg_node_kind(port) != GG_NODE_INT || port->i < 1 || port->i > 65535)
        return false;
    peer->port = (uint16_t)port->i;
    return true;
}

static struct gg_peer *add_peer(struct gg_config *config, const char *key)
{
    struct gg_peer *peer = &config->topo.peers[config->topo.n_peers++];

    peer->name = strcmp(key, "main") == 0 ? GG_MASTER : key;
    return peer;
}

static void read_instance_map(struct gg_config *config, const struct gg_node *map)
{
    for (size_t i = 0; i < gg_node_count(map); i++) {
        const struct gg_entry *entry = &map->entries[i];

        if (entry->value->kind != GG_NODE_MAP || !peer_fields(config, add_peer(config, entry->key), entry->value))
            gg_config_find(
                config, GG_FINDING_ERROR,
                "%s: `instance_map.%s` must be {host: text, port: number, tls: true or false} or {path: text}",
                entry->value->where, entry->key);
    }
}

/* The seed's way to name the main process. */
static void read_replication_host(struct gg_config *config)
{
    const struct gg_value *host = gg_config_value(config, "worker_replication_host");
    const struct gg_value *port = gg_config_value(config, "worker_replication_http_port");

    if (config->topo.is_main || (!host->set && !port->set))
        return;
    if (gg_topology_peer(config, GG_MASTER)) {
        gg_config_find(config, GG_FINDING_NOTE, "%s: `%s` has no effect: `instance_map.main` names the main process",
                       (host->set ? host : port)->node->where, (host->set ? host : port)->key.path);
        return;
    }
    if (!host->set || !port->set || port->i < 1 || port->i > 65535) {
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: `worker_replication_host` and `worker_replication_http_port` (1 to 65535) go together",
                       (host->set ? host : port)->node->where);
        return;
    }
    struct gg_peer *peer = add_peer(config, "main");
    peer->host = host->text;
    peer->port = (uint16_t)port->i;
    peer->tls = gg_config_bool(config, "worker_replication_http_tls");
    gg_config_find(config, GG_FINDING_NOTE, "%s: `worker_replication_host` is now written `instance_map.main`",
                   host->node->where);
}

const struct gg_peer *gg_topology_peer(const struct gg_config *config, const char *name)
{
    for (size_t i = 0; i < config->topo.n_peers; i++)
        if (strcmp(config->topo.peers[i].name, name) == 0)
            return &config->topo.peers[i];
    return NULL;
}

const struct gg_peer *gg_topology_peers(const struct gg_config *config, size_t *n_out)
{
    *n_out = config->topo.n_peers;
    return config->topo.peers;
}

/* ---- stream writers ---- */

static void read_writers(struct gg_config *config)
{
    const struct gg_node *map = gg_node_get(config->root, "stream_writers");

    if (gg_node_kind(map) != GG_NODE_MAP)
        return; /* the check of the prefix names it */
    for (size_t i = 0; i < map->n; i++) {
        struct gg_value *value = GG_NEW(config->arena, struct gg_value);

        value->key.path = gg_arena_printf(config->arena, "stream_writers.%s", map->entries[i].key);
        value->key.type = GG_C_NAMES;
        if (map->entries[i].value->kind != GG_NODE_NULL && gg_value_read(config, value, map->entries[i].value))
            gg_map_put(config->topo.writers, gg_str(map->entries[i].key), value);
    }
}

const char *const *gg_topology_writers(const struct gg_config *config, const char *group, size_t *n_out)
{
    static const char *const master[] = {GG_MASTER, NULL};
    const struct gg_value *value = (const struct gg_value *)gg_map_get(config->topo.writers, gg_str(group));

    if (n_out)
        *n_out = value ? value->n_texts : 1;
    return value ? (const char *const *)value->texts : master;
}

bool gg_topology_is_writer(const struct gg_config *config, const char *group)
{
    for (const char *const *each = gg_topology_writers(config, group, NULL); *each; each++)
        if (strcmp(*each, config->topo.instance) == 0)
            return true;
    return false;
}

/* ---- the whole ---- */

const char *gg_topology_instance(const struct gg_config *config)
{
    return config->topo.instance;
}

const char *gg_topology_worker_app(const struct gg_config *config)
{
    return config->topo.worker_app;
}

bool gg_topology_is_main(const struct gg_config *config)
{
    return config->topo.is_main;
}

const char *gg_topology_secret(const struct gg_config *config)
{
    return gg_config_text(config, "worker_replication_secret");
}

/* What a worker cannot be without. */
static void check_worker(struct gg_config *config)
{
    if (config->topo.is_main)
        return;
    if (!config->topo.redis.enabled)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: a worker needs Redis: set `redis.enabled: true` in the shared file", config->topo.instance);
    if (!gg_topology_peer(config, GG_MASTER))
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: a worker must know where the main process is: set `instance_map.main` (or, as of old, "
                       "`worker_replication_host` and `worker_replication_http_port`)",
                       config->topo.instance);
}

void gg_topology_build(struct gg_config *config)
{
    const struct gg_node *map = gg_config_node(config, "instance_map");

    config->topo.peers = GG_NEW_ARRAY(config->arena, struct gg_peer, gg_node_count(map) + 1);
    config->topo.writers = gg_map_new(NULL);
    check_app_place(config);
    read_instance_map(config, map);
    read_replication_host(config);
    read_writers(config);
    gg_listeners_build(config);
    gg_duties_build(config);
    gg_services_build(config);
    check_worker(config);
}
