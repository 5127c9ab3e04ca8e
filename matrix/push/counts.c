/* matrix/push/counts.c: what is unread, from the summary, the actions that are not in it yet, and the receipts. */
#include "push/counts.h"

#include "push/push.h"

#include <ganglion/matrix/heads.h>

/* For each room: `base` is where the unthreaded receipt stands (without one, where the user joined); a receipt in a
 * thread counts when it stands later. A summary row holds while it knows the thread's last receipt, or knows of none and
 * the rotation has seen it (`pending`: it has not): then only the actions after the rotation are added to it, else all
 * actions after the receipt are counted. Highlights are in no summary: they are always counted from the actions, which
 * keep them. */
static const struct gg_stmt select_counts = {
    "SELECT r.i, c.thread_id, c.notify::bigint, c.highlight::bigint, c.unread::bigint"
    " FROM unnest($1::text[], $2::text[]) WITH ORDINALITY r (user_id, room_id, i)"
    " CROSS JOIN (SELECT coalesce(max(stream_ordering), 0) AS upto FROM event_push_summary_stream_ordering) rotated"
    " CROSS JOIN (SELECT coalesce(max(stream_id), 0) AS upto FROM event_push_summary_last_receipt_stream_id) seen"
    " LEFT JOIN LATERAL (SELECT x.event_stream_ordering AS at, x.stream_id > seen.upto AS pending"
    "  FROM receipts_linearized x WHERE x.room_id = r.room_id AND x.user_id = r.user_id"
    "  AND x.receipt_type IN ('m.read', 'm.read.private') AND x.thread_id IS NULL AND x.event_stream_ordering IS NOT NULL"
    "  ORDER BY x.event_stream_ordering DESC, x.stream_id LIMIT 1) whole ON true"
    " CROSS JOIN LATERAL (SELECT coalesce(whole.pending, false) AS pending, coalesce(whole.at,"
    "  (SELECT e.stream_ordering FROM local_current_membership l JOIN events e ON e.event_id = l.event_id"
    "   WHERE l.room_id = r.room_id AND l.user_id = r.user_id), 0) AS at) base"
    " CROSS JOIN LATERAL (WITH"
    "  read AS (SELECT DISTINCT ON (x.thread_id) x.thread_id, x.event_stream_ordering AS at,"
    "    x.stream_id > seen.upto AS pending FROM receipts_linearized x"
    "   WHERE x.room_id = r.room_id AND x.user_id = r.user_id AND x.receipt_type IN ('m.read', 'm.read.private')"
    "   AND x.thread_id IS NOT NULL AND x.event_stream_ordering > base.at"
    "   ORDER BY x.thread_id, x.event_stream_ordering DESC, x.stream_id),"
    "  sums AS (SELECT s.thread_id, s.notif_count, coalesce(s.unread_count, 0) AS unread_count"
    "   FROM event_push_summary s LEFT JOIN read ON read.thread_id = s.thread_id"
    "   WHERE s.room_id = r.room_id AND s.user_id = r.user_id AND (s.notif_count <> 0 OR coalesce(s.unread_count, 0) <> 0)"
    "   AND CASE WHEN s.last_receipt_stream_ordering IS NULL THEN s.stream_ordering > coalesce(read.at, base.at)"
    "     AND NOT coalesce(read.pending, base.pending)"
    "    ELSE s.last_receipt_stream_ordering = coalesce(read.at, base.at) END),"
    "  parts AS (SELECT thread_id, notif_count AS notify, 0::bigint AS highlight, unread_count AS unread FROM sums"
    "   UNION ALL SELECT a.thread_id,"
    "    count(*) FILTER (WHERE a.notif = 1 AND (sums.thread_id IS NULL OR a.stream_ordering > rotated.upto)),"
    "    count(*) FILTER (WHERE a.highlight = 1),"
    "    count(*) FILTER (WHERE a.unread = 1 AND (sums.thread_id IS NULL OR a.stream_ordering > rotated.upto))"
    "   FROM event_push_actions a LEFT JOIN read ON read.thread_id = a.thread_id"
    "   LEFT JOIN sums ON sums.thread_id = a.thread_id"
    "   WHERE a.room_id = r.room_id AND a.user_id = r.user_id AND a.stream_ordering > coalesce(read.at, base.at)"
    "   GROUP BY a.thread_id)"
    "  SELECT thread_id, sum(notify) AS notify, sum(highlight) AS highlight, sum(unread) AS unread FROM parts"
    "  GROUP BY thread_id) c ORDER BY r.i, c.thread_id",
    GG_LANE_POINT};

/* What somebody asks about rooms of one user. */
struct counting {
    struct gg_gather_call call;
    struct gg_str user_id;
    const struct gg_str *room_ids;
    size_t n;
    struct gg_arena *arena;
    struct mx_push_room *out;
};

/* Rows [from, end) are of one room. */
static void take_room(const struct gg_rows *rows, size_t from, size_t end, const struct counting *c, size_t at)
{
    struct mx_push_room *room = &c->out[at];
    struct mx_push_thread *threads = GG_NEW_ARRAY(c->arena, struct mx_push_thread, end - from);
    room->threads = threads;
    for (size_t i = from; i < end; i++) {
        struct mx_push_counts counts = {gg_rows_i64(rows, i, 2), gg_rows_i64(rows, i, 3), gg_rows_i64(rows, i, 4)};
        if (gg_str_is(gg_rows_str(rows, i, 1), MX_PUSH_MAIN))
            room->main = counts;
        else if (counts.notify || counts.highlight || counts.unread)
            threads[room->n_threads++] = (struct mx_push_thread){gg_arena_str(c->arena, gg_rows_str(rows, i, 1)), counts};
    }
}

