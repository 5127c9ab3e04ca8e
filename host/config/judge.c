/* What a verdict means for a key that is written: nothing, a note, or no start. */
#include "config/internal.h"

#include <stdlib.h>

static bool same_value(const struct gg_value *a, const struct gg_value *b)
{
    switch (a->key.type) {
    case GG_C_BOOL:
        return a->b == b->b;
    case GG_C_INT:
    case GG_C_DURATION:
    case GG_C_SIZE:
        return a->i == b->i;
    case GG_C_TEXT:
    case GG_C_ENUM:
        return a->text && b->text && strcmp(a->text, b->text) == 0;
    default:
        return false;
    }
}

static bool says_disabled(const struct gg_node *section)
{
    const struct gg_node *enabled = gg_node_get(section, "enabled");

    return gg_node_kind(enabled) == GG_NODE_BOOL && !enabled->b;
}

/* "enabled: false" inside the value, or beside it in its section. */
static bool switched_off(const struct gg_config *config, const struct gg_value *value)
{
    const char *dot = strrchr(value->key.path, '.');

    if (says_disabled(value->node))
        return true;
    if (!dot || strcmp(dot, ".enabled") == 0)
        return false;
    return says_disabled(gg_node_at_path(
        config->root, gg_arena_strndup(config->arena, value->key.path, (size_t)(dot - value->key.path))));
}

/* ---- keys that are refused because they are not built yet: an operator may take them upon himself ---- */

static bool is_unbuilt(const struct gg_config_key *key)
{
    return key->why && strncmp(key->why, GG_NOT_BUILT, sizeof(GG_NOT_BUILT) - 1) == 0;
}

/* "all", the key, or the section that it stands in. */
static bool names_key(struct gg_str name, const char *path)
{
    size_t n = strlen(path);

    if (gg_str_is(name, "all"))
        return true;
    return name.n > 0 && name.n <= n && memcmp(name.s, path, name.n) == 0 && (name.n == n || path[name.n] == '.');
}

static bool is_accepted(const char *path)
{
    const char *at = getenv(GG_ACCEPT_UNBUILT);

    while (at && *at) {
        size_t n = strcspn(at, ", ");

        if (names_key(gg_strn(at, n), path))
            return true;
        at += n + (at[n] ? 1 : 0);
    }
    return false;
}

static void refuse(struct gg_config *config, const struct gg_value *value)
{
    const struct gg_config_key *key = &value->key;
    const char *where = gg_node_where(value->node), *why = key->why ? key->why : "it is not supported";

    if (!is_unbuilt(key))
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` cannot be used: %s", where, key->path, why);
    else if (is_accepted(key->path))
        gg_config_find(config, GG_FINDING_WARNING, "%s: `%s` has no effect, as %s accepts: %s", where, key->path,
                       GG_ACCEPT_UNBUILT, why);
    else
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: `%s` cannot be used: %s; to start without its effect all the same, set the environment "
                       "variable %s=%s",
                       where, key->path, why, GG_ACCEPT_UNBUILT, key->path);
}

/* A refused key may stand there as long as it changes nothing. */
void gg_config_judge(struct gg_config *config, const struct gg_value *value, const struct gg_node *fallback)
{
    const struct gg_config_key *key = &value->key;

    if (key->verdict == GG_REFUSED) {
        struct gg_value usual = {.key = *key};
        bool harmless =
            fallback && gg_value_read(config, &usual, fallback) ? same_value(value, &usual) : !gg_value_is_on(value);
        if (!harmless && !switched_off(config, value))
            refuse(config, value);
    } else if (key->verdict == GG_IGNORED) {
        gg_config_find(config, GG_FINDING_NOTE, "%s: `%s` has no effect: %s", value->node->where, key->path,
                       key->why ? key->why : "it has no meaning here");
    }
}
