/* user_dir: keeps the directory of users, and searches it. */
#include "loops.h"
#include "tables.h"

#include <ganglion/matrix/role.h>

MX_ROLE_OF("user_dir", "the directory of users", user_dir_new, .key_groups = user_dir_keys, .route_groups = user_dir_routes,
           .start = user_dir_start, .stop = user_dir_stop, .unload = user_dir_free);
