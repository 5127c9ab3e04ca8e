/* matrix/e2ee/remote_updates.c: changes of device lists and keys that other servers tell of (server-server API, "Device
 * Management": m.device_list_update, m.signing_key_update).
 *
 * Each update names those before it. If we hold them it is applied; else something was lost, or came out of order, and the
 * whole list is fetched: marked in the database first, so that it is fetched whatever happens to this process. */
#include "e2ee/remote_state.h"
#include "storage/accounts.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.e2ee.remote"};

/* An answer that is under way may be older than the update: only another fetch can tell. */
static int links(struct mx_server *server, const struct mx_remote_state *state, const struct mx_remote_update *u,
                 struct gg_arena *arena, bool *out, struct gg_error *err)
{
    struct gg_str held;
    *out = false;
    if (u->n_prev == 0 || state->fetching)
        return 0;
    int rc = mx_remote_extremity(server, u->user_id, arena, &held, err);
    if (rc != 0 || held.s == NULL)
        return rc;
    for (size_t i = 0; i < u->n_prev; i++)
        if (!gg_str_eq(u->prev_ids[i], held) && !mx_remote_state_seen(state, u->prev_ids[i]))
            return 0;
    *out = true;
    return 0;
}

static int apply(struct mx_server *server, struct mx_remote_state *state, const struct mx_remote_update *u, struct gg_error *err)
{
    const struct mx_remote_device device = {u->device_id, u->content};
    int rc = mx_remote_store_devices(server, u->user_id, &device, 1, u->stream_id, err);
    if (rc != 0)
        return rc;
    mx_remote_state_note(state, u->stream_id);
    return mx_devices_write_change(server, u->user_id, &u->device_id, 1, err);
}

static int take(struct mx_server *server, struct mx_remote_state *state, const struct mx_remote_update *u, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    bool linked;
    int rc = links(server, state, u, arena, &linked, err);
    if (rc == 0 && linked)
        rc = apply(server, state, u, err);
    else if (rc == 0)
        rc = mx_remote_mark_stale(server, &u->user_id, 1, err);
    if (rc == 0 && !linked)
        mx_remote_fetch_soon(server, u->user_id);
    gg_arena_free(arena);
    return rc;
}

int mx_remote_update(struct mx_server *server, const struct mx_remote_update *u, struct gg_error *err)
{
    bool shares;
    int rc = mx_remote_shares_room(server, u->user_id, &shares, err);
    if (rc != 0 || !shares) {
        gg_debug(&logger, "an update of %.*s, who shares no room with us", GG_FMT(u->user_id));
        return rc;
    }
    struct mx_remote_state *state = mx_remote_state_get(server, u->user_id);
    rc = gg_mutex_lock(&state->lock, GG_FOREVER);
    if (rc == 0) {
        rc = take(server, state, u, err);
        gg_mutex_unlock(&state->lock);
    } else {
        rc = gg_fail(err, rc, "waiting for the devices of a user");
    }
    mx_remote_state_release(state);
    return rc;
}

int mx_remote_cross_update(struct mx_server *server, struct gg_str user_id, struct gg_str master, struct gg_str self_signing,
                           struct gg_error *err)
{
    struct gg_str ids[2];
    size_t n = 0;
    bool shares;
    int rc = mx_remote_shares_room(server, user_id, &shares, err);
    if (rc != 0 || !shares)
        return rc;
    struct gg_arena *arena = gg_arena_new();
    struct mx_remote_state *state = mx_remote_state_get(server, user_id);
    rc = gg_mutex_lock(&state->lock, GG_FOREVER);
    if (rc == 0) {
        rc = mx_remote_store_cross(server, user_id, master, self_signing, arena, ids, &n, err);
        if (rc == 0 && n > 0)
            rc = mx_devices_write_change(server, user_id, ids, n, err);
        gg_mutex_unlock(&state->lock);
    } else {
        rc = gg_fail(err, rc, "waiting for the keys of a user");
    }
    mx_remote_state_release(state);
    gg_arena_free(arena);
    return rc;
}
