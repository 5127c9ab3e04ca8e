/* config/as_json.h: parts of the configuration that clients are shown as they are. */
#ifndef MX_CONFIG_AS_JSON_H
#define MX_CONFIG_AS_JSON_H

#include <ganglion/config.h>
#include <jansson.h>

/* A node of the configuration as JSON: a new reference. Configuration is the operator's own, but still nests only so
 * deep: below that it is null. */
json_t *mx_config_json(const struct gg_node *node);

#endif
