/* matrix/e2ee/part.c: devices and their keys as a part of the process. */
#include "e2ee/e2ee.h"

#include "e2ee/known_keys.h"
#include "e2ee/outbound.h"
#include "e2ee/remote_devices.h"
#include "parts.h"

#include <ganglion/matrix/api.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_CHANGES = 200000, RETRY_MS = 30000 }; /* entries of each, as the changes of rooms */

static const struct mx_cache_def counts_def = {.name = "count_e2e_one_time_keys", .max_bytes = 2 << 20};
static const struct mx_cache_def fallbacks_def = {.name = "get_e2e_unused_fallback_key_types", .max_bytes = 2 << 20};

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_e2ee *e = server->e2ee = gg_xcalloc(1, sizeof(*e));
    e->server = server;
    e->inboxes = mx_changes_new(MAX_CHANGES);
    e->emptied = mx_changes_new(MAX_CHANGES);
    e->list_users = mx_changes_new(MAX_CHANGES);
    e->list_rooms = mx_changes_new(MAX_CHANGES);
    e->counts = mx_cache_new(server, &counts_def);
    e->fallbacks = mx_cache_new(server, &fallbacks_def);
    mx_known_keys_make(server);
    e->sent = gg_map_new(mx_sent_free);
    e->senders = gg_map_new(NULL);
    e->remote_states = gg_map_new(mx_remote_state_free);
    gg_host_every(server->host, "stale device lists", RETRY_MS, false, mx_remote_retry, server);
    gg_stream_follow(server->to_device, mx_to_device_apply, server);
    gg_stream_follow(server->device_lists, mx_device_lists_apply, server);
    gg_repl_serve(server->host, mx_methods_e2ee, server);
    return 0;
}

static int start(struct mx_server *server, struct gg_error *err)
{
    struct mx_e2ee *e = server->e2ee;
    e->scope = gg_scope_new(gg_host_scope(server->host), "e2ee");
    e->sends = gg_gather_new(NULL, &mx_to_device_gather, server);
    e->uploads = gg_gather_new(NULL, &mx_keys_upload_gather, server);
    e->claims = gg_gather_new(NULL, &mx_keys_claim_gather, server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_e2ee *e = server->e2ee;
    int64_t seen = gg_stream_max_seen(server->device_lists);
    mx_changes_start(e->inboxes, gg_stream_max_seen(server->to_device));
    mx_changes_start(e->list_users, seen);
    mx_changes_start(e->list_rooms, seen);
    e->list_seen = e->rooms_known = seen;
    if (mx_remote_is_keeper(server))
        mx_pokes_soon(server); /* what was written and not told when the process ended */
    return 0;
}

static void stop(struct mx_server *server)
{
    if (server->e2ee->scope != NULL)
        gg_scope_end(server->e2ee->scope);
    server->e2ee->scope = NULL;
}

static void free_all(struct mx_server *server)
{
    struct mx_e2ee *e = server->e2ee;
    if (e == NULL)
        return;
    gg_gather_free(e->sends);
    gg_gather_free(e->uploads);
    gg_gather_free(e->claims);
    gg_map_free(e->remote_states);
    gg_map_free(e->sent);
    gg_map_free(e->senders);
    mx_changes_free(e->list_rooms);
    mx_changes_free(e->list_users);
    mx_changes_free(e->emptied);
    mx_changes_free(e->inboxes);
    free(e);
    server->e2ee = NULL;
}

const struct mx_part mx_part_e2ee = {
    .name = "e2ee", .make = make, .start = start, .stop = stop, .free = free_all, .replicated = replicated};
