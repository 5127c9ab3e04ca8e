/* log_config.c: a setup from a dictConfig file: version, formatters, handlers, loggers, root. */
#include "log/setup.h"

#include "config/yaml.h"

static int refuse(const struct gg_node *node, struct gg_error *err, const char *what)
{
    return gg_fail(err, GG_E_INVALID, "%s: %s", gg_node_where(node), what);
}

int log_read_level(const struct gg_node *node, int *level_out, struct gg_error *err)
{
    if (!node || gg_node_kind(node) == GG_NODE_NULL)
        return GG_OK;
    if (gg_node_kind(node) == GG_NODE_INT && gg_node_int(node) >= 0 && gg_node_int(node) <= GG_CRITICAL) {
        *level_out = (int)gg_node_int(node);
        return GG_OK;
    }
    const char *text = gg_node_text(node);
    int level = text ? log_level_of(text) : -1;
    if (level < 0)
        return gg_fail(err, GG_E_INVALID, "%s: \"%s\" is no log level (DEBUG, INFO, WARNING, ERROR, CRITICAL)",
                       gg_node_where(node), text ? text : "?");
    *level_out = level;
    return GG_OK;
}

static bool is_map(const struct gg_node *node)
{
    return node && gg_node_kind(node) == GG_NODE_MAP;
}

static const struct gg_node *map_of(const struct gg_node *root, const char *key)
{
    const struct gg_node *node = gg_node_get(root, key);
    return is_map(node) ? node : NULL;
}

/* The handlers that a logger names. Those of unknown classes were warned of already and are left out. */
static int read_handler_names(struct log_setup *setup, const struct gg_node *all, const struct gg_node *list,
                              struct log_handler ***out, struct gg_error *err)
{
    size_t n = list && gg_node_kind(list) == GG_NODE_LIST ? gg_node_count(list) : 0;
    struct log_handler **handlers = GG_NEW_ARRAY(setup->arena, struct log_handler *, n + 1);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        const struct gg_node *item = gg_node_at(list, i, NULL);
        const char *name = gg_node_text(item);
        if (!name || !all || !gg_node_get(all, name))
            return gg_fail(err, GG_E_INVALID, "%s: no handler is called \"%s\"", gg_node_where(item), name ? name : "?");
        handlers[k] = log_find_handler(setup, name);
        k += handlers[k] != NULL;
    }
    *out = handlers;
    return GG_OK;
}

static int read_logger(struct log_setup *setup, const struct gg_node *handlers, const struct gg_node *node,
                       struct log_logger *out, struct gg_error *err)
{
    const struct gg_node *propagate = gg_node_get(node, "propagate");
    out->propagate = true;
    if (propagate && gg_node_kind(propagate) == GG_NODE_BOOL)
        out->propagate = gg_node_bool(propagate);
    int r = log_read_level(gg_node_get(node, "level"), &out->level, err);
    return r != GG_OK ? r : read_handler_names(setup, handlers, gg_node_get(node, "handlers"), &out->handlers, err);
}

static int read_loggers(struct log_setup *setup, const struct gg_node *root, const struct gg_node *handlers,
                        struct gg_error *err)
{
    const struct gg_node *map = map_of(root, "loggers");
    size_t n = map ? gg_node_count(map) : 0;
    setup->loggers = GG_NEW_ARRAY(setup->arena, struct log_logger, n);
    for (size_t i = 0; i < n; i++) {
        const char *name;
        const struct gg_node *node = gg_node_at(map, i, &name);
        if (!is_map(node))
            return refuse(node, err, "a logger must be a map");
        struct log_logger *l = &setup->loggers[setup->n_loggers++];
        l->name = gg_arena_strdup(setup->arena, name);
        int r = read_logger(setup, handlers, node, l, err);
        if (r != GG_OK)
            return r;
    }
    const struct gg_node *node = map_of(root, "root");
    return node ? read_logger(setup, handlers, node, &setup->root, err) : GG_OK;
}

/* Of filters only the one that adds the request is known, and it is built in. */
static void check_filters(struct log_setup *setup, const struct gg_node *root)
{
    const struct gg_node *map = map_of(root, "filters");
    for (size_t i = 0; map && i < gg_node_count(map); i++) {
        const char *name;
        const struct gg_node *node = gg_node_at(map, i, &name);
        const struct gg_node *class_node = is_map(node) ? gg_node_get(node, "()") : NULL;
        const char *class_name = class_node ? gg_node_text(class_node) : NULL;
        if (!class_name || !strstr(class_name, "LoggingContextFilter"))
            log_setup_warn(setup, "%s: filter \"%s\" (%s) is not known and has no effect", gg_node_where(node), name,
                           class_name ? class_name : "no class");
    }
}

