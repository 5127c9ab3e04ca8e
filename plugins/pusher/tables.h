/* The tables that the role lists. */
#ifndef PUSHER_TABLES_H
#define PUSHER_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_config_key *const pusher_keys[];

#endif
