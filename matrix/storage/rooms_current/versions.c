/* matrix/storage/rooms_current/versions.c: the version of each room. */
#include <ganglion/memory.h>

#include "../store.h"

static const struct gg_stmt select_version = {"SELECT room_version FROM rooms WHERE room_id = $1", GG_LANE_POINT};

int mx_versions_take(struct mx_store *store, struct gg_str room_id, struct gg_str id, uint64_t tick,
                     const struct mx_room_version **out, struct gg_error *err)
{
    if (!id.s)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room");
    *out = mx_room_version_find(id);
    if (!*out)
        return gg_refuse(err, 400, "M_UNSUPPORTED_ROOM_VERSION", "Room version %.*s is not supported", GG_FMT(id));
    struct mx_held_version *held = gg_xmalloc(sizeof(*held));
    held->version = *out;
    mx_cache_put(store->versions, room_id, held, sizeof(*held), tick);
    return 0;
}

int mx_store_room_version(struct mx_server *server, struct gg_str room_id, const struct mx_room_version **out,
                          struct gg_error *err)
{
    struct mx_store *store = mx_store_of(server);
    struct mx_held_version *held = mx_cache_get(store->versions, room_id);
    if (held) {
        *out = held->version;
        return 0;
    }
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    uint64_t tick = mx_cache_tick(store->versions);
    int status = gg_db_read(server->db, &select_version, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (!status)
        status = mx_versions_take(store, room_id, gg_rows_count(rows) ? gg_rows_str(rows, 0, 0) : gg_strn(NULL, 0), tick, out, err);
    gg_arena_free(arena);
    return status;
}
