/* room.c: a room goes with all that it left in the database (facts database 4.21, "Delete room"). */
#include "storage/purge/purge.h"

#include <ganglion/matrix/cache.h>

enum { EVENTS = 500, GROUPS = 500, FEW = 20 };

#define OF_ROOM(table_) {"DELETE FROM " table_ " WHERE room_id = $1", 0}

/* What hangs on the room itself, in an order that foreign keys to events and among these tables allow. */
static const struct gg_stmt of_room[] = {
    {"DELETE FROM room_alias_servers WHERE room_alias IN (SELECT room_alias FROM room_aliases WHERE room_id = $1)", 0},
    OF_ROOM("room_aliases"),
    OF_ROOM("current_state_events"),
    OF_ROOM("local_current_membership"),
    OF_ROOM("room_memberships"),
    OF_ROOM("sliding_sync_joined_rooms"),
    OF_ROOM("sliding_sync_joined_rooms_to_recalculate"),
    OF_ROOM("sliding_sync_membership_snapshots"),
    OF_ROOM("msc4242_state_dag_forward_extremities"),
    OF_ROOM("msc4242_state_dag_edges"),
    OF_ROOM("sticky_events"),
    OF_ROOM("destination_rooms_sticky_events_backlog"),
    OF_ROOM("destination_rooms"),
    OF_ROOM("event_backward_extremities"),
    OF_ROOM("event_forward_extremities"),
    OF_ROOM("event_push_actions"),
    OF_ROOM("event_push_summary"),
    OF_ROOM("event_search"),
    OF_ROOM("event_labels"),
    OF_ROOM("event_failed_pull_attempts"),
    OF_ROOM("partial_state_events"),
    OF_ROOM("partial_state_rooms_servers"),
    OF_ROOM("partial_state_rooms"),
    OF_ROOM("federation_inbound_events_staging"),
    OF_ROOM("receipts_graph"),
    OF_ROOM("receipts_linearized"),
    OF_ROOM("room_account_data"),
    OF_ROOM("room_tags"),
    OF_ROOM("room_tags_revisions"),
    OF_ROOM("room_depth"),
    OF_ROOM("room_retention"),
    OF_ROOM("room_stats_current"),
    OF_ROOM("room_stats_state"),
    OF_ROOM("room_stats_earliest_token"),
    OF_ROOM("stream_ordering_to_exterm"),
    OF_ROOM("threads"),
    OF_ROOM("timeline_gaps"),
    OF_ROOM("users_in_public_rooms"),
    OF_ROOM("users_who_share_private_rooms"),
    OF_ROOM("appservice_room_list"),
    OF_ROOM("e2e_room_keys"),
    OF_ROOM("pusher_throttle"),
};

#define OF_EVENTS(table_) {"DELETE FROM " table_ " WHERE event_id = ANY($1::text[])", 0}

/* What hangs on events by their ids alone; the events themselves last. */
static const struct gg_stmt of_events[] = {
    OF_EVENTS("event_forward_extremities"),
    OF_EVENTS("event_edges"),
    OF_EVENTS("event_auth"),
    OF_EVENTS("event_auth_chains"),
    OF_EVENTS("event_auth_chain_to_calculate"),
    OF_EVENTS("event_expiry"),
    OF_EVENTS("event_push_actions_staging"),
    OF_EVENTS("event_relations"),
    OF_EVENTS("event_to_state_groups"),
    OF_EVENTS("event_json"),
    OF_EVENTS("redactions"),
    OF_EVENTS("rejections"),
    OF_EVENTS("state_events"),
    OF_EVENTS("events"),
};

#define OF_GROUPS(table_, column_) {"DELETE FROM " table_ " WHERE " column_ " = ANY($1::bigint[])", 0}

static const struct gg_stmt of_groups[] = {
    OF_GROUPS("state_group_edges", "state_group"),
    OF_GROUPS("state_groups_state", "state_group"),
    OF_GROUPS("state_groups_pending_deletion", "state_group"),
    OF_GROUPS("state_groups_persisting", "state_group"),
    OF_GROUPS("state_groups", "id"),
};

struct work {
    struct gg_str room_id;
    int64_t n;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int queue_all(struct gg_txn *txn, const struct gg_stmt *stmts, size_t n, struct gg_param param, struct gg_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < n; i++)
        status = gg_txn_queue(txn, &stmts[i], &param, 1, err);
    return status;
}

static int run(struct mx_server *server, const char *name, gg_txn_fn *body, struct gg_str room_id, int64_t *n_out,
               struct gg_error *err)
{
    struct work w = {.room_id = room_id, .arena = gg_arena_new()};
    mx_forget_begin(&w.forget, server, w.arena);
    int status = gg_db_txn(server->db, name, GG_TXN_READ_COMMITTED, body, &w, err);
    mx_forget_end(&w.forget, gg_maybe_committed(status));
    if (n_out)
        *n_out = w.n;
    gg_arena_free(w.arena);
    return status;
}

