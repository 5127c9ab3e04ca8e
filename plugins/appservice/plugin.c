/* appservice: what application services (bridges) are sent. */
#include "tables.h"

#include <ganglion/matrix/appservice_sender.h>
#include <ganglion/matrix/role.h>

MX_ROLE_OF("appservice", "what application services are sent", mx_as_sending_new, .key_groups = appservice_keys,
           .start = mx_as_sending_start, .drain = mx_as_sending_drain, .stop = mx_as_sending_stop,
           .unload = mx_as_sending_free);
