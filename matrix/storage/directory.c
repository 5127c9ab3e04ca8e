/* matrix/storage/directory.c: rows about rooms that the creating process writes itself, and aliases. */
#include "storage/directory.h"

#include "json/text.h"

#include <ganglion/matrix/cache.h>

static const struct gg_stmt add_room = {
    "INSERT INTO rooms (room_id, is_public, creator, room_version, has_auth_chain_index) VALUES ($1, $2, $3, $4, true)",
    0};

int mx_directory_add_room(struct mx_server *server, struct gg_str room_id, struct gg_str creator,
                          const struct mx_room_version *version, bool is_public, struct gg_error *err)
{
    return gg_db_write(server->db, &add_room,
                       GG_PARAMS(gg_p_str(room_id), gg_p_bool(is_public), gg_p_str(creator), gg_p_text(version->id)),
                       NULL, NULL, err);
}

/* Both rows or none; the alias's uniqueness decides a race. */
static const struct gg_stmt insert_alias = {
    "INSERT INTO room_aliases (room_alias, room_id, creator) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", 0};
static const struct gg_stmt insert_alias_server = {
    "INSERT INTO room_alias_servers (room_alias, server) VALUES ($1, $2)", 0};

struct add_alias {
    struct mx_server *server;
    struct gg_str alias, room_id, creator;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int add_alias_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct add_alias *a = arg;
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &insert_alias, GG_PARAMS(gg_p_str(a->alias), gg_p_str(a->room_id), gg_p_str(a->creator)),
                         a->arena, &rows, err);
    if (rc != 0)
        return rc;
    if (gg_rows_affected(rows) == 0)
        return gg_refuse(err, 409, "M_UNKNOWN", "Room alias %.*s already exists", GG_FMT(a->alias));
    rc = gg_txn_queue(txn, &insert_alias_server, GG_PARAMS(gg_p_str(a->alias), gg_p_text(a->server->name)), err);
    return rc != 0 ? rc
                   : mx_caches_invalidate(&a->forget, a->server, txn, a->arena, "get_aliases_for_room", &a->room_id, 1,
                                          err);
}

int mx_directory_add_alias(struct mx_server *server, struct gg_str alias, struct gg_str room_id, struct gg_str creator,
                           struct gg_error *err)
{
    struct add_alias a = {server, alias, room_id, creator, gg_arena_new(), {0}};
    int rc = gg_db_txn(server->db, "add_alias", 0, add_alias_txn, &a, err);
    mx_forget_end(&a.forget, gg_maybe_committed(rc));
    gg_arena_free(a.arena);
    return rc;
}

static const struct gg_stmt find_alias = {"SELECT room_id FROM room_aliases WHERE room_alias = $1", GG_LANE_POINT};

int mx_directory_find_alias(struct mx_server *server, struct gg_str alias, struct gg_arena *arena,
                            struct gg_str *room_id_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *room_id_out = (struct gg_str){0};
    if (mx_storable(alias).s == NULL) /* no row holds it */
        return 0;
    int rc = gg_db_read(server->db, &find_alias, GG_PARAMS(gg_p_str(alias)), arena, &rows, err);
    *room_id_out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}

static const struct gg_stmt alias_creator = {"SELECT creator, room_id FROM room_aliases WHERE room_alias = $1", GG_LANE_POINT};

int mx_directory_alias_creator(struct mx_server *server, struct gg_str alias, struct gg_arena *arena,
                               struct gg_str *creator_out, struct gg_str *room_id_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &alias_creator, GG_PARAMS(gg_p_str(alias)), arena, &rows, err);
    bool found = rc == 0 && gg_rows_count(rows) > 0;
    *creator_out = found ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    *room_id_out = found ? gg_rows_str(rows, 0, 1) : (struct gg_str){0};
    return rc;
}

static const struct gg_stmt delete_alias_servers = {"DELETE FROM room_alias_servers WHERE room_alias = $1", 0};
static const struct gg_stmt delete_alias = {"DELETE FROM room_aliases WHERE room_alias = $1", 0};

static int remove_alias_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct add_alias *a = arg;
    int rc = gg_txn_queue(txn, &delete_alias_servers, GG_PARAMS(gg_p_str(a->alias)), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &delete_alias, GG_PARAMS(gg_p_str(a->alias)), err);
    return rc != 0 ? rc : mx_caches_invalidate(&a->forget, a->server, txn, a->arena, "get_aliases_for_room", &a->room_id, 1, err);
}

int mx_directory_remove_alias(struct mx_server *server, struct gg_str alias, struct gg_str room_id, struct gg_error *err)
{
    struct add_alias a = {.server = server, .alias = alias, .room_id = room_id, .arena = gg_arena_new()};
    int rc = gg_db_txn(server->db, "remove_alias", 0, remove_alias_txn, &a, err);
    mx_forget_end(&a.forget, gg_maybe_committed(rc));
    gg_arena_free(a.arena);
    return rc;
}

static const struct gg_stmt aliases_of = {"SELECT room_alias FROM room_aliases WHERE room_id = $1 ORDER BY room_alias", GG_LANE_POINT};

int mx_directory_aliases_of(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct gg_str **out,
                            size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &aliases_of, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

/* ---- a room that is replaced ---- */

static const struct gg_stmt move_aliases = {"UPDATE room_aliases SET room_id = $2 WHERE room_id = $1", 0};
static const struct gg_stmt take_place = {
    "UPDATE rooms SET is_public = true WHERE room_id = $2 AND EXISTS (SELECT 1 FROM rooms WHERE room_id = $1 AND is_public)", 0};
static const struct gg_stmt leave_place = {"UPDATE rooms SET is_public = false WHERE room_id = $1 AND is_public", 0};

struct move {
    struct gg_str rooms[2];
    struct mx_forget forget;
};

static int move_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct move *m = arg;
    const struct gg_stmt *steps[] = {&move_aliases, &take_place, &leave_place};
    int rc = 0;
    mx_forget_again(&m->forget);
    for (size_t i = 0; rc == 0 && i < GG_COUNT(steps); i++) {
        const struct gg_param params[] = {gg_p_str(m->rooms[0]), gg_p_str(m->rooms[1])};
        rc = gg_txn_queue(txn, steps[i], params, steps[i] == &leave_place ? 1 : 2, err);
    }
    for (size_t i = 0; rc == 0 && i < GG_COUNT(m->rooms); i++)
        mx_forget_add(&m->forget, "get_aliases_for_room", &m->rooms[i], 1);
    return rc == 0 ? mx_forget_write(&m->forget, txn, err) : rc;
}

int mx_directory_move(struct mx_server *server, struct gg_str old_room, struct gg_str new_room, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct move m = {.rooms = {old_room, new_room}};
    mx_forget_begin(&m.forget, server, arena);
    int rc = gg_db_txn(server->db, "move_aliases", 0, move_txn, &m, err);
    mx_forget_end(&m.forget, gg_maybe_committed(rc));
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt bans = {
    "SELECT event_id FROM current_state_events WHERE room_id = $1 AND type = 'm.room.member' AND membership = 'ban' LIMIT $2",
    GG_LANE_SCAN};

int mx_directory_bans(struct mx_server *server, struct gg_str room_id, size_t limit, struct gg_arena *arena,
                      struct gg_str **event_ids_out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &bans, GG_PARAMS(gg_p_str(room_id), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *event_ids_out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*event_ids_out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}
