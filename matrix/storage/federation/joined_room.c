/* matrix/storage/federation/joined_room.c: rows about a room that we enter from outside (facts database 4.19). */
#include "storage/federation/joined_room.h"

#include <ganglion/matrix/cache.h>

/* The creator of a room that an invite made known stays '', as Synapse leaves it. */
static const struct gg_stmt upsert_room = {"INSERT INTO rooms (room_id, is_public, creator, room_version, "
                                           "has_auth_chain_index) VALUES ($1, false, $2, $3, true)"
                                           " ON CONFLICT (room_id) DO UPDATE SET room_version = EXCLUDED.room_version",
                                           0};
static const struct gg_stmt know_room = {"INSERT INTO rooms (room_id, is_public, creator, room_version, "
                                         "has_auth_chain_index) VALUES ($1, false, '', $2, true)"
                                         " ON CONFLICT (room_id) DO NOTHING",
                                         0};
static const struct gg_stmt delete_ends = {"DELETE FROM event_forward_extremities WHERE room_id = $1", 0};

int mx_joined_room_add(struct mx_server *server, struct gg_str room_id, const struct mx_event *create,
                       struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str creator = create->sender;
    if (!create->version->implicit_creator) {
        creator = mx_json_string(mx_json_get(create->content, "creator"), arena);
        creator = creator.s != NULL ? creator : GG_STR("");
    }
    int rc =
        gg_db_write(server->db, &upsert_room,
                    GG_PARAMS(gg_p_str(room_id), gg_p_str(creator), gg_p_text(create->version->id)), NULL, NULL, err);
    gg_arena_free(arena);
    return rc;
}

int mx_joined_room_know(struct mx_server *server, struct gg_str room_id, const struct mx_room_version *version,
                        struct gg_error *err)
{
    return gg_db_write(server->db, &know_room, GG_PARAMS(gg_p_str(room_id), gg_p_text(version->id)), NULL, NULL, err);
}

struct cleaning {
    struct mx_server *server;
    struct gg_str room_id;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int clean(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct cleaning *c = arg;
    int rc = gg_txn_queue(txn, &delete_ends, GG_PARAMS(gg_p_str(c->room_id)), err);
    return rc != 0 ? rc
                   : mx_caches_invalidate(&c->forget, c->server, txn, c->arena, "get_latest_event_ids_in_room",
                                          &c->room_id, 1, err);
}

int mx_joined_room_clean(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    struct cleaning c = {.server = server, .room_id = room_id, .arena = gg_arena_new()};
    int rc = gg_db_txn(server->db, "clean_room_for_join", 0, clean, &c, err);
    mx_forget_end(&c.forget, gg_maybe_committed(rc));
    gg_arena_free(c.arena);
    return rc;
}