static int members_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt members = {"SELECT user_id FROM local_current_membership WHERE room_id = $1", 0};
    struct work *w = arg;
    struct gg_rows *rows;
    mx_forget_again(&w->forget);
    int status = gg_txn_exec(txn, &members, GG_PARAMS(gg_p_str(w->room_id)), w->arena, &rows, err);
    if (status)
        return status;
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str user = gg_rows_str(rows, i, 0);
        mx_forget_add(&w->forget, "get_sliding_sync_rooms_for_user_from_membership_snapshots", &user, 1);
    }
    mx_forget_add(&w->forget, "get_aliases_for_room", &w->room_id, 1);
    mx_forget_add(&w->forget, "dr_cache_fake", &w->room_id, 1);
    if ((status = queue_all(txn, of_room, GG_COUNT(of_room), gg_p_str(w->room_id), err)))
        return status;
    return mx_forget_write(&w->forget, txn, err);
}

int mx_purge_room_members(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    return run(server, "purge room: members", members_body, room_id, NULL, err);
}

static int delete_events(struct gg_txn *txn, struct work *w, struct gg_error *err)
{
    static const struct gg_stmt some = {"SELECT event_id FROM events WHERE room_id = $1 LIMIT $2::bigint", 0};
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &some, GG_PARAMS(gg_p_str(w->room_id), gg_p_i64(EVENTS)), w->arena, &rows, err);
    if (status)
        return status;
    size_t n = gg_rows_count(rows);
    struct gg_str *ids = GG_NEW_ARRAY(w->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = gg_rows_str(rows, i, 0);
    w->n = (int64_t)n;
    if (n && !(status = queue_all(txn, of_events, GG_COUNT(of_events), gg_p_texts(ids, n), err)))
        status = gg_txn_flush(txn, err);
    return status;
}

static int events_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    return delete_events(txn, arg, err);
}

int mx_purge_room_events(struct mx_server *server, struct gg_str room_id, int64_t *n_out, struct gg_error *err)
{
    return run(server, "purge room: events", events_body, room_id, n_out, err);
}

static int delete_groups(struct gg_txn *txn, struct work *w, struct gg_error *err)
{
    static const struct gg_stmt some = {"SELECT id FROM state_groups WHERE room_id = $1 LIMIT $2::bigint", 0};
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &some, GG_PARAMS(gg_p_str(w->room_id), gg_p_i64(GROUPS)), w->arena, &rows, err);
    if (status)
        return status;
    size_t n = gg_rows_count(rows);
    int64_t *ids = GG_NEW_ARRAY(w->arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = gg_rows_i64(rows, i, 0);
    w->n = (int64_t)n;
    if (n && !(status = queue_all(txn, of_groups, GG_COUNT(of_groups), gg_p_i64s(ids, n), err)))
        status = gg_txn_flush(txn, err);
    return status;
}

static int groups_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    return delete_groups(txn, arg, err);
}

int mx_purge_room_groups(struct mx_server *server, struct gg_str room_id, int64_t *n_out, struct gg_error *err)
{
    return run(server, "purge room: state", groups_body, room_id, n_out, err);
}

/* What somebody wrote while the room was being emptied. More than a few such batches: another round is due first. */
static int sweep(struct gg_txn *txn, struct work *w, int (*some)(struct gg_txn *, struct work *, struct gg_error *),
                 struct gg_error *err)
{
    int status = 0;
    w->n = 1;
    for (int i = 0; !status && w->n && i < FEW; i++)
        status = some(txn, w, err);
    return !status && w->n ? gg_fail(err, GG_E_CONFLICT, "the room is written to while it is purged") : status;
}

/* Persisters hold the room's row while they write: with it locked nothing can follow. */
static int end_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt lock = {"SELECT 1 FROM rooms WHERE room_id = $1 FOR UPDATE", 0}, last = OF_ROOM("rooms");
    struct work *w = arg;
    struct gg_rows *rows;
    mx_forget_again(&w->forget);
    int status = gg_txn_exec(txn, &lock, GG_PARAMS(gg_p_str(w->room_id)), w->arena, &rows, err);
    if (!status)
        status = queue_all(txn, of_room, GG_COUNT(of_room), gg_p_str(w->room_id), err);
    if (!status)
        status = sweep(txn, w, delete_events, err);
    if (!status)
        status = sweep(txn, w, delete_groups, err);
    if (!status)
        status = gg_txn_queue(txn, &last, GG_PARAMS(gg_p_str(w->room_id)), err);
    if (status)
        return status;
    mx_forget_add(&w->forget, "dr_cache_fake", &w->room_id, 1);
    return mx_forget_write(&w->forget, txn, err);
}

int mx_purge_room_end(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    return run(server, "purge room: end", end_body, room_id, NULL, err);
}
