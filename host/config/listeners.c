/* Listeners of this process: every form that Synapse ever took, and the safety of
 * the replication listener. */
#include "config/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

static const char *const all_resources[] = {"client",  "consent", "federation",  "health", "keys", "media",
                                            "metrics", "openid",  "replication", "static", NULL};
enum { N_LEGACY = 4, MAX_LISTENERS = 256 };

bool gg_listener_has(const struct gg_listener *listener, const char *resource)
{
    for (size_t i = 0; i < listener->n_resources; i++)
        if (strcmp(listener->resources[i], resource) == 0)
            return true;
    return false;
}

const struct gg_listener *gg_topology_listeners(const struct gg_config *config, size_t *n_out)
{
    *n_out = config->topo.n_listeners;
    return config->topo.listeners;
}

/* ---- small fields ---- */

static void wrong(struct gg_config *config, const struct gg_node *node, const char *field, const char *wanted)
{
    gg_config_find(config, GG_FINDING_ERROR, "%s: listener: `%s` must be %s, not %s", node->where, field, wanted,
                   gg_node_kind_name(node->kind));
}

static const char *text_field(struct gg_config *config, const struct gg_node *map, const char *field)
{
    const struct gg_node *node = gg_node_get(map, field);

    if (gg_node_kind(node) == GG_NODE_NULL)
        return NULL;
    if (node->kind != GG_NODE_TEXT)
        wrong(config, node, field, "text");
    return gg_node_text(node);
}

static bool bool_field(struct gg_config *config, const struct gg_node *map, const char *field, bool fallback)
{
    const struct gg_node *node = gg_node_get(map, field);

    if (gg_node_kind(node) == GG_NODE_NULL)
        return fallback;
    if (node->kind != GG_NODE_BOOL)
        wrong(config, node, field, "true or false");
    return gg_node_bool(node);
}

static uint16_t port_of(struct gg_config *config, const struct gg_node *node, const char *field)
{
    if (node->kind == GG_NODE_INT && node->i >= 1 && node->i <= 65535)
        return (uint16_t)node->i;
    gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be a port from 1 to 65535", node->where, field);
    return 0;
}

/* ---- addresses ---- */

static void set_addresses(struct gg_config *config, struct gg_listener *listener, const char *const *texts, size_t n)
{
    const char **list = GG_NEW_ARRAY(config->arena, const char *, n + 1);

    if (n)
        memcpy(list, texts, n * sizeof(*list));
    listener->addresses = list;
    listener->n_addresses = n;
}

/* bind_address and bind_addresses add up; neither: every address. */
static void read_addresses(struct gg_config *config, struct gg_listener *listener, const struct gg_node *map)
{
    static const char *const everywhere[] = {"::", "0.0.0.0"};
    const struct gg_node *list = gg_node_get(map, "bind_addresses");
    const char *single = text_field(config, map, "bind_address");
    size_t n = 0;
    const char **texts = GG_NEW_ARRAY(config->arena, const char *, gg_node_count(list) + 1);

    if (gg_node_kind(list) != GG_NODE_NULL && list->kind != GG_NODE_LIST)
        wrong(config, list, "bind_addresses", "a list of texts");
    for (size_t i = 0; gg_node_kind(list) == GG_NODE_LIST && i < list->n; i++) {
        const struct gg_node *item = list->entries[i].value;

        if (item->kind != GG_NODE_TEXT)
            wrong(config, item, "bind_addresses", "a list of texts");
        else
            texts[n++] = item->text.s;
    }
    if (single)
        texts[n++] = single;
    listener->default_addresses = n == 0;
    if (n > 0)
        set_addresses(config, listener, texts, n);
    else if (listener->type == GG_LISTENER_METRICS)
        set_addresses(config, listener, everywhere + 1, 1);
    else
        set_addresses(config, listener, everywhere, 2);
}

/* ---- resources ---- */

static bool is_resource(const char *name)
{
    for (const char *const *each = all_resources; *each; each++)
        if (strcmp(*each, name) == 0)
            return true;
    return false;
}

