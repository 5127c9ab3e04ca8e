/* What the role homeserver serves and reads, gathered from its files: each file
 * of handlers ends with its table, and tables.c lists the tables, one line each. */
#ifndef HOMESERVER_TABLES_H
#define HOMESERVER_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_route *const homeserver_routes[];
extern const struct gg_method *const homeserver_methods[];
extern const struct gg_config_key *const homeserver_keys[];

#endif
