/* groups.c: state groups that nothing names go, some time after that was noticed (facts database 5.1, "Deletion").
 *
 * A group that is used again meanwhile is renumbered in state_groups_pending_deletion by whoever uses it, or listed in
 * state_groups_persisting; we lock its row before we look whether an event names it, as those who name it do. */
#include "storage/purge/purge.h"

struct work {
    int64_t before_ms;
    bool done;
    struct gg_arena *arena;
};

/* Children before their parents: what is to go is not stored whole first. */
static const struct gg_stmt next_group = {
    "SELECT p.state_group FROM state_groups_pending_deletion p WHERE p.insertion_ts <= $1::bigint AND NOT EXISTS (SELECT 1 "
    "FROM state_groups_persisting b WHERE b.state_group = p.state_group) AND NOT EXISTS (SELECT 1 FROM state_group_edges c "
    "JOIN state_groups_pending_deletion q ON q.state_group = c.state_group WHERE c.prev_state_group = p.state_group) "
    "ORDER BY p.state_group DESC LIMIT 1 FOR UPDATE OF p SKIP LOCKED",
    0};

/* No row: the group is gone already. */
static const struct gg_stmt lock_group = {"SELECT 1 FROM state_groups WHERE id = $1::bigint FOR UPDATE", 0};
static const struct gg_stmt in_use = {
    "SELECT EXISTS (SELECT 1 FROM event_to_state_groups WHERE state_group = $1::bigint)", 0};
static const struct gg_stmt children = {
    "SELECT state_group FROM state_group_edges WHERE prev_state_group = $1::bigint ORDER BY 1", 0};

/* A child as it reads along its chain of deltas, nearest entry first. */
static const struct gg_stmt store_whole[] = {
    {"WITH RECURSIVE chain(id, step) AS (SELECT $1::bigint, 0 UNION ALL SELECT e.prev_state_group, c.step + 1 FROM chain c "
     "JOIN state_group_edges e ON e.state_group = c.id), "
     "whole AS (SELECT DISTINCT ON (s.type, s.state_key) s.room_id, s.type, s.state_key, s.event_id, c.step FROM chain c "
     "JOIN state_groups_state s ON s.state_group = c.id ORDER BY s.type, s.state_key, c.step) "
     "INSERT INTO state_groups_state (state_group, room_id, type, state_key, event_id) SELECT $1::bigint, room_id, type, "
     "state_key, event_id FROM whole WHERE step > 0", 0},
    {"DELETE FROM state_group_edges WHERE state_group = $1::bigint", 0},
};

static const struct gg_stmt remove_group[] = {
    {"DELETE FROM state_group_edges WHERE state_group = $1::bigint", 0},
    {"DELETE FROM state_groups_state WHERE state_group = $1::bigint", 0},
    {"DELETE FROM state_groups WHERE id = $1::bigint", 0},
};
static const struct gg_stmt off_the_list = {"DELETE FROM state_groups_pending_deletion WHERE state_group = $1::bigint", 0};

static int queue_all(struct gg_txn *txn, const struct gg_stmt *stmts, size_t n, int64_t group, struct gg_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < n; i++)
        status = gg_txn_queue(txn, &stmts[i], GG_PARAMS(gg_p_i64(group)), err);
    return status;
}

static int take_out(struct gg_txn *txn, struct work *w, int64_t group, struct gg_error *err)
{
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &children, GG_PARAMS(gg_p_i64(group)), w->arena, &rows, err);
    for (size_t i = 0; !status && i < gg_rows_count(rows); i++)
        status = queue_all(txn, store_whole, GG_COUNT(store_whole), gg_rows_i64(rows, i, 0), err);
    return status ? status : queue_all(txn, remove_group, GG_COUNT(remove_group), group, err);
}

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct work *w = arg;
    struct gg_rows *rows;
    int status = gg_txn_exec(txn, &next_group, GG_PARAMS(gg_p_i64(w->before_ms)), w->arena, &rows, err);
    if (status)
        return status;
    w->done = gg_rows_count(rows) == 0;
    if (w->done)
        return 0;
    int64_t group = gg_rows_i64(rows, 0, 0);
    status = gg_txn_exec(txn, &lock_group, GG_PARAMS(gg_p_i64(group)), w->arena, &rows, err);
    bool there = !status && gg_rows_count(rows) > 0;
    if (!status)
        status = gg_txn_exec(txn, &in_use, GG_PARAMS(gg_p_i64(group)), w->arena, &rows, err);
    if (!status && there && !gg_rows_bool(rows, 0, 0))
        status = take_out(txn, w, group, err);
    return status ? status : gg_txn_queue(txn, &off_the_list, GG_PARAMS(gg_p_i64(group)), err);
}

int mx_purge_next_group(struct mx_server *server, int64_t waiting_since_ms, bool *done, struct gg_error *err)
{
    struct work w = {.before_ms = waiting_since_ms, .arena = gg_arena_new()};
    int status = gg_db_txn(server->db, "delete state group", GG_TXN_READ_COMMITTED, body, &w, err);
    *done = w.done;
    gg_arena_free(w.arena);
    return status;
}
