/* matrix/sync/part.c: notifier, changes, typing and the locks of rooms as parts of the process. */
#include "../parts.h"
#include "rooms/chain.h"
#include "storage/relations_cache.h"
#include "sync/changes.h"
#include "sync/follow.h"
#include "sync/lazy.h"
#include "sync/shared.h"
#include "sync/sync.h"
#include "userdata/ignored.h"
#include "userdata/streams.h"
#include "userdata/typing.h"
#include "userdata/write.h"

#include <ganglion/matrix/api.h>

enum { MAX_CHANGES = 200000 }; /* entries of each; about 35 MiB when full, which takes as many busy rooms */

static int make(struct mx_server *server, struct gg_error *err)
{
    server->notifier = mx_notifier_new();
    server->room_changes = mx_changes_new(MAX_CHANGES);
    server->receipt_changes = mx_changes_new(MAX_CHANGES);
    server->account_data_changes = mx_changes_new(MAX_CHANGES);
    server->data_writes = gg_gather_new(NULL, &mx_data_gather, server);
    server->receipt_writes = gg_gather_new(NULL, &mx_receipt_gather, server);
    server->lazy_members = mx_lazy_new();
    server->shared_syncs = mx_shared_new();
    server->rooms = mx_rooms_new();
    mx_ignored_make(server);
    mx_related_make(server);
    server->typing = mx_typing_new(server);
    gg_host_on_drain(server->host, mx_notifier_end, server);
    mx_sync_follow(server);
    mx_userdata_follow(server);
    gg_repl_serve(server->host, mx_methods_userdata, server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    mx_sync_start(server);
    mx_userdata_start(server);
    return 0;
}

static void free_all(struct mx_server *server)
{
    mx_typing_free(server->typing);
    mx_rooms_free(server->rooms);
    mx_shared_free(server->shared_syncs);
    mx_lazy_free(server->lazy_members);
    gg_gather_free(server->receipt_writes);
    gg_gather_free(server->data_writes);
    mx_changes_free(server->account_data_changes);
    mx_changes_free(server->receipt_changes);
    mx_changes_free(server->room_changes);
    mx_notifier_free(server->notifier);
}

const struct mx_part mx_part_sync = {.name = "sync", .make = make, .replicated = replicated, .free = free_all};
