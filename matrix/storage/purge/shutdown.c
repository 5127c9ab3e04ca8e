/* shutdown.c: what ending a room reads and writes beside events. */
#include "storage/purge/shutdown.h"

#include <ganglion/matrix/cache.h>

int mx_shutdown_members(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct gg_rows **out,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT user_id, membership FROM local_current_membership WHERE room_id = $1 AND membership IN ('join', 'invite', "
        "'knock') ORDER BY user_id",
        GG_LANE_SCAN};
    return gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(room_id)), arena, out, err);
}

int mx_shutdown_known(struct mx_server *server, struct gg_str room_id, bool *known, bool *inhabited, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT EXISTS (SELECT 1 FROM rooms WHERE room_id = $1), EXISTS (SELECT 1 FROM local_current_membership WHERE "
        "room_id = $1 AND membership = 'join')",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (!status) {
        *known = gg_rows_bool(rows, 0, 0);
        *inhabited = gg_rows_bool(rows, 0, 1);
    }
    gg_arena_free(arena);
    return status;
}

struct move {
    struct gg_str from, to, by;
    struct mx_forget forget;
};

static int move_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "UPDATE room_aliases SET room_id = $2, creator = coalesce($3, creator) WHERE room_id = $1", 0};
    struct move *m = arg;
    mx_forget_again(&m->forget);
    int status = gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(m->from), gg_p_str(m->to), gg_p_str(m->by)), err);
    mx_forget_add(&m->forget, "get_aliases_for_room", &m->from, 1);
    mx_forget_add(&m->forget, "get_aliases_for_room", &m->to, 1);
    return status ? status : mx_forget_write(&m->forget, txn, err);
}

int mx_shutdown_move_aliases(struct mx_server *server, struct gg_str from, struct gg_str to, struct gg_str by,
                             struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct move m = {.from = from, .to = to, .by = by};
    mx_forget_begin(&m.forget, server, arena);
    int status = gg_db_txn(server->db, "move aliases", 0, move_body, &m, err);
    mx_forget_end(&m.forget, gg_maybe_committed(status));
    gg_arena_free(arena);
    return status;
}
