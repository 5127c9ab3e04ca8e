/* stats.c: statistics of rooms and of users from scratch, in the order of their ids. */
#include "storage/room_stats.h"
#include "updates/updates.h"

#include <ganglion/config.h>

typedef int rebuild_fn(struct mx_server *server, const struct gg_str *ids, size_t n, struct gg_arena *arena, gg_txn_fn *with,
                       void *arg, struct gg_error *err);

static const struct kind {
    const char *key; /* of the progress */
    struct gg_stmt next;
    rebuild_fn *rebuild;
} rooms = {"last_room_id",
           {"SELECT DISTINCT room_id FROM current_state_events WHERE room_id > $1 ORDER BY room_id LIMIT $2", GG_LANE_SCAN},
           mx_room_stats_rebuild},
  users = {"last_user_id", {"SELECT name FROM users WHERE name > $1 ORDER BY name LIMIT $2", GG_LANE_SCAN},
           mx_user_stats_rebuild};

struct turn {
    struct mx_update_step *step;
    const char *key;
    struct gg_str last;
};

static int noted(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct turn *t = arg;
    return mx_update_note(txn, t->step, t->key, t->last, false, err);
}

static int take_turn(struct mx_update_step *step, const struct kind *kind, struct gg_error *err)
{
    struct mx_server *server = step->server;
    struct gg_str after = mx_update_progress(step, kind->key), *ids;
    struct gg_rows *rows;
    if (!gg_config_bool(server->config, "stats.enabled"))
        return mx_update_end(step, err);
    int rc = gg_db_read(server->db, &kind->next,
                        GG_PARAMS(gg_p_str(after.s != NULL ? after : GG_STR("")), gg_p_i64(step->batch)), step->arena, &rows,
                        err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    if (rc < 0 || n == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    ids = GG_NEW_ARRAY(step->arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = gg_rows_str(rows, i, 0);
    struct turn turn = {step, kind->key, ids[n - 1]};
    step->items = (int64_t)n;
    return kind->rebuild(server, ids, n, step->arena, noted, &turn, err);
}

int mx_update_stats_rooms(struct mx_update_step *step, struct gg_error *err)
{
    return take_turn(step, &rooms, err);
}

int mx_update_stats_users(struct mx_update_step *step, struct gg_error *err)
{
    return take_turn(step, &users, err);
}
