/* Loading, declaring and asking: the life of struct gg_config. */
#include "config/internal.h"
#include "config/yaml.h"

#include <ganglion/log.h>

#include <stdlib.h>

/* ---- declaring ---- */

static void remember_prefixes(struct gg_config *config, const char *path)
{
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        struct gg_str prefix = gg_strn(path, (size_t)(dot - path));

        if (!gg_map_has(config->prefixes, prefix))
            gg_map_put(config->prefixes, prefix, NULL);
    }
}

/* A value that is written; null is as good as nothing. */
static const struct gg_node *written(const struct gg_config *config, const char *path)
{
    const struct gg_node *node = gg_node_at_path(config->root, path);

    return gg_node_kind(node) == GG_NODE_NULL ? NULL : node;
}

static const struct gg_node *inverted(struct gg_config *config, const struct gg_node *node)
{
    struct gg_node *copy = gg_node_new(config->arena, GG_NODE_BOOL, node->where);

    if (node->kind != GG_NODE_BOOL)
        return node; /* the type check names it */
    copy->b = !node->b;
    copy->text = copy->b ? GG_STR("true") : GG_STR("false");
    return copy;
}

/* The value under a former spelling, if it has one. */
static const struct gg_node *written_formerly(struct gg_config *config, const struct gg_config_key *key,
                                              const struct gg_node *now)
{
    const struct gg_node *found = now;

    for (const char *at = key->old; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
        bool inverse = *at == '!';
        const char *path = gg_arena_strndup(config->arena, at + inverse, strcspn(at + inverse, "|"));
        const struct gg_node *node = written(config, path);

        gg_map_put(config->former, gg_str(path), (void *)(uintptr_t)key->path);
        remember_prefixes(config, path);
        if (!node)
            continue;
        if (found) {
            gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` is the former spelling of `%s` (%s); give only one",
                           node->where, path, key->path, found->where);
            continue;
        }
        gg_config_find(config, GG_FINDING_NOTE, "%s: `%s` is now written `%s`%s", node->where, path, key->path,
                       inverse ? " (with the opposite value)" : "");
        found = inverse ? inverted(config, node) : node;
    }
    return found;
}

static struct gg_node *split_commas(struct gg_config *config, const char *text, const char *where)
{
    struct gg_node *list = gg_node_new(config->arena, GG_NODE_LIST, where);

    for (const char *at = text; *at;) {
        size_t n = strcspn(at, ", ");

        if (n > 0) {
            struct gg_node *item = gg_node_new(config->arena, GG_NODE_TEXT, where);

            item->text = gg_arena_str(config->arena, gg_strn(at, n));
            gg_node_add(config->arena, list, item);
        }
        at += n + (at[n] ? 1 : 0);
    }
    return list;
}

static const struct gg_node *from_environment(struct gg_config *config, const struct gg_config_key *key)
{
    const char *text = key->env ? getenv(key->env) : NULL;
    const char *where;
    struct gg_node *node;

    if (!text || !*text)
        return NULL;
    where = gg_arena_printf(config->arena, "environment variable %s", key->env);
    if (key->type == GG_C_TEXTS)
        return split_commas(config, text, where);
    node = gg_node_plain(config->arena, text, where);
    if (key->type == GG_C_TEXT || key->type == GG_C_SECRET)
        node->kind = GG_NODE_TEXT;
    return node;
}

static const char *fill_in(struct gg_config *config, const char *text)
{
    static const char server[] = "{server_name}", directory[] = "{config_directory}";
    const char *name = gg_node_text(gg_node_get(config->root, "server_name"));
    struct gg_buf out = GG_BUF_INIT;

    while (*text) {
        if (strncmp(text, server, sizeof(server) - 1) == 0) {
            gg_buf_text(&out, name ? name : "");
            text += sizeof(server) - 1;
        } else if (strncmp(text, directory, sizeof(directory) - 1) == 0) {
            gg_buf_text(&out, config->directory);
            text += sizeof(directory) - 1;
        } else {
            gg_buf_char(&out, *text++);
        }
    }
    text = gg_arena_strdup(config->arena, out.data);
    gg_buf_done(&out);
    return text;
}

/* Texts stand for themselves; all else is YAML. */
static const struct gg_node *fallback_node(struct gg_config *config, const struct gg_config_key *key)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_node *node;

    if (!key->fallback)
        return NULL;
    if (key->type == GG_C_TEXT || key->type == GG_C_SECRET) {
        node = gg_node_plain(config->arena, key->make ? fill_in(config, key->fallback) : key->fallback, "default");
        node->kind = GG_NODE_TEXT;
        return node;
    }
    if (!strchr("[{'\"", key->fallback[0]))
        return gg_node_plain(config->arena, key->fallback, "default");
    if (gg_yaml_parse(config->arena, "default", gg_str(key->fallback), NULL, NULL, &node, &err) != 0)
        gg_panic(__FILE__, __LINE__, "the default of %s is no YAML: %s", key->path, err.message);
    return node;
}

static void use_default(struct gg_config *config, struct gg_value *value)
{
    const struct gg_node *node = from_environment(config, &value->key);

    if (node && gg_value_read(config, value, node))
        return;
    node = fallback_node(config, &value->key);
    value->node = NULL;
    if (node && gg_node_kind(node) != GG_NODE_NULL && !gg_value_read(config, value, node))
        gg_panic(__FILE__, __LINE__, "the default of %s has the wrong type", value->key.path);
}

static void settle(struct gg_config *config, struct gg_value *value)
{
    const struct gg_node *node = written(config, value->key.path);

    node = written_formerly(config, &value->key, node);
    value->set = node != NULL;
    if (!node && (value->key.flags & GG_KEY_NULL) && gg_node_at_path(config->root, value->key.path))
        return;
    if (!node) {
        use_default(config, value);
    } else if (gg_value_read(config, value, node)) {
        gg_config_judge(config, value, fallback_node(config, &value->key));
    } else {
        value->set = false;
        use_default(config, value);
    }
    if (value->key.type == GG_C_SECRET)
        gg_config_read_secret(config, value);
}

static int declare_one(struct gg_config *config, const struct gg_config_key *key, struct gg_error *err)
{
    struct gg_value *known = (struct gg_value *)gg_map_get(config->values, gg_str(key->path));

    if (known && known->key.type == key->type)
        return 0;
    if (known)
        return gg_fail(err, GG_E_CONFLICT, "the key `%s` is declared twice with different types", key->path);
    struct gg_value *value = GG_NEW(config->arena, struct gg_value);
    value->key = *key;
    value->key.path = gg_arena_strdup(config->arena, key->path);
    gg_map_put(config->values, gg_str(value->key.path), value);
    *config->tail = value;
    config->tail = &value->next;
    remember_prefixes(config, value->key.path);
    settle(config, value);
    return 0;
}

int gg_config_declare(struct gg_config *config, const struct gg_config_key *table, size_t entry_size,
                      struct gg_error *err)
{
    size_t size = entry_size < sizeof(*table) ? entry_size : sizeof(*table);

    for (const char *at = (const char *)table;; at += entry_size) {
        struct gg_config_key key = {0};

        memcpy(&key, at, size);
        if (!key.path)
            return 0;
        int status = declare_one(config, &key, err);
        if (status)
            return status;
    }
}

/* ---- loading ---- */

int gg_config_read(const struct gg_config_source *source, struct gg_config **out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_config *config = GG_NEW(arena, struct gg_config);
    int status;

    config->arena = arena;
    config->root = gg_node_new(arena, GG_NODE_MAP, "configuration");
    config->values = gg_map_new(NULL);
    config->tail = &config->head;
    config->prefixes = gg_map_new(NULL);
    config->former = gg_map_new(NULL);
    config->directory = ".";
    config->no_secrets = source->no_secrets;
    config->generate = source->generate;
    config->checking = source->checking;
    config->from_text = source->text != NULL;
    *out = config;
    status = gg_config_collect(config, source, err);
    if (status) {
        gg_config_find(config, GG_FINDING_ERROR, "%s", err->message);
        return status;
    }
    gg_topology_identify(config);
    status = gg_config_declare(config, gg_host_keys, sizeof(gg_host_keys[0]), err);
    gg_topology_build(config);
    return status ? status : gg_config_verdict(config, err);
}

void gg_config_free(struct gg_config *config)
{
    if (!config)
        return;
    gg_map_free(config->values);
    gg_map_free(config->prefixes);
    gg_map_free(config->former);
    gg_map_free(config->topo.writers);
    gg_arena_free(config->arena);
}

int gg_config_load_text(const char *text, const struct gg_config_key *const *tables, struct gg_config **out,
                        struct gg_error *err)
{
    struct gg_config_source source = {.text = text};
    int status = gg_config_read(&source, out, err);

    for (; !status && tables && *tables; tables++)
        status = gg_config_declare(*out, *tables, sizeof(**tables), err);
    if (!status)
        status = gg_config_finish(*out, err);
    if (status) {
        gg_config_free(*out);
        *out = NULL;
    }
    return status;
}

const struct gg_node *gg_config_root(const struct gg_config *config)
{
    return config->root;
}

const char *gg_config_directory(const struct gg_config *config)
{
    return config->directory;
}

/* ---- asking ---- */

const struct gg_value *gg_config_value(const struct gg_config *config, const char *path)
{
    return (const struct gg_value *)gg_map_get(config->values, gg_str(path));
}

static const struct gg_value *ask(const struct gg_config *config, const char *path, uint32_t types)
{
    const struct gg_value *value = gg_config_value(config, path);

    if (!value)
        gg_panic(__FILE__, __LINE__, "configuration key %s was never declared", path);
    if (!(types & (1u << value->key.type)))
        gg_panic(__FILE__, __LINE__, "configuration key %s is asked for as another type than it has", path);
    return value;
}

bool gg_config_set(const struct gg_config *config, const char *path)
{
    return ask(config, path, UINT32_MAX)->set;
}

bool gg_config_bool(const struct gg_config *config, const char *path)
{
    return ask(config, path, 1u << GG_C_BOOL)->b;
}

int64_t gg_config_int(const struct gg_config *config, const char *path)
{
    return ask(config, path, 1u << GG_C_INT | 1u << GG_C_DURATION | 1u << GG_C_SIZE)->i;
}

double gg_config_number(const struct gg_config *config, const char *path)
{
    const struct gg_value *value = ask(config, path, 1u << GG_C_NUMBER | 1u << GG_C_INT);

    return value->key.type == GG_C_INT ? (double)value->i : value->d;
}

const char *gg_config_text(const struct gg_config *config, const char *path)
{
    return ask(config, path, 1u << GG_C_TEXT | 1u << GG_C_SECRET | 1u << GG_C_ENUM)->text;
}

const char *const *gg_config_texts(const struct gg_config *config, const char *path, size_t *n_out)
{
    static const char *const none[] = {NULL};
    const struct gg_value *value = ask(config, path, 1u << GG_C_TEXTS | 1u << GG_C_NAMES);

    if (n_out)
        *n_out = value->n_texts;
    return value->texts ? value->texts : none;
}

const struct gg_node *gg_config_node(const struct gg_config *config, const char *path)
{
    return ask(config, path, UINT32_MAX)->node;
}

/* ---- cache factors ---- */

/* Synapse compares names in lower case with all but a-z, _ and 1-9 dropped. */
static void plain_cache_name(const char *name, char *out, size_t size)
{
    size_t n = 0;

    for (; *name && n + 1 < size; name++) {
        char c = *name >= 'A' && *name <= 'Z' ? (char)(*name | 32) : *name;

        if ((c >= 'a' && c <= 'z') || c == '_' || (c >= '1' && c <= '9'))
            out[n++] = c;
    }
    out[n] = '\0';
}

static bool factor_from_environment(const char *plain, double *out)
{
    char name[160] = "SYNAPSE_CACHE_FACTOR_", *end;
    size_t n = strlen(name);
    const char *text;

    for (; *plain && n + 1 < sizeof(name); plain++)
        name[n++] = *plain >= 'a' && *plain <= 'z' ? (char)(*plain & ~32) : *plain;
    name[n] = '\0';
    text = getenv(name);
    if (!text || !*text)
        return false;
    *out = strtod(text, &end);
    return *end == '\0' && *out >= 0;
}

double gg_config_cache_factor(const struct gg_config *config, const char *cache)
{
    const struct gg_node *map = gg_config_node(config, "caches.per_cache_factors");
    char wanted[128], each[128];
    double factor;

    plain_cache_name(cache, wanted, sizeof(wanted));
    if (factor_from_environment(wanted, &factor))
        return factor;
    for (size_t i = 0; i < gg_node_count(map); i++) {
        const char *key = NULL;
        const struct gg_node *value = gg_node_at(map, i, &key);

        plain_cache_name(key, each, sizeof(each));
        if (strcmp(each, wanted) == 0)
            return gg_node_number(value);
    }
    return gg_config_number(config, "caches.global_factor");
}
