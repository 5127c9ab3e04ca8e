/* log_config_handler.c: handlers and formatters of a dictConfig file. */
#include "log/setup.h"

#include "config/yaml.h"

#include <stdlib.h>
#include <unistd.h>

#define FLUSH_PERIOD_S 5.0

struct class_row {
    const char *name;
    int kind, rotation;
    const char *arguments; /* besides class, level, formatter, filters; those without meaning here are listed too */
};

static const struct class_row classes[] = {
    {"logging.StreamHandler", LOG_TO_STREAM, 0, "stream"},
    {"logging.NullHandler", LOG_TO_NOTHING, 0, ""},
    {"logging.FileHandler", LOG_TO_FILE, LOG_ROTATE_NEVER, "filename mode encoding delay errors"},
    {"logging.handlers.WatchedFileHandler", LOG_TO_FILE, LOG_ROTATE_WATCHED, "filename mode encoding delay errors"},
    {"logging.handlers.RotatingFileHandler", LOG_TO_FILE, LOG_ROTATE_SIZE,
     "filename mode maxBytes backupCount encoding delay errors"},
    {"logging.handlers.TimedRotatingFileHandler", LOG_TO_FILE, LOG_ROTATE_TIME,
     "filename when interval backupCount encoding delay utc errors"},
    {"logging.handlers.MemoryHandler", LOG_TO_MEMORY, 0, "capacity flushLevel target flushOnClose"},
    {"synapse.logging.handlers.PeriodicallyFlushingMemoryHandler", LOG_TO_MEMORY, 0,
     "capacity flushLevel target flushOnClose period reactor"},
};

static const char *text_of(const struct gg_node *map, const char *key)
{
    const struct gg_node *node = gg_node_get(map, key);
    return node ? gg_node_text(node) : NULL;
}

static int64_t int_of(const struct gg_node *map, const char *key, int64_t fallback)
{
    const struct gg_node *node = gg_node_get(map, key);
    return node && gg_node_kind(node) == GG_NODE_INT ? gg_node_int(node) : fallback;
}

/* ---- formatters ---- */

struct unknown_field {
    struct log_setup *setup;
    const struct gg_node *node;
};

static void on_unknown_field(void *arg, const char *field)
{
    const struct unknown_field *u = arg;
    log_setup_warn(u->setup, "%s: the field %%(%s) is not known", gg_node_where(u->node), field);
}

static struct log_format *read_format(struct log_setup *setup, const struct gg_node *node)
{
    const char *class_name = text_of(node, "()"), *fmt = text_of(node, "format"), *style = text_of(node, "style");
    if (!class_name)
        class_name = text_of(node, "class");
    if (class_name && strcmp(class_name, "synapse.logging.TerseJsonFormatter") == 0)
        return log_format_json(setup->arena, true);
    if (class_name && strcmp(class_name, "synapse.logging.JsonFormatter") == 0)
        return log_format_json(setup->arena, false);
    if (class_name && strcmp(class_name, "logging.Formatter") != 0 && !strstr(class_name, "LogFormatter"))
        log_setup_warn(setup, "%s: formatter class %s is not known; its lines are plain text", gg_node_where(node),
                       class_name);
    if (!fmt)
        fmt = text_of(node, "fmt");
    if (style && strcmp(style, "%") != 0) {
        log_setup_warn(setup, "%s: formatter style \"%s\" is not known; the usual format is used", gg_node_where(node),
                       style);
        fmt = LOG_DEFAULT_FORMAT;
    }
    struct unknown_field unknown = {setup, node};
    return log_format_text(setup->arena, fmt ? fmt : "%(message)s", text_of(node, "datefmt"), on_unknown_field, &unknown);
}

