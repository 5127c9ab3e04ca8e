/* matrix/config/check.h: what mx_config_check is made of. Private to the folder. */
#ifndef MX_CONFIG_CHECK_H
#define MX_CONFIG_CHECK_H

#include <ganglion/config.h>

/* What stands in lists and maps of a shape of their own. A wrong entry that limits access must not be passed over: it would
 * let in whom the operator meant to keep out. GG_E_INVALID with the place in the file. */
GG_CHECKED int mx_config_check_lists(const struct gg_config *config, struct gg_error *err);

#endif
