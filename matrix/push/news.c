/* matrix/push/news.c: what notifies whom and is not read yet, for those who tell it. */
#include "push/counts.h"
#include "push/push.h"
#include "push/rules.h"

#include <ganglion/config.h>
#include <ganglion/matrix/pushers.h>

/* Read is what is not after a receipt of the user in the room, of the whole room or of the event's own thread. */
static const struct gg_stmt select_news = {
    "SELECT q.i, n.* FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS q (user_id, after, upto, n, i)"
    " CROSS JOIN LATERAL (SELECT a.event_id, a.room_id, a.actions, COALESCE(a.highlight, 0), a.stream_ordering"
    " FROM event_push_actions a WHERE a.user_id = q.user_id AND a.stream_ordering > q.after AND a.stream_ordering <= q.upto"
    " AND a.notif = 1 AND NOT EXISTS ("
    "  SELECT 1 FROM receipts_linearized l JOIN events e ON e.event_id = l.event_id AND e.room_id = l.room_id"
    "  WHERE l.room_id = a.room_id AND l.user_id = q.user_id AND l.receipt_type IN ('m.read', 'm.read.private')"
    "  AND (l.thread_id IS NULL OR l.thread_id = a.thread_id) AND e.stream_ordering >= a.stream_ordering)"
    " ORDER BY a.stream_ordering LIMIT q.n) n ORDER BY q.i, n.stream_ordering", GG_LANE_POINT};

struct asking {
    struct gg_gather_call call;
    struct gg_str user_id;
    int64_t after, upto, limit;
    struct gg_arena *arena;
    struct mx_push_news *out;
    size_t n;
};

static void take_news(const struct gg_rows *rows, size_t i, struct asking *a)
{
    struct gg_str actions = mx_push_stored_actions(gg_rows_str(rows, i, 3), gg_rows_i64(rows, i, 4) != 0);
    a->out[a->n++] = (struct mx_push_news){.event_id = gg_arena_str(a->arena, gg_rows_str(rows, i, 1)),
                                           .room_id = gg_arena_str(a->arena, gg_rows_str(rows, i, 2)),
                                           .actions = gg_arena_str(a->arena, actions),
                                           .stream_ordering = gg_rows_i64(rows, i, 5)};
}

static int ask_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, n);
    int64_t *numbers[3];
    struct gg_rows *rows;
    for (size_t c = 0; c < GG_COUNT(numbers); c++)
        numbers[c] = GG_NEW_ARRAY(arena, int64_t, n);
    for (size_t i = 0; i < n; i++) {
        struct asking *a = GG_CONTAINER(calls[i], struct asking, call);
        users[i] = a->user_id;
        numbers[0][i] = a->after;
        numbers[1][i] = a->upto;
        numbers[2][i] = a->limit;
        a->n = 0;
    }
    int rc = gg_db_read(server->db, &select_news, GG_PARAMS(gg_p_texts(users, n), gg_p_i64s(numbers[0], n), gg_p_i64s(numbers[1], n),
                                                            gg_p_i64s(numbers[2], n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        take_news(rows, i, GG_CONTAINER(calls[gg_rows_i64(rows, i, 0) - 1], struct asking, call));
    gg_arena_free(arena);
    return rc;
}

/* One message is news for many. */
const struct gg_gather_def mx_push_news_gather = {.name = "push_news", .run = ask_together, .max_weight = 10000, .at_once = 2};

int mx_push_unread_news(struct mx_server *server, struct gg_str user_id, int64_t after, int64_t upto, size_t limit,
                        struct gg_arena *arena, struct mx_push_news **out, size_t *n_out, struct gg_error *err)
{
    struct asking a = {.user_id = user_id, .after = after, .upto = upto, .limit = (int64_t)limit, .arena = arena,
                       .out = GG_NEW_ARRAY(arena, struct mx_push_news, limit + 1), .call = {.weight = limit}};
    int rc = gg_gather(server->push->news, &a.call, err);
    *out = a.out;
    *n_out = rc == 0 ? a.n : 0;
    return rc;
}

static const struct gg_stmt select_users = {
    "SELECT DISTINCT user_id FROM event_push_actions WHERE stream_ordering > $1 AND stream_ordering <= $2 AND notif = 1",
    GG_LANE_SCAN};

int mx_push_notified_users(struct mx_server *server, int64_t after, int64_t upto, struct gg_arena *arena,
                           struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_users, GG_PARAMS(gg_p_i64(after), gg_p_i64(upto)), arena, &rows, err);
    if (rc < 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

int mx_push_badge_of(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err)
{
    return mx_push_badge(server, user_id, gg_config_bool(server->config, "push.group_unread_count_by_room"), out, err);
}
