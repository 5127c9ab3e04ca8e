/* ganglion/matrix/config.h: the configuration keys that Matrix gives a meaning to. */
#ifndef GANGLION_MATRIX_CONFIG_H
#define GANGLION_MATRIX_CONFIG_H

#include <ganglion/config.h>

#ifdef __cplusplus
extern "C" {
#endif

/* For struct gg_plugin.key_groups of every role; ends with an entry without a path. */
extern GG_API const struct gg_config_key mx_config_keys[];

/* What Synapse demands across keys (names, URLs, registration without
 * verification, lifetimes that exceed others): 0, or one line. For struct
 * gg_plugin.check of every role. */
GG_API GG_CHECKED int mx_config_check(const struct gg_config *config, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
