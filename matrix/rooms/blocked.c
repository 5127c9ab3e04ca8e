/* matrix/rooms/blocked.c: rooms that administrators have closed. Few are, and each join asks: the answer is cached. */
#include "rooms/blocked.h"
#include "storage/change.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

#include "storage/admin/ask.h"

enum { CACHE_BYTES = 1 << 20 };

static const char *const caches[] = {"is_room_blocked", NULL};

void mx_blocked_make(struct mx_server *server)
{
    server->blocked_rooms = mx_cache_new(server, &(struct mx_cache_def){caches[0], CACHE_BYTES, NULL});
}

int mx_room_blocked_by(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct gg_str *user_out,
                       struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT user_id FROM blocked_rooms WHERE room_id = $1", GG_LANE_POINT};
    return mx_admin_ask(server, &stmt, GG_PARAMS(gg_p_str(room_id)), arena, user_out, err);
}

int mx_room_not_blocked(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    const bool *held = mx_cache_get(server->blocked_rooms, room_id);
    bool blocked = held && *held;
    if (!held) {
        struct gg_arena *arena = gg_arena_new();
        uint64_t tick = mx_cache_tick(server->blocked_rooms);
        struct gg_str by;
        int status = mx_room_blocked_by(server, room_id, arena, &by, err);
        blocked = by.s != NULL;
        gg_arena_free(arena);
        if (status)
            return status;
        bool *copy = gg_xmalloc(sizeof(*copy));
        *copy = blocked;
        mx_cache_put(server->blocked_rooms, room_id, copy, sizeof(*copy), tick);
    }
    return blocked ? gg_refuse(err, 403, "M_UNKNOWN", "This room has been blocked on this server") : 0;
}

int mx_room_block(struct mx_server *server, struct gg_str room_id, struct gg_str by, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO blocked_rooms (room_id, user_id) VALUES ($1, $2) ON CONFLICT (room_id) DO NOTHING", 0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(room_id), gg_p_str(by)), caches, room_id, NULL, err);
}

int mx_room_unblock(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM blocked_rooms WHERE room_id = $1", 0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(room_id)), caches, room_id, NULL, err);
}
