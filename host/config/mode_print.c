/* --print-config: the merged files as YAML, with every secret masked. */
#include "config/internal.h"
#include "config/modes.h"
#include "config/scalar.h"
#include "config/yaml.h"

#include <ctype.h>

#define MASK "\"<masked>\""

/* ---- what is secret ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* By name, wherever it stands: sections that are not declared key by key have secrets too. */
static bool is_secret_name(const char *key)
{
    static const char *const ends[] = {"password", "passwd", "_pass",  "secret", "_key",
                                       "token",    "pepper", "apikey", "dsn",    "signing_key"};

    for (size_t i = 0; i < GG_COUNT(ends); i++)
        if (ends_with(key, ends[i]))
            return true;
    return false;
}

static bool is_declared_secret(const struct gg_config *config, const char *path)
{
    const struct gg_value *value = gg_config_value(config, path);

    return value &&
           (value->key.type == GG_C_SECRET || ((value->key.flags & GG_KEY_PRIVATE) && value->key.type != GG_C_MAP));
}

/* "scheme://user:password@host" or libpq's "password=..." inside another text. */
static bool holds_password(const char *text)
{
    const char *scheme = strstr(text, "://"), *at = scheme ? strchr(scheme, '@') : NULL;
    const char *colon = scheme ? strchr(scheme + 3, ':') : NULL;

    return (at && colon && colon < at) || strstr(text, "password=");
}

/* ---- writing ---- */

struct level {
    const struct gg_node *node;
    size_t i;
    unsigned indent;
    bool inlined;     /* its first entry goes on the line that is open */
    const char *path; /* of the node, for declared secrets */
};

struct printer {
    const struct gg_config *config;
    struct gg_arena *arena;
    struct gg_buf *out;
    struct level stack[GG_YAML_MAX_DEPTH + 1];
    size_t depth;
};

static bool is_plain_key(const char *key)
{
    struct gg_scalar scalar;

    if (!isalpha((unsigned char)*key) && *key != '_')
        return false;
    for (const char *c = key; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_.-", *c))
            return false;
    return gg_scalar_resolve(gg_str(key), &scalar) == GG_NODE_TEXT;
}

static void write_scalar(struct gg_buf *out, const struct gg_node *node)
{
    switch (node->kind) {
    case GG_NODE_NULL:
        gg_buf_lit(out, "null");
        break;
    case GG_NODE_BOOL:
        gg_buf_text(out, node->b ? "true" : "false");
        break;
    case GG_NODE_INT:
        gg_buf_i64(out, node->i);
        break;
    case GG_NODE_FLOAT:
        gg_buf_str(out, node->text);
        break;
    default:
        if (holds_password(node->text.s))
            gg_buf_lit(out, MASK);
        else
            gg_buf_json_string(out, node->text);
    }
}

static bool is_masked(const struct printer *p, const struct gg_node *node, const char *key, const char *path)
{
    if (node->kind == GG_NODE_NULL || node->kind == GG_NODE_BOOL)
        return false;
    return (key && is_secret_name(key)) || (path && is_declared_secret(p->config, path));
}

static void write_key(struct printer *p, const char *key)
{
    if (is_plain_key(key))
        gg_buf_text(p->out, key);
    else
        gg_buf_json_string(p->out, gg_str(key));
    gg_buf_char(p->out, ':');
}

/* Where a top-level key was read. */
static void end_line(struct printer *p, const struct level *level, const char *where)
{
    if (p->depth == 1 && level->node == p->config->root)
        gg_buf_printf(p->out, "  # %s", where);
    gg_buf_char(p->out, '\n');
}

static void push(struct printer *p, const struct gg_node *node, unsigned indent, bool inlined, const char *path)
{
    if (p->depth < GG_COUNT(p->stack))
        p->stack[p->depth++] = (struct level){node, 0, indent, inlined, path};
}

static const char *join_path(struct printer *p, const struct level *level, const char *key)
{
    if (!key || !level->path)
        return NULL;
    return *level->path ? gg_arena_printf(p->arena, "%s.%s", level->path, key) : key;
}

static void write_entry(struct printer *p, struct level *level, const struct gg_entry *entry)
{
    const struct gg_node *value = entry->value;
    const char *path = join_path(p, level, entry->key);

    if (level->inlined && level->i == 1)
        level->inlined = false;
    else
        gg_buf_printf(p->out, "%*s", (int)level->indent, "");
    if (entry->key)
        write_key(p, entry->key);
    else
        gg_buf_char(p->out, '-');
    if (is_masked(p, value, entry->key, path) || value->kind < GG_NODE_LIST || value->n == 0) {
        gg_buf_char(p->out, ' ');
        if (is_masked(p, value, entry->key, path))
            gg_buf_lit(p->out, MASK);
        else if (value->kind < GG_NODE_LIST)
            write_scalar(p->out, value);
        else
            gg_buf_text(p->out, value->kind == GG_NODE_LIST ? "[]" : "{}");
        end_line(p, level, entry->where);
        return;
    }
    if (entry->key)
        end_line(p, level, entry->where);
    else
        gg_buf_char(p->out, ' ');
    push(p, value, level->indent + 2, !entry->key, path);
}

void gg_mode_print_config(const struct gg_config *config, struct gg_buf *out)
{
    struct printer p = {.config = config, .arena = gg_arena_new(), .out = out};

    push(&p, config->root, 0, false, "");
    while (p.depth > 0) {
        struct level *level = &p.stack[p.depth - 1];

        if (level->i == level->node->n)
            p.depth--;
        else
            write_entry(&p, level, &level->node->entries[level->i++]);
    }
    gg_arena_free(p.arena);
}