/* Without a formatter Python prints the bare message. */
static int find_format(struct log_setup *setup, const struct gg_node *formatters, const struct gg_node *handler,
                       struct log_format **out, struct gg_error *err)
{
    const char *name = text_of(handler, "formatter");
    if (!name) {
        *out = log_format_text(setup->arena, "%(message)s", NULL, NULL, NULL);
        return GG_OK;
    }
    const struct gg_node *node = formatters ? gg_node_get(formatters, name) : NULL;
    if (!node || gg_node_kind(node) != GG_NODE_MAP)
        return gg_fail(err, GG_E_INVALID, "%s: no formatter is called \"%s\"", gg_node_where(handler), name);
    *out = read_format(setup, node);
    return GG_OK;
}

/* ---- handlers ---- */

static const struct class_row *class_of(const char *name)
{
    for (size_t i = 0; name && i < GG_COUNT(classes); i++)
        if (strcmp(classes[i].name, name) == 0)
            return &classes[i];
    return NULL;
}

static bool word_in(const char *word, const char *words)
{
    size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\0'))
            return true;
    return false;
}

static void check_arguments(struct log_setup *setup, const struct class_row *row, const char *name,
                            const struct gg_node *node)
{
    for (size_t i = 0; i < gg_node_count(node); i++) {
        const char *key;
        const struct gg_node *value = gg_node_at(node, i, &key);
        if (!word_in(key, "class () level formatter filters") && !word_in(key, row->arguments))
            log_setup_warn(setup, "%s: \"%s\" of handler \"%s\" is not known and has no effect", gg_node_where(value),
                           key, name);
    }
}

static int read_when(struct log_file *file, const struct gg_node *node, struct gg_error *err)
{
    const char *when = text_of(node, "when");
    if (!when)
        when = "H";
    char unit = (char)(when[0] & ~0x20);
    bool single = when[0] && when[1] == '\0';
    if (strcasecmp(when, "midnight") == 0) {
        file->unit = 'N';
    } else if (single && strchr("SMHD", unit)) {
        file->unit = unit;
    } else if (unit == 'W' && when[1] >= '0' && when[1] <= '6' && when[2] == '\0') {
        file->unit = 'W';
        file->weekday = when[1] - '0';
    } else {
        return gg_fail(err, GG_E_INVALID, "%s: \"when: %s\" is none of S, M, H, D, midnight, W0 to W6",
                       gg_node_where(node), when);
    }
    file->interval = int_of(node, "interval", 1);
    if (file->interval < 1 || file->interval > 100000)
        return gg_fail(err, GG_E_INVALID, "%s: \"interval\" must be at least 1", gg_node_where(node));
    const struct gg_node *utc = gg_node_get(node, "utc");
    file->utc = utc && gg_node_kind(utc) == GG_NODE_BOOL && gg_node_bool(utc);
    return GG_OK;
}

static int read_file(struct log_setup *setup, struct log_handler *handler, const struct class_row *row,
                     const struct gg_node *node, struct gg_error *err)
{
    const char *filename = text_of(node, "filename"), *mode = text_of(node, "mode");
    struct log_file *file = &handler->file;
    if (!filename)
        return gg_fail(err, GG_E_INVALID, "%s: handler \"%s\" needs a \"filename\"", gg_node_where(node), handler->name);
    file->path = gg_arena_strdup(setup->arena, filename);
    file->rotation = row->rotation;
    file->truncate = mode && mode[0] == 'w' && row->rotation != LOG_ROTATE_SIZE;
    file->max_bytes = int_of(node, "maxBytes", 0);
    file->backups = int_of(node, "backupCount", 0);
    if (file->backups < 0 || file->backups > 100000)
        return gg_fail(err, GG_E_INVALID, "%s: \"backupCount\" is out of range", gg_node_where(node));
    if (row->rotation == LOG_ROTATE_TIME) {
        int r = read_when(file, node, err);
        if (r != GG_OK)
            return r;
    }
    int r = log_file_open(file, err);
    if (r != GG_OK)
        gg_error_prefix(err, "%s", gg_node_where(node));
    return r;
}

