/* part.c: the purges of a process: tasks that it can carry out, and rooms that are blocked. */
#include "parts.h"
#include "purge/purge.h"
#include "purge/redact_user.h"
#include "rooms/blocked.h"
#include "rooms/retention.h"

static int make(struct mx_server *server, struct gg_error *err)
{
    mx_blocked_make(server);
    mx_retention_make(server);
    mx_purge_history_make(server);
    mx_purge_room_make(server);
    mx_redact_user_make(server);
    return 0;
}

const struct mx_part mx_part_purge = {.name = "purge", .make = make};
