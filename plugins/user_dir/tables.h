/* The tables that the role lists. */
#ifndef USER_DIR_TABLES_H
#define USER_DIR_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_route *const user_dir_routes[];
extern const struct gg_config_key *const user_dir_keys[];

#endif