/* Rows come in the order in which the rooms of all were asked for. */
static void take_rows(const struct gg_rows *rows, struct counting *const *v, size_t n)
{
    size_t which = 0, first = 0; /* whose rooms begin where */
    for (size_t i = 0, end; i < gg_rows_count(rows); i = end) {
        size_t at = (size_t)gg_rows_i64(rows, i, 0) - 1;
        for (end = i + 1; end < gg_rows_count(rows) && (size_t)gg_rows_i64(rows, end, 0) - 1 == at;)
            end++;
        while (which < n && at >= first + v[which]->n)
            first += v[which++]->n;
        if (which < n)
            take_room(rows, i, end, v[which], at - first);
    }
}

static int count(struct mx_server *server, struct counting *const *v, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    size_t total = 0, k = 0;
    for (size_t i = 0; i < n; i++)
        total += v[i]->n;
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, total + 1), *rooms = GG_NEW_ARRAY(arena, struct gg_str, total + 1);
    for (size_t i = 0; i < n; i++)
        for (size_t r = 0; r < v[i]->n; r++, k++) {
            users[k] = v[i]->user_id;
            rooms[k] = v[i]->room_ids[r];
        }
    int rc = gg_db_read(server->db, &select_counts, GG_PARAMS(gg_p_texts(users, total), gg_p_texts(rooms, total)), arena, &rows,
                        err);
    if (rc == 0)
        take_rows(rows, v, n);
    gg_arena_free(arena);
    return rc;
}

static int count_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct counting *v[GG_GATHER_MAX];
    for (size_t i = 0; i < n; i++) {
        v[i] = GG_CONTAINER(calls[i], struct counting, call);
        memset(v[i]->out, 0, v[i]->n * sizeof(*v[i]->out)); /* it may be another try */
    }
    return count(self, v, n, err);
}

enum { FEW_ROOMS = 20 };

/* A message wakes all members of its room in the same moment, and their clients and gateways are told how much is new: it
 * costs more to begin this statement than to count for one. */
const struct gg_gather_def mx_push_counts_gather = {
    .name = "push_counts", .run = count_together, .max_weight = 400, .at_once = 2};

int mx_push_count(struct mx_server *server, struct gg_str user_id, const struct gg_str *room_ids, size_t n,
                  struct gg_arena *arena, struct mx_push_room *out, struct gg_error *err)
{
    struct counting c = {.user_id = user_id, .room_ids = room_ids, .n = n, .arena = arena, .out = out, .call = {.weight = n}};
    struct counting *one = &c;
    memset(out, 0, n * sizeof(*out));
    if (!n || !server->push->enabled)
        return 0;
    return n > FEW_ROOMS ? count(server, &one, 1, err) /* others need not wait for it */
                         : gg_gather(server->push->counts, &c.call, err);
}

struct mx_push_counts mx_push_total(const struct mx_push_room *room)
{
    struct mx_push_counts sum = room->main;
    for (size_t i = 0; i < room->n_threads; i++) {
        sum.notify += room->threads[i].counts.notify;
        sum.highlight += room->threads[i].counts.highlight;
        sum.unread += room->threads[i].counts.unread;
    }
    return sum;
}

/* ---- the badge ---- */

static int64_t badge_of(const struct mx_push_room *rooms, size_t n, bool by_room)
{
    int64_t badge = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t notify = mx_push_total(&rooms[i]).notify;
        badge += by_room ? notify > 0 : notify;
    }
    return badge;
}

int mx_push_badge(struct mx_server *server, struct gg_str user_id, bool by_room, int64_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_user_room *rooms;
    size_t n, n_joined = 0, invited = 0;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    if (rc == 0) {
        struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
        struct mx_push_room *counts = GG_NEW_ARRAY(arena, struct mx_push_room, n + 1);
        for (size_t i = 0; i < n; i++) {
            if (gg_str_is(rooms[i].membership, "join"))
                ids[n_joined++] = rooms[i].room_id;
            invited += gg_str_is(rooms[i].membership, "invite");
        }
        rc = mx_push_count(server, user_id, ids, n_joined, arena, counts, err);
        *out = rc ? 0 : badge_of(counts, n_joined, by_room) + (int64_t)invited;
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- in /sync ---- */

static void write_pair(const struct mx_push_counts *counts, struct gg_buf *out)
{
    gg_buf_printf(out, "{\"notification_count\":%lld,\"highlight_count\":%lld}", (long long)counts->notify,
                  (long long)counts->highlight);
}

static void write_threads(const struct mx_push_room *room, const char *name, struct gg_buf *out)
{
    gg_buf_printf(out, ",\"%s\":{", name);
    for (size_t i = 0; i < room->n_threads; i++) {
        if (i)
            gg_buf_char(out, ',');
        gg_buf_json_string(out, room->threads[i].thread_id);
        gg_buf_char(out, ':');
        write_pair(&room->threads[i].counts, out);
    }
    gg_buf_char(out, '}');
}

void mx_push_write_counts(const struct mx_server *server, const struct mx_push_room *room, bool by_thread,
                          struct gg_buf *out)
{
    struct mx_push_counts shown = by_thread ? room->main : mx_push_total(room);
    gg_buf_lit(out, ",\"unread_notifications\":");
    write_pair(&shown, out);
    if (by_thread && room->n_threads) {
        write_threads(room, "unread_thread_notifications", out);
        if (server->push->unstable_threads)
            write_threads(room, "org.matrix.msc3773.unread_thread_notifications", out);
    }
    if (server->push->count_unread)
        gg_buf_printf(out, ",\"org.matrix.msc2654.unread_count\":%lld", (long long)shown.unread);
}
