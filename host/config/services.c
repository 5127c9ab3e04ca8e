/* Redis, PostgreSQL and the addresses not to be reached, as the files describe them. */
#include "client/forward.h"
#include "config/internal.h"

#include <ganglion/client.h>
#include <libpq-fe.h>
#include <stdlib.h>

/* ---- Redis ---- */

static void build_redis(struct gg_config *config)
{
    struct gg_redis_options *redis = &config->topo.redis;
    int64_t port = gg_config_int(config, "redis.port"), dbid = gg_config_int(config, "redis.dbid");

    redis->enabled = gg_config_bool(config, "redis.enabled");
    redis->path = gg_config_text(config, "redis.path");
    redis->host = redis->path ? NULL : gg_config_text(config, "redis.host");
    redis->username = gg_config_text(config, "redis.username");
    redis->password = gg_config_text(config, "redis.password");
    redis->dbid = gg_config_set(config, "redis.dbid") && dbid >= 0 && dbid <= 65535 ? (int)dbid : -1;
    redis->tls = !redis->path && gg_config_bool(config, "redis.use_tls");
    redis->certificate_file = gg_config_text(config, "redis.certificate_file");
    redis->private_key_file = gg_config_text(config, "redis.private_key_file");
    redis->ca_file = gg_config_text(config, "redis.ca_file");
    redis->ca_path = gg_config_text(config, "redis.ca_path");
    redis->port = port > 0 && port <= 65535 ? (uint16_t)port : 0;
    if (redis->port == 0)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `redis.port` must be a port from 1 to 65535",
                       gg_node_where(gg_config_node(config, "redis.port")));
    if (redis->username && !redis->password)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `redis.username` needs `redis.password` or `redis.password_path`",
                       gg_node_where(gg_config_node(config, "redis.username")));
}

/* ---- PostgreSQL ---- */

/* The one database section: `database`, or the only entry of `databases`. */
static const struct gg_node *database_section(struct gg_config *config)
{
    const struct gg_node *one = gg_config_node(config, "database"), *many = gg_config_node(config, "databases");

    if (one && many) {
        gg_config_find(config, GG_FINDING_ERROR, "%s: `database` and `databases` cannot both be given", many->where);
    } else if (many && many->kind == GG_NODE_MAP && many->n > 1) {
        gg_config_find(config, GG_FINDING_ERROR, "%s: `databases` with more than one database cannot be used yet",
                       many->where);
    } else if (many && many->kind == GG_NODE_MAP && many->n == 1) {
        one = many->entries[0].value;
    }
    if (!one) {
        gg_config_find(config, GG_FINDING_ERROR, "no `database` section: a PostgreSQL database is needed");
        return NULL;
    }
    if (one->kind == GG_NODE_MAP)
        return one;
    gg_config_find(config, GG_FINDING_ERROR, "%s: a database section must be a map", one->where);
    return NULL;
}

static bool check_engine(struct gg_config *config, const struct gg_node *section)
{
    const struct gg_node *node = gg_node_get(section, "name");
    const char *name = gg_node_text(node);

    if (name && strcmp(name, "psycopg2") == 0)
        return true;
    if (!name || strcmp(name, "sqlite3") == 0)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: SQLite is not supported: set `database.name: psycopg2` and give a PostgreSQL database",
                       gg_node_where(node ? node : section));
    else
        gg_config_find(config, GG_FINDING_ERROR, "%s: unsupported database type `%.40s`: it must be psycopg2",
                       node->where, name);
    return false;
}

static bool is_libpq_word(const PQconninfoOption *options, const char *key, struct gg_near *near)
{
    for (; options->keyword; options++) {
        if (strcmp(options->keyword, key) == 0)
            return true;
        gg_near_try(near, options->keyword);
    }
    return false;
}

/* key='value' with quotes and backslashes escaped, as libpq reads it. */
static void add_word(struct gg_buf *out, const char *key, const char *value)
{
    gg_buf_printf(out, "%s%s='", out->n ? " " : "", key);
    for (; *value; value++) {
        if (*value == '\'' || *value == '\\')
            gg_buf_char(out, '\\');
        gg_buf_char(out, *value);
    }
    gg_buf_char(out, '\'');
}

static void add_argument(struct gg_config *config, struct gg_buf *out, const struct gg_entry *entry,
                         const PQconninfoOption *options)
{
    const char *key = strcmp(entry->key, "database") == 0 ? "dbname" : entry->key;
    struct gg_near near = {.wanted = key};
    const struct gg_node *value = entry->value;

    if (strncmp(key, "cp_", 3) == 0 || value->kind == GG_NODE_NULL)
        return;
    if (!is_libpq_word(options, key, &near)) {
        const char *found = gg_near_found(&near);

        gg_config_find(config, GG_FINDING_ERROR, "%s: `database.args.%s` is no connection option%s%s%s", entry->where,
                       key, found ? "; did you mean `" : "", found ? found : "", found ? "`?" : "");
        return;
    }
    if (value->kind == GG_NODE_BOOL)
        add_word(out, key, value->b ? "1" : "0");
    else if (value->kind <= GG_NODE_TEXT)
        add_word(out, key, value->text.s);
    else
        gg_config_find(config, GG_FINDING_ERROR, "%s: `database.args.%s` must be text or a number", value->where, key);
}

