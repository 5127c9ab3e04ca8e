/* matrix/config/check_lists.c: lists and maps whose entries have a shape of their own, entry by entry. */
#include "config/check.h"

#include <errno.h>
#include <ganglion/client.h>
#include <ganglion/matrix/id.h>
#include <sys/stat.h>

#include "appservice/pattern.h"
#include "rooms/create.h"

static int wrong(const struct gg_node *where, const char *key, const char *what, struct gg_error *err)
{
    return gg_fail(err, GG_E_INVALID, "%s: `%s`: %s", gg_node_where(where), key, what);
}

static int check_ranges(const struct gg_config *config, const char *key, struct gg_error *err)
{
    struct gg_error why = GG_ERROR_INIT;
    struct gg_ip_range range;
    size_t n;
    const char *const *texts = gg_config_texts(config, key, &n);

    for (size_t i = 0; i < n; i++)
        if (gg_ip_range_parse(texts[i], &range, &why) != 0)
            return gg_fail(err, GG_E_INVALID, "%s: `%s`: `%.60s` is no range of addresses such as 10.0.0.0/8",
                           gg_node_where(gg_config_node(config, key)), key, texts[i]);
    return 0;
}

static bool is_text(const struct gg_node *rule, const char *key)
{
    const struct gg_node *node = gg_node_get(rule, key);

    return node == NULL || gg_node_text(node) != NULL;
}

static bool is_action(const char *text)
{
    return text == NULL || strcmp(text, "allow") == 0 || strcmp(text, "deny") == 0;
}

/* Rules of directory/rules.c. */
static int check_rules(const struct gg_config *config, const char *key, struct gg_error *err)
{
    const struct gg_node *rules = gg_config_node(config, key);
    size_t n = rules != NULL ? gg_node_count(rules) : 0;

    for (size_t i = 0; i < n; i++) {
        const struct gg_node *rule = gg_node_at(rules, i, NULL);
        if (gg_node_kind(rule) != GG_NODE_MAP || !is_text(rule, "user_id") || !is_text(rule, "room_id") ||
            !is_text(rule, "alias") || !is_text(rule, "action"))
            return wrong(rule, key, "a rule is a map of user_id, room_id, alias and action, each a text", err);
        if (!is_action(gg_node_text(gg_node_get(rule, "action"))))
            return wrong(rule, key, "the action of a rule is allow or deny", err);
    }
    return 0;
}

static int check_address_rule(const struct gg_node *rule, struct gg_error *err)
{
    static const char key[] = "allowed_local_3pids";
    bool map = gg_node_kind(rule) == GG_NODE_MAP;
    const char *medium = map ? gg_node_text(gg_node_get(rule, "medium")) : NULL;
    const char *pattern = map ? gg_node_text(gg_node_get(rule, "pattern")) : NULL;
    struct mx_pattern *compiled;

    if (medium == NULL || pattern == NULL)
        return wrong(rule, key, "an entry is a map of medium and pattern, each a text", err);
    struct gg_arena *arena = gg_arena_new();
    int rc = mx_pattern_new(pattern, arena, &compiled, err);
    if (rc != 0)
        gg_error_prefix(err, "%s: `%s`", gg_node_where(rule), key);
    gg_arena_free(arena);
    return rc;
}

static int check_address_rules(const struct gg_config *config, struct gg_error *err)
{
    const struct gg_node *rules = gg_config_node(config, "allowed_local_3pids");
    size_t n = rules != NULL ? gg_node_count(rules) : 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_address_rule(gg_node_at(rules, i, NULL), err);
    return rc;
}

static int check_aliases(const struct gg_config *config, const char *key, struct gg_error *err)
{
    size_t n;
    const char *const *texts = gg_config_texts(config, key, &n);

    for (size_t i = 0; i < n; i++)
        if (!mx_room_alias_valid(gg_str(texts[i])))
            return gg_fail(err, GG_E_INVALID, "%s: `%s`: `%.80s` is no alias such as #room:example.org",
                           gg_node_where(gg_config_node(config, key)), key, texts[i]);
    return 0;
}

static int check_presets(const struct gg_config *config, const char *key, struct gg_error *err)
{
    const struct gg_node *map = gg_config_node(config, key);
    size_t n = map != NULL ? gg_node_count(map) : 0;

    for (size_t i = 0; i < n; i++) {
        const char *preset;
        const struct gg_node *levels = gg_node_at(map, i, &preset);
        if (mx_preset_find(gg_str(preset)) == NULL)
            return gg_fail(err, GG_E_INVALID, "%s: `%s`: there is no preset `%.60s`", gg_node_where(levels), key, preset);
        if (gg_node_kind(levels) != GG_NODE_MAP && gg_node_kind(levels) != GG_NODE_NULL)
            return wrong(levels, key, "what a preset has instead is a map", err);
    }
    return 0;
}

static int check_folder(const struct gg_config *config, const char *key, struct gg_error *err)
{
    const char *path = gg_config_text(config, key);
    const char *where = gg_node_where(gg_config_node(config, key));
    struct stat st;

    if (path == NULL)
        return 0;
    if (stat(path, &st) != 0)
        return gg_fail(err, GG_E_INVALID, "%s: `%s`: %s: %s", where, key, path, strerror(errno));
    return S_ISDIR(st.st_mode) ? 0 : gg_fail(err, GG_E_INVALID, "%s: `%s`: %s is no folder", where, key, path);
}

static const struct {
    const char *key;
    int (*check)(const struct gg_config *config, const char *key, struct gg_error *err);
} checks[] = {
    {"url_preview_ip_range_blacklist", check_ranges},
    {"url_preview_ip_range_whitelist", check_ranges},
    {"federation_ip_range_blacklist", check_ranges},
    {"alias_creation_rules", check_rules},
    {"room_list_publication_rules", check_rules},
    {"auto_join_rooms", check_aliases},
    {"default_power_level_content_override", check_presets},
    {"templates.custom_template_directory", check_folder},
    {"email.template_dir", check_folder},
    {"user_consent.template_dir", check_folder},
    {"account_validity.template_dir", check_folder},
};

int mx_config_check_lists(const struct gg_config *config, struct gg_error *err)
{
    int rc = check_address_rules(config, err);

    for (size_t i = 0; rc == 0 && i < GG_COUNT(checks); i++)
        rc = checks[i].check(config, checks[i].key, err);
    return rc;
}
