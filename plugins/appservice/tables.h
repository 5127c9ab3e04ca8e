/* The tables that the role lists. */
#ifndef APPSERVICE_TABLES_H
#define APPSERVICE_TABLES_H

#include <ganglion/plugin.h>

extern const struct gg_config_key *const appservice_keys[];

#endif