static int read_memory(struct log_handler *handler, const struct class_row *row, const struct gg_node *node,
                       struct gg_error *err)
{
    handler->flush_level = GG_ERROR;
    handler->capacity = int_of(node, "capacity", 1);
    if (word_in("period", row->arguments)) {
        const struct gg_node *period = gg_node_get(node, "period");
        int kind = period ? gg_node_kind(period) : GG_NODE_NULL;
        double seconds = kind == GG_NODE_INT || kind == GG_NODE_FLOAT ? gg_node_number(period) : FLUSH_PERIOD_S;
        handler->period_ms = seconds > 0.001 && seconds < 86400 ? (int64_t)(seconds * 1000) : (int64_t)FLUSH_PERIOD_S * 1000;
    }
    return log_read_level(gg_node_get(node, "flushLevel"), &handler->flush_level, err);
}

static int read_by_kind(struct log_setup *setup, struct log_handler *handler, const struct class_row *row,
                        const struct gg_node *node, struct gg_error *err)
{
    const char *stream;
    switch (row->kind) {
    case LOG_TO_FILE:
        return read_file(setup, handler, row, node, err);
    case LOG_TO_MEMORY:
        return read_memory(handler, row, node, err);
    case LOG_TO_STREAM:
        stream = text_of(node, "stream");
        handler->stream = stream && strcmp(stream, "ext://sys.stdout") == 0 ? STDOUT_FILENO : STDERR_FILENO;
        return GG_OK;
    default:
        return GG_OK;
    }
}

int log_read_handler(struct log_setup *setup, const struct gg_node *formatters, const char *name,
                     const struct gg_node *node, struct gg_error *err)
{
    const char *class_name = text_of(node, "class");
    if (!class_name)
        class_name = text_of(node, "()");
    const struct class_row *row = class_of(class_name);
    if (!row) {
        log_setup_warn(setup, "%s: handler \"%s\" has the class %s, which is not known; it gets no lines",
                       gg_node_where(node), name, class_name ? class_name : "(none)");
        return GG_OK;
    }
    struct log_handler *handler = GG_NEW(setup->arena, struct log_handler);
    handler->name = gg_arena_strdup(setup->arena, name);
    handler->buffered = (struct gg_buf)GG_BUF_INIT;
    handler->file.fd = -1;
    handler->kind = row->kind;
    gg_list_push(&setup->handlers, &handler->link);
    check_arguments(setup, row, name, node);
    int r = log_read_level(gg_node_get(node, "level"), &handler->level, err);
    if (r == GG_OK)
        r = find_format(setup, formatters, node, &handler->format, err);
    return r != GG_OK ? r : read_by_kind(setup, handler, row, node, err);
}

struct log_handler *log_find_handler(const struct log_setup *setup, const char *name)
{
    GG_LIST_EACH (it, &setup->handlers) {
        struct log_handler *handler = GG_CONTAINER(it, struct log_handler, link);
        if (handler->name && strcmp(handler->name, name) == 0)
            return handler;
    }
    return NULL;
}

static int link_target(struct log_setup *setup, struct log_handler *handler, const struct gg_node *handlers,
                       struct gg_error *err)
{
    const struct gg_node *node = gg_node_get(handlers, handler->name);
    const char *name = text_of(node, "target");
    if (!name || !gg_node_get(handlers, name))
        return gg_fail(err, GG_E_INVALID, "%s: the target of handler \"%s\" is no handler of this file",
                       gg_node_where(node), handler->name);
    handler->target = log_find_handler(setup, name);
    if (!handler->target)
        handler->kind = LOG_TO_NOTHING; /* of a class that was warned of */
    else if (handler->target->kind == LOG_TO_MEMORY)
        return gg_fail(err, GG_E_INVALID, "%s: the target of handler \"%s\" buffers itself", gg_node_where(node),
                       handler->name);
    return GG_OK;
}

int log_link_targets(struct log_setup *setup, const struct gg_node *handlers, struct gg_error *err)
{
    int r = GG_OK;
    GG_LIST_EACH (it, &setup->handlers) {
        struct log_handler *handler = GG_CONTAINER(it, struct log_handler, link);
        if (r == GG_OK && handler->kind == LOG_TO_MEMORY)
            r = link_target(setup, handler, handlers, err);
    }
    return r;
}