static size_t add_resource(struct gg_config *config, const struct gg_node *node, const char **names, size_t n)
{
    if (node->kind == GG_NODE_TEXT && is_resource(node->text.s)) {
        names[n] = node->text.s;
        return n + 1;
    }
    gg_config_find(config, GG_FINDING_ERROR,
                   "%s: `%.60s` is no listener resource; there are client, consent, federation, health, keys, media, "
                   "metrics, openid, replication, static",
                   node->where, node->text.s ? node->text.s : "");
    return n;
}

static size_t count_names(const struct gg_node *list)
{
    size_t n = 0;

    for (size_t i = 0; i < gg_node_count(list); i++)
        n += gg_node_count(gg_node_get(list->entries[i].value, "names")) + 1;
    return n;
}

static void read_resources(struct gg_config *config, struct gg_listener *listener, const struct gg_node *map)
{
    static const char *const known[] = {"names", "compress", NULL};
    const struct gg_node *list = gg_node_get(map, "resources");
    const char **names = GG_NEW_ARRAY(config->arena, const char *, count_names(list) + 1);
    size_t n = 0;

    if (gg_node_kind(list) != GG_NODE_NULL && list->kind != GG_NODE_LIST)
        wrong(config, list, "resources", "a list");
    for (size_t i = 0; gg_node_kind(list) == GG_NODE_LIST && i < list->n; i++) {
        const struct gg_node *item = list->entries[i].value, *each = gg_node_get(item, "names");

        if (item->kind != GG_NODE_MAP || (gg_node_kind(each) != GG_NODE_LIST && gg_node_kind(each) != GG_NODE_TEXT)) {
            wrong(config, item, "resources", "a list of {names: [...]}");
            continue;
        }
        gg_config_unknown_in(config, item, "a listener's resources", known);
        listener->compress |= bool_field(config, item, "compress", false);
        if (each->kind == GG_NODE_TEXT)
            n = add_resource(config, each, names, n);
        for (size_t j = 0; each->kind == GG_NODE_LIST && j < each->n; j++)
            n = add_resource(config, each->entries[j].value, names, n);
    }
    listener->resources = names;
    listener->n_resources = n;
}

static void set_resources(struct gg_config *config, struct gg_listener *listener, const char *const *texts, size_t n)
{
    const char **list = GG_NEW_ARRAY(config->arena, const char *, n + 1);

    if (n)
        memcpy(list, texts, n * sizeof(*list));
    listener->resources = list;
    listener->n_resources = n;
}

/* ---- one listener ---- */

static int type_of(struct gg_config *config, const struct gg_node *map)
{
    const struct gg_node *node = gg_node_get(map, "type");
    const char *type = gg_node_text(node);

    if (!type)
        gg_config_find(config, GG_FINDING_ERROR, "%s: listener: `type` is missing (http, metrics or manhole)",
                       map->where);
    else if (strcmp(type, "http") == 0)
        return GG_LISTENER_HTTP;
    else if (strcmp(type, "metrics") == 0)
        return GG_LISTENER_METRICS;
    else if (strcmp(type, "manhole") == 0)
        return GG_LISTENER_MANHOLE;
    else if (strcmp(type, "replication") == 0)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: the listener type replication (TCP replication of old) is no longer supported: use `type: "
                       "http` with the resource replication, and Redis",
                       node->where);
    else
        gg_config_find(config, GG_FINDING_ERROR, "%s: listener: `type` must be http, metrics or manhole, not `%.60s`",
                       node->where, type);
    return 0;
}

static void read_socket(struct gg_config *config, struct gg_listener *listener, const struct gg_node *map)
{
    const struct gg_node *mode = gg_node_get(map, "mode");

    if (listener->type != GG_LISTENER_HTTP)
        gg_config_find(config, GG_FINDING_ERROR, "%s: only a listener of type http can have a `path`", map->where);
    if (bool_field(config, map, "tls", false))
        gg_config_find(config, GG_FINDING_ERROR, "%s: a listener with a `path` cannot have `tls`", map->where);
    listener->mode = 0666;
    if (gg_node_kind(mode) == GG_NODE_INT && mode->i >= 0 && mode->i <= 07777)
        listener->mode = (uint32_t)mode->i;
    else if (gg_node_kind(mode) != GG_NODE_NULL)
        wrong(config, mode, "mode", "an octal number such as 0660");
    set_addresses(config, listener, NULL, 0);
}

