/* matrix/rooms/retention.c: how long messages live. */
#include "rooms/retention.h"

#include <ganglion/config.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

enum { CACHE_BYTES = 1 << 20 };

void mx_retention_make(struct mx_server *server)
{
    server->retention = mx_cache_new(server, &(struct mx_cache_def){"get_retention_policy_for_room", CACHE_BYTES, NULL});
}

static int64_t lifetime(const struct gg_config *config, const char *key)
{
    return gg_config_set(config, key) ? gg_config_int(config, key) : 0;
}

int64_t mx_retention_default(const struct gg_config *config)
{
    return lifetime(config, "retention.default_policy.max_lifetime");
}

int64_t mx_retention_bounded(const struct gg_config *config, int64_t max_ms)
{
    int64_t low = lifetime(config, "retention.allowed_lifetime_min"), high = lifetime(config, "retention.allowed_lifetime_max");
    if (max_ms <= 0)
        return 0;
    if (max_ms < low)
        max_ms = low;
    return high && max_ms > high ? high : max_ms;
}

static int read_policy(struct mx_server *server, struct gg_str room_id, int64_t *max_ms, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT t.max_lifetime FROM current_state_events c JOIN room_retention t USING (room_id, event_id) WHERE "
        "c.room_id = $1 AND c.type = 'm.room.retention' AND c.state_key = ''",
        GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    *max_ms = mx_retention_default(server->config);
    int status = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(room_id)), arena, &rows, err);
    if (!status && gg_rows_count(rows) && !gg_rows_null(rows, 0, 0))
        *max_ms = gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return status;
}

int mx_retention_of(struct mx_server *server, struct gg_str room_id, int64_t *max_ms, struct gg_error *err)
{
    *max_ms = 0;
    if (!gg_config_bool(server->config, "retention.enabled"))
        return 0;
    const int64_t *held = mx_cache_get(server->retention, room_id);
    if (held) {
        *max_ms = *held;
        return 0;
    }
    uint64_t tick = mx_cache_tick(server->retention);
    int status = read_policy(server, room_id, max_ms, err);
    if (status)
        return status;
    int64_t *copy = gg_xmalloc(sizeof(*copy));
    *copy = *max_ms;
    mx_cache_put(server->retention, room_id, copy, sizeof(*copy), tick);
    return 0;
}