static unsigned pool_size(struct gg_config *config, const struct gg_node *args)
{
    const struct gg_node *node = gg_node_get(args, "cp_max");

    if (gg_node_kind(node) == GG_NODE_NULL)
        return 0;
    if (node->kind == GG_NODE_INT && node->i >= 1 && node->i <= 10000)
        return (unsigned)node->i;
    gg_config_find(config, GG_FINDING_ERROR, "%s: `database.args.cp_max` must be a whole number from 1 to 10000",
                   node->where);
    return 0;
}

static void read_arguments(struct gg_config *config, const struct gg_node *section)
{
    const struct gg_node *args = gg_node_get(section, "args");
    PQconninfoOption *options = PQconndefaults();
    struct gg_buf conninfo = GG_BUF_INIT;
    const struct gg_node *name = gg_node_get(args, "application_name");

    if (gg_node_kind(args) != GG_NODE_NULL && args->kind != GG_NODE_MAP)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `database.args` must be a map", args->where);
    for (size_t i = 0; options && gg_node_kind(args) == GG_NODE_MAP && i < args->n; i++)
        add_argument(config, &conninfo, &args->entries[i], options);
    config->topo.database.conninfo = gg_arena_strdup(config->arena, conninfo.data);
    config->topo.database.max_connections = pool_size(config, args);
    config->topo.database.application_name = gg_node_text(name) ? gg_node_text(name) : config->topo.instance;
    gg_buf_done(&conninfo);
    PQconninfoFree(options);
}

/* Milliseconds; 10 minutes unless given; null turns it off. */
static void read_statement_timeout(struct gg_config *config, const struct gg_node *section)
{
    enum { TEN_MINUTES = 600000 };
    const struct gg_node *node = gg_node_get(section, "statement_timeout");

    if (!node)
        config->topo.database.statement_timeout_ms = TEN_MINUTES;
    else if (node->kind == GG_NODE_INT && node->i >= 0)
        config->topo.database.statement_timeout_ms = node->i;
    else if (node->kind != GG_NODE_NULL)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `database.statement_timeout` must be milliseconds or null",
                       node->where);
}

static void read_lanes(struct gg_config *config)
{
    enum { MOST = 64 };
    int64_t lanes = gg_config_int(config, "ganglion.database_lanes");

    if (lanes >= 1 && lanes <= MOST)
        config->topo.database.lanes = (unsigned)lanes;
    else
        gg_config_find(config, GG_FINDING_ERROR, "%s: `ganglion.database_lanes` must be from 1 to %d",
                       gg_node_where(gg_config_node(config, "ganglion.database_lanes")), MOST);
}

static void build_database(struct gg_config *config)
{
    static const char *const known[] = {"name",        "args", "txn_limit", "allow_unsafe_locale", "statement_timeout",
                                        "data_stores", NULL};
    const struct gg_node *section = database_section(config);
    const struct gg_node *locale = gg_node_get(section, "allow_unsafe_locale");

    if (!section)
        return;
    gg_config_unknown_in(config, section, "database", known);
    if (!check_engine(config, section))
        return;
    if (gg_node_kind(locale) != GG_NODE_NULL && locale->kind != GG_NODE_BOOL)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `database.allow_unsafe_locale` must be true or false",
                       locale->where);
    config->topo.unsafe_locale = gg_node_bool(locale);
    read_statement_timeout(config, section);
    read_lanes(config);
    read_arguments(config, section);
}

/* ---- addresses not to be reached ---- */

static void check_ranges(struct gg_config *config, const char *key)
{
    struct gg_error why = GG_ERROR_INIT;
    struct gg_ip_range range;

    for (const char *const *each = gg_config_texts(config, key, NULL); *each; each++)
        if (gg_ip_range_parse(*each, &range, &why) != 0)
            gg_config_find(config, GG_FINDING_ERROR, "%s: `%s`: `%.60s` is no range of addresses such as 10.0.0.0/8",
                           gg_node_where(gg_config_node(config, key)), key, *each);
}

static void check_proxy(struct gg_config *config, const char *key)
{
    const char *proxy = gg_config_text(config, key);
    if (proxy && *proxy && !gg_forward_valid(proxy))
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be a host or a URL with http or https",
                       gg_node_where(gg_config_node(config, key)), key);
}

void gg_services_build(struct gg_config *config)
{
    check_proxy(config, "http_proxy");
    check_proxy(config, "https_proxy");
    check_ranges(config, "ip_range_blacklist");
    check_ranges(config, "ip_range_whitelist");
    build_redis(config);
    build_database(config);
}

const struct gg_redis_options *gg_topology_redis(const struct gg_config *config)
{
    return &config->topo.redis;
}

const struct gg_db_options *gg_topology_database(const struct gg_config *config)
{
    return &config->topo.database;
}

bool gg_topology_unsafe_locale(const struct gg_config *config)
{
    return config->topo.unsafe_locale;
}
