/* What can only be judged when every table is known: keys that nobody reads, names
 * that stand nowhere, and what Synapse demands of every deployment. */
#include "config/internal.h"

/* ---- unknown keys ---- */

static bool is_known(const struct gg_config *config, const char *path)
{
    return gg_map_has(config->values, gg_str(path)) || gg_map_has(config->former, gg_str(path));
}

static size_t depth_of(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += *path == '.' ? 1 : 0;
    return n;
}

static void try_all(const struct gg_map *map, struct gg_near *near)
{
    struct gg_str key;
    void *value;

    for (size_t i = 0; gg_map_next(map, &i, &key, &value);)
        if (depth_of(key.s) == depth_of(near->wanted))
            gg_near_try(near, key.s);
}

/* "file:line:column" begins with the file. */
static size_t length_of_file(const char *where)
{
    size_t n = strlen(where);

    for (int colons = 0; n > 0 && colons < 2; n--)
        colons += where[n - 1] == ':';
    return n;
}

/* The shared files are for all processes, and hold keys of roles that this one has not: what nobody knows there, the main
 * process says, which has the most. */
static bool is_for_others(const struct gg_config *config, const char *where)
{
    const struct gg_node *app = gg_node_get(config->root, "worker_app");
    size_t n = length_of_file(where);

    return !config->topo.is_main && app &&
           (length_of_file(app->where) != n || strncmp(app->where, where, n) != 0);
}

static void report_unknown(struct gg_config *config, const char *path, const char *where)
{
    struct gg_near near = {.wanted = path};
    bool writers = strncmp(path, "stream_writers.", strlen("stream_writers.")) == 0;
    const char *found;

    if (!writers && is_for_others(config, where))
        return;
    for (const struct gg_value *each = config->head; each; each = each->next)
        if (depth_of(each->key.path) == depth_of(path))
            gg_near_try(&near, each->key.path);
    try_all(config->former, &near);
    try_all(config->prefixes, &near);
    found = gg_near_found(&near);
    gg_config_find(config, writers ? GG_FINDING_ERROR : GG_FINDING_WARNING, "%s: unknown key `%s`%s%s%s%s", where, path,
                   writers ? ": there is no such stream" : "", found ? "; did you mean `" : "", found ? found : "",
                   found ? "`?" : "");
}

static void check_map(struct gg_config *config, const struct gg_node *map, const char *prefix);

/* A key that is only the beginning of declared ones must hold a map. */
static void check_entry(struct gg_config *config, const struct gg_entry *entry, const char *path)
{
    if (is_known(config, path) && !strchr(entry->key, '.'))
        return;
    if (strchr(entry->key, '.') || !gg_map_has(config->prefixes, gg_str(path)))
        report_unknown(config, path, entry->where);
    else if (entry->value->kind == GG_NODE_MAP)
        check_map(config, entry->value, path);
    else if (entry->value->kind != GG_NODE_NULL)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be a map, not %s", entry->value->where, path,
                       gg_node_kind_name(entry->value->kind));
}

/* Goes as deep as declared prefixes do, whatever the file holds. */
static void check_map(struct gg_config *config, const struct gg_node *map, const char *prefix)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct gg_entry *entry = &map->entries[i];

        check_entry(config, entry, prefix ? gg_arena_printf(config->arena, "%s.%s", prefix, entry->key) : entry->key);
    }
}

/* ---- names of processes ---- */

static void check_instance(struct gg_config *config, const struct gg_value *value, const char *name)
{
    if (strcmp(name, GG_MASTER) == 0 || gg_topology_peer(config, name))
        return;
    gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` names `%s`, which does not stand in `instance_map`",
                   gg_node_where(value->node), value->key.path, name);
}

static void check_instances(struct gg_config *config, const struct gg_value *value)
{
    if ((value->key.flags & GG_KEY_ONE) && value->n_texts != 1)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` takes exactly one name, not %zu", gg_node_where(value->node),
                       value->key.path, value->n_texts);
    else if (value->n_texts == 0 && value->set)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` names nobody", gg_node_where(value->node), value->key.path);
    for (size_t i = 0; i < value->n_texts; i++) {
        check_instance(config, value, value->texts[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(value->texts[i], value->texts[j]) == 0)
                gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` names `%s` twice", gg_node_where(value->node),
                               value->key.path, value->texts[i]);
    }
}

void gg_topology_check_writers(struct gg_config *config)
{
    for (const struct gg_value *value = config->head; value; value = value->next)
        if (value->key.flags & GG_KEY_INSTANCES)
            check_instances(config, value);
}

/* ---- demands ---- */

static void check_demanded(struct gg_config *config)
{
    if (!gg_config_text(config, "server_name"))
        gg_config_find(config, GG_FINDING_ERROR, "missing mandatory `server_name`");
    if (!gg_config_set(config, "report_stats"))
        gg_config_find(config, GG_FINDING_ERROR,
                       "missing mandatory `report_stats`: say true or false (nothing is reported either way)");
}

static void check_federation_proxy(struct gg_config *config)
{
    const struct gg_value *list = gg_config_value(config, "outbound_federation_restricted_to");

    if (list->set && list->n_texts > 0 && !gg_topology_secret(config))
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: `outbound_federation_restricted_to` needs `worker_replication_secret`", list->node->where);
}

int gg_config_finish(struct gg_config *config, struct gg_error *err)
{
    check_demanded(config);
    check_federation_proxy(config);
    gg_topology_check_writers(config);
    check_map(config, config->root, NULL);
    gg_config_make_files(config);
    return gg_config_verdict(config, err);
}
