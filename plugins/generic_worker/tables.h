/* What the role generic_worker serves and reads, gathered from its files: each file
 * of handlers ends with its table, and tables.c lists the tables, one line each. */
#ifndef GENERIC_WORKER_TABLES_H
#define GENERIC_WORKER_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_route *const generic_worker_routes[];
extern const struct gg_method *const generic_worker_methods[];
extern const struct gg_config_key *const generic_worker_keys[];

#endif
