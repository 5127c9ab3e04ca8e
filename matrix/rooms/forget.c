/* matrix/rooms/forget.c: a user forgets a room (facts: tables room_memberships, sliding_sync_membership_snapshots). */
#include "rooms/forget.h"

#include <ganglion/config.h>
#include <ganglion/matrix/cache.h>

#include "tasks/tasks.h"

static const struct gg_stmt forget_memberships = {
    "UPDATE room_memberships SET forgotten = 1 WHERE user_id = $1 AND room_id = $2", 0};
static const struct gg_stmt forget_snapshot = {
    "UPDATE sliding_sync_membership_snapshots SET forgotten = 1 WHERE user_id = $1 AND room_id = $2", 0};

struct forget {
    struct gg_str user_and_room[2];
    struct mx_forget caches;
};

static int forget_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct forget *f = arg;
    const struct gg_str *key = f->user_and_room;
    mx_forget_again(&f->caches);
    int rc = gg_txn_queue(txn, &forget_memberships, GG_PARAMS(gg_p_str(key[0]), gg_p_str(key[1])), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &forget_snapshot, GG_PARAMS(gg_p_str(key[0]), gg_p_str(key[1])), err);
    if (rc != 0)
        return rc;
    mx_forget_add(&f->caches, "did_forget", key, 2);
    mx_forget_add(&f->caches, "get_forgotten_rooms_for_user", key, 1);
    mx_forget_add(&f->caches, "get_sliding_sync_rooms_for_user_from_membership_snapshots", key, 1);
    return mx_forget_write(&f->caches, txn, err);
}

static const struct gg_stmt membership_now = {
    "SELECT membership FROM local_current_membership WHERE user_id = $1 AND room_id = $2", GG_LANE_POINT};

static const struct gg_stmt remembered = {
    "SELECT EXISTS (SELECT 1 FROM local_current_membership l LEFT JOIN room_memberships m USING (event_id) WHERE l.room_id = $1 "
    "AND (l.membership NOT IN ('leave', 'ban') OR coalesce(m.forgotten, 0) = 0))", GG_LANE_POINT};

/* forgotten_room_retention_period: a room that no local user remembers goes some time later. */
static int purge_later(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    if (!gg_config_set(server->config, "forgotten_room_retention_period"))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &remembered, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (rc == 0 && !gg_rows_bool(rows, 0, 0))
        rc = mx_task_schedule(server, "purge_room", room_id, (struct gg_str){0},
                              gg_wall_ms() + gg_config_int(server->config, "forgotten_room_retention_period"), NULL, err);
    gg_arena_free(arena);
    return rc;
}

int mx_room_forget(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &membership_now, GG_PARAMS(gg_p_str(user_id), gg_p_str(room_id)), arena, &rows, err);
    if (rc != 0)
        goto out;
    struct gg_str membership = gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    if (membership.s == NULL) /* never there: nothing to forget */
        goto out;
    if (!gg_str_is(membership, "leave") && !gg_str_is(membership, "ban")) {
        rc = gg_refuse(err, 400, "M_UNKNOWN", "User %.*s in room %.*s", GG_FMT(user_id), GG_FMT(room_id));
        goto out;
    }
    struct forget f = {.user_and_room = {user_id, room_id}};
    mx_forget_begin(&f.caches, server, arena);
    rc = gg_db_txn(server->db, "forget_room", 0, forget_txn, &f, err);
    mx_forget_end(&f.caches, gg_maybe_committed(rc));
    if (rc == 0)
        rc = purge_later(server, room_id, err);
out:
    gg_arena_free(arena);
    return rc;
}
