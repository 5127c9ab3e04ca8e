/* matrix/directory/rules.c: rules of the configuration on names and the room directory. The first rule that matches user,
 * room and alias decides; no match is a refusal. */
#include "directory/rules.h"

#include "ids/glob.h"

#include <ganglion/config.h>

static bool matches(const char *pattern, struct gg_str text)
{
    return mx_glob(gg_str(pattern), text, MX_GLOB_ONE | MX_GLOB_FOLD);
}

static const char *member(const struct gg_node *rule, const char *key, const char *fallback)
{
    const struct gg_node *value = gg_node_get(rule, key);
    const char *text = value != NULL ? gg_node_text(value) : NULL;
    return text != NULL ? text : fallback;
}

/* A room without alias is matched by the rule for all aliases alone. */
static bool alias_matches(const char *pattern, const struct gg_str *aliases, size_t n)
{
    bool found = n == 0 && strcmp(pattern, "*") == 0;
    for (size_t i = 0; i < n && !found; i++)
        found = matches(pattern, aliases[i]);
    return found;
}

bool mx_rules_allow(const struct gg_node *rules, struct gg_str user_id, struct gg_str room_id, const struct gg_str *aliases,
                    size_t n)
{
    for (size_t i = 0; i < gg_node_count(rules); i++) {
        const struct gg_node *rule = gg_node_at(rules, i, NULL);
        if (matches(member(rule, "user_id", "*"), user_id) && matches(member(rule, "room_id", "*"), room_id) &&
            alias_matches(member(rule, "alias", "*"), aliases, n))
            return strcmp(member(rule, "action", "allow"), "allow") == 0;
    }
    return false;
}

bool mx_may_create_alias(const struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str alias)
{
    const struct gg_node *rules = gg_config_node(server->config, "alias_creation_rules");
    return rules == NULL || mx_rules_allow(rules, user_id, room_id, &alias, 1);
}

bool mx_may_publish_room(const struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                         const struct gg_str *aliases, size_t n)
{
    const struct gg_node *rules = gg_config_node(server->config, "room_list_publication_rules");
    return rules != NULL && mx_rules_allow(rules, user_id, room_id, aliases, n);
}