/* Either a port with addresses or a socket, never both and never neither. */
static void read_place(struct gg_config *config, struct gg_listener *listener, const struct gg_node *map)
{
    const struct gg_node *port = gg_node_get(map, "port");

    listener->path = text_field(config, map, "path");
    if (listener->path && gg_node_kind(port) != GG_NODE_NULL)
        gg_config_find(config, GG_FINDING_ERROR, "%s: a listener has either `port` or `path`, not both", map->where);
    else if (listener->path)
        read_socket(config, listener, map);
    else if (gg_node_kind(port) == GG_NODE_NULL)
        gg_config_find(config, GG_FINDING_ERROR, "%s: a listener needs `port` or `path`", map->where);
    else
        listener->port = port_of(config, port, "port");
    if (!listener->path)
        read_addresses(config, listener, map);
}

static void read_http(struct gg_config *config, struct gg_listener *listener, const struct gg_node *map)
{
    static const char *const metrics[] = {"metrics"};
    const struct gg_node *additional = gg_node_get(map, "additional_resources");

    listener->tls = !listener->path && bool_field(config, map, "tls", false);
    listener->x_forwarded = bool_field(config, map, "x_forwarded", listener->path != NULL);
    listener->request_id_header = text_field(config, map, "request_id_header");
    listener->tag = text_field(config, map, "tag");
    if (!listener->tag)
        listener->tag = listener->path ? "unix" : gg_arena_printf(config->arena, "%u", listener->port);
    read_resources(config, listener, map);
    if (listener->type == GG_LISTENER_METRICS)
        set_resources(config, listener, metrics, 1);
    if (gg_node_count(additional) > 0)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: `additional_resources` cannot be used: its modules are written in Python",
                       additional->where);
}

/* ---- the replication listener ---- */

enum reach { REACH_LOOPBACK, REACH_PRIVATE, REACH_PUBLIC };

static bool in_range(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
    unsigned bytes = bits / 8, rest = bits % 8;

    if (memcmp(address, prefix, bytes) != 0)
        return false;
    return rest == 0 || ((address[bytes] ^ prefix[bytes]) & (unsigned char)(0xff << (8 - rest))) == 0;
}

static enum reach reach4(const unsigned char *a)
{
    static const struct {
        unsigned char prefix[4];
        unsigned bits;
    } private[] = {{{10}, 8}, {{172, 16}, 12}, {{192, 168}, 16}, {{169, 254}, 16}, {{100, 64}, 10}};

    if (a[0] == 127)
        return REACH_LOOPBACK;
    for (size_t i = 0; i < GG_COUNT(private); i++)
        if (in_range(a, private[i].prefix, private[i].bits))
            return REACH_PRIVATE;
    return REACH_PUBLIC;
}

static enum reach reach6(const unsigned char *a)
{
    static const unsigned char loopback[16] = {[15] = 1}, mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (memcmp(a, loopback, 16) == 0)
        return REACH_LOOPBACK;
    if (memcmp(a, mapped, 12) == 0)
        return reach4(a + 12);
    if ((a[0] & 0xfe) == 0xfc || (a[0] == 0xfe && (a[1] & 0xc0) == 0x80))
        return REACH_PRIVATE;
    return REACH_PUBLIC;
}

/* A name can mean anything; only localhost is known. */
static enum reach reach_of(const char *address)
{
    unsigned char raw[16];

    if (strcmp(address, "localhost") == 0)
        return REACH_LOOPBACK;
    if (inet_pton(AF_INET, address, raw) == 1)
        return reach4(raw);
    if (inet_pton(AF_INET6, address, raw) == 1)
        return reach6(raw);
    return REACH_PUBLIC;
}

static void bind_to_loopback(struct gg_config *config, struct gg_listener *listener)
{
    static const char *const loopback[] = {"127.0.0.1"};

    set_addresses(config, listener, loopback, 1);
    listener->default_addresses = false;
    gg_config_find(
        config, GG_FINDING_WARNING,
        "%s: the replication listener on port %u has neither an address nor a `worker_replication_secret`: it "
        "is bound to 127.0.0.1 only",
        listener->where, listener->port);
}

