/* pusher: tells users' devices what notifies them. */
#include "pool.h"
#include "tables.h"

#include <ganglion/matrix/role.h>

MX_ROLE_OF("pusher", "notifications for users' devices", pool_new, .key_groups = pusher_keys, .start = pool_start,
           .drain = pool_drain, .stop = pool_stop, .unload = pool_free);
