/* From nodes to typed values: what a declared key accepts, and how it is refused. */
#include "config/internal.h"
#include "config/scalar.h"

#include <math.h>

static bool refuse(struct gg_config *config, const struct gg_value *value, const struct gg_node *node,
                   const char *wanted)
{
    const char *kind = gg_node_kind_name(node->kind);

    if (node->kind <= GG_NODE_TEXT && !(value->key.flags & GG_KEY_PRIVATE) && value->key.type != GG_C_SECRET)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be %s, not %s (`%.60s`)", node->where, value->key.path,
                       wanted, kind, node->text.s ? node->text.s : "");
    else
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be %s, not %s", node->where, value->key.path, wanted,
                       kind);
    return false;
}

static bool text_bool(struct gg_str text, bool *out)
{
    static const char *const yes[] = {"y", "yes", "t", "true", "on", "1"}, *const no[] = {"n",     "no",  "f",
                                                                                          "false", "off", "0"};

    for (size_t i = 0; i < GG_COUNT(yes); i++) {
        if (strcasecmp(text.s, yes[i]) == 0)
            return *out = true, true;
        if (strcasecmp(text.s, no[i]) == 0)
            return *out = false, true;
    }
    return false;
}

static bool read_bool(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    if (node->kind == GG_NODE_BOOL)
        return value->b = node->b, true;
    if ((value->key.flags & GG_KEY_TEXT_BOOL) && node->kind <= GG_NODE_TEXT && node->text.s &&
        text_bool(node->text, &value->b))
        return true;
    return refuse(config, value, node, "true or false");
}

static bool read_int(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    if (node->kind != GG_NODE_INT)
        return refuse(config, value, node, "a whole number");
    value->i = node->i;
    return true;
}

static bool read_number(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    if (node->kind != GG_NODE_INT && node->kind != GG_NODE_FLOAT)
        return refuse(config, value, node, "a number");
    value->d = gg_node_number(node);
    return isfinite(value->d) ? true : refuse(config, value, node, "a finite number");
}

static bool read_text(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    bool number = (value->key.flags & GG_KEY_PLAIN) && (node->kind == GG_NODE_INT || node->kind == GG_NODE_FLOAT);

    if (node->kind != GG_NODE_TEXT && !number)
        return refuse(config, value, node, "text (put it in quotes)");
    value->text = node->text.s;
    return true;
}

static bool read_scaled(struct gg_config *config, struct gg_value *value, const struct gg_node *node,
                        int64_t (*parse)(const char *), const char *wanted)
{
    if (node->kind == GG_NODE_INT)
        value->i = node->i;
    else
        value->i = node->kind == GG_NODE_TEXT ? parse(node->text.s) : -1;
    return value->i >= 0 ? true : refuse(config, value, node, wanted);
}

static bool read_texts(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    bool names = value->key.type == GG_C_NAMES, single = names && node->kind == GG_NODE_TEXT;
    const char *wanted = names ? "a name or a list of names" : "a list of texts";

    if (!single && node->kind != GG_NODE_LIST)
        return refuse(config, value, node, wanted);
    value->n_texts = single ? 1 : node->n;
    value->texts = GG_NEW_ARRAY(config->arena, const char *, value->n_texts + 1);
    if (single)
        value->texts[0] = node->text.s;
    for (size_t i = 0; !single && i < node->n; i++) {
        const struct gg_node *item = node->entries[i].value;

        if (item->kind != GG_NODE_TEXT)
            return refuse(config, value, item, wanted);
        value->texts[i] = item->text.s;
    }
    return true;
}

/* Does word stand among "a|b|c"? Gives it as one text. */
static const char *choose(struct gg_config *config, const char *choices, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, word, n) == 0 && (at[n] == '|' || at[n] == '\0'))
            return gg_arena_strndup(config->arena, at, n);
    return NULL;
}

static bool read_enum(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    const char *choices = value->key.choices;

    value->text = NULL;
    if (node->kind == GG_NODE_TEXT) {
        value->text = choose(config, choices, node->text.s);
    } else if (node->kind == GG_NODE_BOOL) { /* `off` without quotes is a boolean */
        value->text = choose(config, choices, node->b ? "true" : "false");
        if (!value->text)
            value->text = choose(config, choices, node->b ? "on" : "off");
    } else if (node->kind <= GG_NODE_FLOAT) {
        value->text = choose(config, choices, node->text.s);
    }
    if (value->text)
        return true;
    return refuse(config, value, node, gg_arena_printf(config->arena, "one of %s", choices));
}

static bool read_kind(struct gg_config *config, struct gg_value *value, const struct gg_node *node, int kind)
{
    return node->kind == kind ? true : refuse(config, value, node, gg_node_kind_name(kind));
}

bool gg_value_read(struct gg_config *config, struct gg_value *value, const struct gg_node *node)
{
    value->node = node;
    switch (value->key.type) {
    case GG_C_BOOL:
        return read_bool(config, value, node);
    case GG_C_INT:
        return read_int(config, value, node);
    case GG_C_NUMBER:
        return read_number(config, value, node);
    case GG_C_TEXT:
    case GG_C_SECRET:
        return read_text(config, value, node);
    case GG_C_DURATION:
        return read_scaled(config, value, node, gg_parse_duration,
                           "a duration: milliseconds, or 30s, 5m, 1h, 2d, 1w, 1y");
    case GG_C_SIZE:
        return read_scaled(config, value, node, gg_parse_size, "a size: bytes, or 10K, 50M, 1G, 1T");
    case GG_C_TEXTS:
    case GG_C_NAMES:
        return read_texts(config, value, node);
    case GG_C_LIST:
        return read_kind(config, value, node, GG_NODE_LIST);
    case GG_C_MAP:
        return read_kind(config, value, node, GG_NODE_MAP);
    case GG_C_ENUM:
        return read_enum(config, value, node);
    default:
        return true;
    }
}

bool gg_value_is_on(const struct gg_value *value)
{
    const struct gg_node *node = value->node;

    switch (gg_node_kind(node)) {
    case GG_NODE_NULL:
        return false;
    case GG_NODE_BOOL:
        return node->b;
    case GG_NODE_INT:
        return node->i != 0;
    case GG_NODE_FLOAT:
        return node->d < 0 || node->d > 0;
    case GG_NODE_TEXT:
        return node->text.n > 0;
    default:
        return node->n > 0;
    }
}