static void judge_address(struct gg_config *config, const struct gg_listener *listener, const char *address)
{
    enum reach reach = reach_of(address);

    if (reach == REACH_PRIVATE)
        gg_config_find(config, GG_FINDING_WARNING,
                       "%s: the replication listener on %s port %u has no `worker_replication_secret`: whoever reaches "
                       "that network controls the server",
                       listener->where, address, listener->port);
    else if (reach == REACH_PUBLIC && gg_config_bool(config, "ganglion.insecure_replication_listener"))
        gg_config_find(config, GG_FINDING_WARNING,
                       "%s: the replication listener on `%s` port %u is open to everybody, as "
                       "`ganglion.insecure_replication_listener` allows",
                       listener->where, address, listener->port);
    else if (reach == REACH_PUBLIC)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: the replication listener on `%s` port %u would be open to everybody: set "
                       "`worker_replication_secret`, or bind it to a loopback or private address",
                       listener->where, address, listener->port);
}

static void check_replication(struct gg_config *config, struct gg_listener *listener)
{
    if (listener->path || !gg_listener_has(listener, "replication") || gg_topology_secret(config))
        return;
    if (listener->default_addresses && !gg_config_bool(config, "ganglion.insecure_replication_listener")) {
        bind_to_loopback(config, listener);
        return;
    }
    for (size_t i = 0; i < listener->n_addresses; i++)
        judge_address(config, listener, listener->addresses[i]);
}

/* ---- all of them ---- */

static struct gg_listener *add(struct gg_config *config, int type, const char *where)
{
    struct gg_listener *listener = &config->topo.listeners[config->topo.n_listeners++];

    *listener = (struct gg_listener){.type = type, .where = where};
    return listener;
}

static void read_one(struct gg_config *config, const struct gg_node *map)
{
    static const char *const known[] = {"type", "port",         "path",
                                        "mode", "bind_address", "bind_addresses",
                                        "tls",  "x_forwarded",  "request_id_header",
                                        "tag",  "resources",    "additional_resources",
                                        NULL};
    struct gg_listener *listener;
    int type;

    if (map->kind != GG_NODE_MAP) {
        gg_config_find(config, GG_FINDING_ERROR, "%s: a listener must be a map, not %s", map->where,
                       gg_node_kind_name(map->kind));
        return;
    }
    gg_config_unknown_in(config, map, "a listener", known);
    type = type_of(config, map);
    if (!type)
        return;
    listener = add(config, type, map->where);
    read_place(config, listener, map);
    read_http(config, listener, map);
    check_replication(config, listener);
}

/* A listener of the days before `listeners`: bind_port, metrics_port, manhole. */
static void add_legacy(struct gg_config *config, const struct gg_node *node, uint16_t port, const char *address,
                       int type, bool tls, const char *const *resources, size_t n)
{
    struct gg_listener *listener = add(config, type, node->where);
    const char *const addresses[] = {address && *address ? address : "0.0.0.0"};

    listener->port = port;
    listener->tls = tls;
    listener->tag = gg_arena_printf(config->arena, "%u", port);
    set_addresses(config, listener, addresses, 1);
    set_resources(config, listener, resources, n);
}

static void read_bind_port(struct gg_config *config)
{
    static const char *const resources[] = {"client", "federation"};
    const struct gg_value *port = gg_config_value(config, "bind_port");
    const struct gg_value *plain = gg_config_value(config, "unsecure_port");
    const char *host = gg_config_text(config, "bind_host");
    int64_t unsecure = plain->set ? plain->i : port->i - 400;

    if (!port->set)
        return;
    if (gg_config_bool(config, "no_tls"))
        gg_config_find(config, GG_FINDING_ERROR, "%s: `bind_port` and `no_tls` do not go together", port->node->where);
    config->topo.n_listeners = 0; /* as Synapse: the old form replaces `listeners` */
    gg_config_find(config, GG_FINDING_WARNING, "%s: `bind_port` replaces `listeners`; write a listener instead",
                   port->node->where);
    add_legacy(config, port->node, port_of(config, port->node, "bind_port"), host, GG_LISTENER_HTTP, true, resources,
               2);
    config->topo.listeners[0].compress = gg_config_bool(config, "gzip_responses");
    if (unsecure > 0 && unsecure <= 65535)
        add_legacy(config, port->node, (uint16_t)unsecure, host, GG_LISTENER_HTTP, false, resources, 2);
}

