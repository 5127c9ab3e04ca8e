/* matrix/push/age.c: a binary search for a moment in the stream of events. */
#include "push/age.h"

static const struct gg_stmt select_highest = {"SELECT coalesce(max(stream_ordering), 0) FROM events", GG_LANE_POINT};
/* Orderings have gaps: the nearest event below stands for them. */
static const struct gg_stmt select_received = {
    "SELECT coalesce(received_ts, 0) FROM events WHERE stream_ordering <= $1 ORDER BY stream_ordering DESC LIMIT 1",
    GG_LANE_POINT};

static int received_before(struct mx_server *server, int64_t ordering, int64_t ts, bool *before, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_received, GG_PARAMS(gg_p_i64(ordering)), arena, &rows, err);
    if (rc == 0)
        *before = !gg_rows_count(rows) || gg_rows_i64(rows, 0, 0) < ts;
    gg_arena_free(arena);
    return rc;
}

int mx_stream_ordering_at(struct mx_server *server, int64_t ts, int64_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_highest, GG_NO_PARAMS, arena, &rows, err);
    int64_t low = 0, high = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    high += high > 0; /* what is sought lies in [low, high] */
    while (rc == 0 && low < high) {
        int64_t middle = low + (high - low) / 2;
        bool before;
        rc = received_before(server, middle, ts, &before, err);
        if (rc == 0 && before)
            low = middle + 1;
        else if (rc == 0)
            high = middle;
    }
    *out = low;
    return rc;
}