static void check_keys(struct log_setup *setup, const struct gg_node *root)
{
    static const char *const known[] = {"version", "formatters", "filters", "handlers", "loggers", "root",
                                        "disable_existing_loggers"};
    for (size_t i = 0; i < gg_node_count(root); i++) {
        const char *key;
        const struct gg_node *node = gg_node_at(root, i, &key);
        bool found = false;
        for (size_t k = 0; k < GG_COUNT(known); k++)
            found |= strcmp(key, known[k]) == 0;
        if (!found)
            log_setup_warn(setup, "%s: \"%s\" is not known and has no effect", gg_node_where(node), key);
    }
    check_filters(setup, root);
}

static int check_root(const struct gg_node *root, const char *path, struct gg_error *err)
{
    if (!is_map(root))
        return gg_fail(err, GG_E_INVALID, "%s: a log configuration must be a map", path);
    const struct gg_node *structured = gg_node_get(root, "structured");
    if (structured && gg_node_kind(structured) == GG_NODE_BOOL && gg_node_bool(structured))
        return refuse(structured, err, "structured logging of this old form is gone: use the formatter class "
                                       "synapse.logging.TerseJsonFormatter");
    const struct gg_node *version = gg_node_get(root, "version");
    if (!version || gg_node_kind(version) != GG_NODE_INT || gg_node_int(version) != 1)
        return gg_fail(err, GG_E_INVALID, "%s: a log configuration must say \"version: 1\"", path);
    return GG_OK;
}

static int read_handlers(struct log_setup *setup, const struct gg_node *root, const struct gg_node *handlers,
                         struct gg_error *err)
{
    for (size_t i = 0; handlers && i < gg_node_count(handlers); i++) {
        const char *name;
        const struct gg_node *node = gg_node_at(handlers, i, &name);
        if (!is_map(node))
            return refuse(node, err, "a handler must be a map");
        int r = log_read_handler(setup, map_of(root, "formatters"), name, node, err);
        if (r != GG_OK)
            return r;
    }
    return handlers ? log_link_targets(setup, handlers, err) : GG_OK;
}

/* A file whose handlers are all of unknown classes must not silence the process. */
static void ensure_output(struct log_setup *setup, const char *path)
{
    struct log_handler **h = setup->root.handlers;
    for (size_t i = 0; !*h && i < setup->n_loggers; i++)
        h = setup->loggers[i].handlers ? setup->loggers[i].handlers : h;
    if (*h)
        return;
    struct log_handler *handler = GG_NEW(setup->arena, struct log_handler);
    handler->kind = LOG_TO_STREAM;
    handler->stream = 2;
    handler->format = log_format_text(setup->arena, LOG_DEFAULT_FORMAT, NULL, NULL, NULL);
    gg_list_push(&setup->handlers, &handler->link);
    setup->root.handlers = GG_NEW_ARRAY(setup->arena, struct log_handler *, 2);
    setup->root.handlers[0] = handler;
    log_setup_warn(setup, "%s: no logger has a usable handler; lines go to standard error", path);
}

static void keep_note(void *arg, const char *text)
{
    log_setup_warn(arg, "%s", text);
}

int log_setup_read(const char *path, struct log_setup **out, struct gg_error *err)
{
    struct log_setup *setup = log_setup_new();
    struct gg_arena *arena = gg_arena_new();
    struct gg_node *root = NULL;
    int r = gg_yaml_parse_file(arena, path, keep_note, setup, &root, err);
    if (r != GG_OK) {
        gg_error_prefix(err, "log configuration");
        goto out;
    }
    r = check_root(root, path, err);
    if (r != GG_OK)
        goto out;
    check_keys(setup, root);
    const struct gg_node *handlers = map_of(root, "handlers");
    r = read_handlers(setup, root, handlers, err);
    if (r == GG_OK)
        r = read_loggers(setup, root, handlers, err);
    if (r == GG_OK)
        ensure_output(setup, path);
out:
    gg_arena_free(arena);
    if (r == GG_OK)
        *out = setup;
    else
        log_setup_free(setup);
    return r;
}
