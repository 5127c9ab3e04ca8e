/* The tables that the role lists. */
#ifndef MEDIA_REPOSITORY_TABLES_H
#define MEDIA_REPOSITORY_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_route *const media_repository_routes[];
extern const struct gg_method *const media_repository_methods[];
extern const struct gg_config_key *const media_repository_keys[];

#endif
