/* config/as_json.c: a node of the configuration as JSON. */
#include "config/as_json.h"

enum { DEPTH_MAX = 16 };

static json_t *json_of(const struct gg_node *node, int depth)
{
    const char *key;
    json_t *out;
    switch (depth < DEPTH_MAX ? gg_node_kind(node) : GG_NODE_NULL) {
    case GG_NODE_BOOL:
        return json_boolean(gg_node_bool(node));
    case GG_NODE_INT:
        return json_integer(gg_node_int(node));
    case GG_NODE_FLOAT:
        return json_real(gg_node_number(node));
    case GG_NODE_TEXT:
        return json_string(gg_node_text(node));
    case GG_NODE_LIST:
        out = json_array();
        for (size_t i = 0; i < gg_node_count(node); i++)
            json_array_append_new(out, json_of(gg_node_at(node, i, NULL), depth + 1));
        return out;
    case GG_NODE_MAP:
        out = json_object();
        for (size_t i = 0; i < gg_node_count(node); i++) {
            const struct gg_node *value = gg_node_at(node, i, &key);
            json_object_set_new(out, key, json_of(value, depth + 1));
        }
        return out;
    default:
        return json_null();
    }
}

json_t *mx_config_json(const struct gg_node *node)
{
    return json_of(node, 0);
}