static void drop_tls(struct gg_config *config)
{
    size_t n = 0;

    if (!gg_config_bool(config, "no_tls"))
        return;
    for (size_t i = 0; i < config->topo.n_listeners; i++) {
        if (config->topo.listeners[i].tls)
            gg_config_find(config, GG_FINDING_NOTE, "%s: this listener is left out because of `no_tls`",
                           config->topo.listeners[i].where);
        else
            config->topo.listeners[n++] = config->topo.listeners[i];
    }
    config->topo.n_listeners = n;
}

static void read_extra_ports(struct gg_config *config)
{
    static const char *const metrics[] = {"metrics"};
    const struct gg_value *port = gg_config_value(config, "metrics_port");
    const struct gg_value *manhole = gg_config_value(config, config->topo.is_main ? "manhole" : "worker_manhole");

    if (port->set && port->i && config->topo.is_main) {
        gg_config_find(config, GG_FINDING_WARNING, "%s: `metrics_port` is now a listener of type metrics",
                       port->node->where);
        add_legacy(config, port->node, port_of(config, port->node, "metrics_port"),
                   gg_config_text(config, "metrics_bind_host"), GG_LISTENER_METRICS, false, metrics, 1);
    }
    if (manhole->set && manhole->i)
        add_legacy(config, manhole->node, port_of(config, manhole->node, manhole->key.path), "127.0.0.1",
                   GG_LISTENER_MANHOLE, false, NULL, 0);
}

/* Whether it can be read is seen at the start: who checks need not be who runs. */
static void check_is_there(struct gg_config *config, const char *key)
{
    const char *path = gg_config_text(config, key);

    if (access(path, F_OK) != 0 && errno == ENOENT)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s`: there is no file %s", gg_node_where(gg_config_node(config, key)),
                       key, path);
}

static void check_certificates(struct gg_config *config)
{
    static const char certificate[] = "tls_certificate_path", private_key[] = "tls_private_key_path";
    bool given = gg_config_text(config, certificate) && gg_config_text(config, private_key), used = false;

    for (size_t i = 0; i < config->topo.n_listeners; i++) {
        used = used || config->topo.listeners[i].tls;
        if (config->topo.listeners[i].tls && !given)
            gg_config_find(config, GG_FINDING_ERROR, "%s: a listener with `tls` needs `%s` and `%s`",
                           config->topo.listeners[i].where, certificate, private_key);
    }
    if (used && given) {
        check_is_there(config, certificate);
        check_is_there(config, private_key);
    }
}

static void check_twice(struct gg_config *config)
{
    const struct gg_listener *all = config->topo.listeners;

    for (size_t i = 0; i < config->topo.n_listeners; i++)
        for (size_t j = 0; j < i; j++)
            if (all[i].port && all[i].port == all[j].port && all[i].n_addresses && all[j].n_addresses &&
                strcmp(all[i].addresses[0], all[j].addresses[0]) == 0)
                gg_config_find(config, GG_FINDING_ERROR, "%s: port %u is already taken by the listener at %s",
                               all[i].where, all[i].port, all[j].where);
}

void gg_listeners_build(struct gg_config *config)
{
    const struct gg_node *list = gg_config_node(config, config->topo.is_main ? "listeners" : "worker_listeners");
    size_t n = gg_node_count(list);

    if (n > MAX_LISTENERS) {
        gg_config_find(config, GG_FINDING_ERROR, "%s: more than %d listeners", list->where, MAX_LISTENERS);
        n = MAX_LISTENERS;
    }
    config->topo.listeners = GG_NEW_ARRAY(config->arena, struct gg_listener, n + N_LEGACY);
    for (size_t i = 0; i < n; i++)
        read_one(config, list->entries[i].value);
    drop_tls(config);
    if (config->topo.is_main)
        read_bind_port(config);
    read_extra_ports(config);
    check_certificates(config);
    check_twice(config);
}
