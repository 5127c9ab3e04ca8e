/* The tables of the role, each ended by NULL. */
#include "tables.h"

#include <ganglion/matrix/config.h>

const struct gg_config_key *const appservice_keys[] = {
    mx_config_keys,
    NULL,
};
