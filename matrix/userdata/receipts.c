/* matrix/userdata/receipts.c: who has read up to where (facts database 3.6, 4.7; replication 5.6). */
#include "userdata/receipts.h"

#include "sync/changes.h"
#include "userdata/streams.h"
#include "userdata/write.h"

#include <ganglion/map.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>

/* ---- reading ---- */

static const struct gg_stmt read_since = {
    "SELECT room_id, event_id, receipt_type, user_id, data, thread_id FROM receipts_linearized"
    " WHERE room_id = ANY ($1::text[]) AND stream_id > $2 AND stream_id <= $3"
    " AND (receipt_type <> 'm.read.private' OR user_id = $4)"
    " ORDER BY room_id, event_id, receipt_type, user_id", GG_LANE_POINT};

/* {"ts":1} and a thread make {"ts":1,"thread_id":"main"} */
static void write_data(struct gg_buf *out, struct gg_str data, struct gg_str thread_id)
{
    if (thread_id.s == NULL || data.n < 2) {
        gg_buf_str(out, data);
        return;
    }
    gg_buf_add(out, data.s, data.n - 1);
    gg_buf_text(out, mx_json_length(data) > 0 ? ",\"thread_id\":" : "\"thread_id\":");
    gg_buf_json_string(out, thread_id);
    gg_buf_char(out, '}');
}

/* Rows [first, end) of one room as the content of an m.receipt event: {event: {type: {user: data}}}. One user may have
 * read in several threads at one event; the last one wins, as an object can hold only one. */
static struct gg_str write_content(const struct gg_rows *rows, size_t first, size_t end, struct gg_arena *arena)
{
    struct gg_buf out = GG_BUF_INIT;
    for (size_t i = first; i < end; i++) {
        bool new_event = i == first || !gg_str_eq(gg_rows_str(rows, i, 1), gg_rows_str(rows, i - 1, 1));
        bool new_type = new_event || !gg_str_eq(gg_rows_str(rows, i, 2), gg_rows_str(rows, i - 1, 2));
        if (i + 1 < end && gg_str_eq(gg_rows_str(rows, i, 1), gg_rows_str(rows, i + 1, 1)) &&
            gg_str_eq(gg_rows_str(rows, i, 2), gg_rows_str(rows, i + 1, 2)) &&
            gg_str_eq(gg_rows_str(rows, i, 3), gg_rows_str(rows, i + 1, 3)) && !new_type)
            continue;
        gg_buf_text(&out, i == first ? "{" : new_event ? "}}," : new_type ? "}," : ",");
        if (new_event) {
            gg_buf_json_string(&out, gg_rows_str(rows, i, 1));
            gg_buf_lit(&out, ":{");
        }
        if (new_type) {
            gg_buf_json_string(&out, gg_rows_str(rows, i, 2));
            gg_buf_lit(&out, ":{");
        }
        gg_buf_json_string(&out, gg_rows_str(rows, i, 3));
        gg_buf_char(&out, ':');
        write_data(&out, gg_rows_str(rows, i, 4), gg_rows_str(rows, i, 5));
    }
    gg_buf_lit(&out, "}}}");
    struct gg_str content = gg_arena_str(arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return content;
}

/* Rows of several rooms, by room, to the places of the rooms in out. */
static void take_rooms(const struct gg_rows *rows, const struct gg_str *ids, size_t n, struct gg_arena *arena,
                       struct mx_room_receipts *out)
{
    struct gg_map *places = gg_map_new(NULL);
    for (size_t k = 0; k < n; k++) {
        out[k] = (struct mx_room_receipts){.room_id = ids[k]};
        gg_map_put(places, ids[k], &out[k]);
    }
    for (size_t i = 0, end; i < gg_rows_count(rows); i = end) {
        struct gg_str room_id = gg_rows_str(rows, i, 0);
        for (end = i + 1; end < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, end, 0), room_id);)
            end++;
        struct mx_room_receipts *place = gg_map_get(places, room_id);
        if (place != NULL)
            place->content = write_content(rows, i, end, arena);
    }
    gg_map_free(places);
}

int mx_receipts_since(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n,
                      const struct mx_position *from, const struct mx_position *to, struct gg_arena *arena,
                      struct mx_room_receipts *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_since,
                        GG_PARAMS(gg_p_texts(rooms, n), gg_p_i64(from != NULL ? from->min : 0), gg_p_i64(mx_position_max(to)),
                                  gg_p_str(user_id)), arena, &rows, err);
    if (rc == 0)
        take_rooms(rows, rooms, n, arena, out);
    return rc;
}

static const struct gg_stmt read_at_events = {
    "SELECT room_id, event_id, receipt_type, user_id, data, thread_id FROM receipts_linearized"
    " WHERE room_id = ANY ($1::text[]) AND stream_id <= $2 AND event_id = ANY ($4::text[]) AND receipt_type <> 'm.read.private'"
    " UNION SELECT room_id, event_id, receipt_type, user_id, data, thread_id FROM receipts_linearized"
    " WHERE room_id = ANY ($1::text[]) AND stream_id <= $2 AND user_id = $3"
    " ORDER BY room_id, event_id, receipt_type, user_id", GG_LANE_POINT};

int mx_receipts_at_events(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n,
                          const struct gg_str *events, size_t n_events, const struct mx_position *to, struct gg_arena *arena,
                          struct mx_room_receipts *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_at_events,
                        GG_PARAMS(gg_p_texts(rooms, n), gg_p_i64(mx_position_max(to)), gg_p_str(user_id),
                                  gg_p_texts(events, n_events)), arena, &rows, err);
    if (rc == 0)
        take_rooms(rows, rooms, n, arena, out);
    return rc;
}

bool mx_receipts_changed(struct mx_server *server, struct gg_str room_id, int64_t from)
{
    return mx_changes_after(server->receipt_changes, room_id, from);
}

void mx_receipts_mark(struct mx_server *server, const struct mx_user_rooms *rooms, int64_t from, bool *marks, uint32_t *at,
                      size_t *n)
{
    mx_changes_mark(server->receipt_changes, rooms, from, marks, at, n);
}

/* ---- writing (on a receipts writer) ---- */

/* A receipt only moves forward. The two unique indexes split on thread_id IS NULL. */
#define UPSERT(conflict_)                                                                                             \
    "WITH e AS (SELECT stream_ordering FROM events WHERE event_id = $5), up AS (INSERT INTO receipts_linearized AS r" \
    " (stream_id, room_id, receipt_type, user_id, event_id, data, instance_name, event_stream_ordering, thread_id)"   \
    " SELECT $1, $2, $3, $4, $5, $6, $7, (SELECT stream_ordering FROM e), $8 ON CONFLICT " conflict_                  \
    " DO UPDATE SET stream_id = excluded.stream_id, event_id = excluded.event_id, data = excluded.data,"              \
    " instance_name = excluded.instance_name, event_stream_ordering = excluded.event_stream_ordering"                 \
    " WHERE r.event_stream_ordering IS NULL OR excluded.event_stream_ordering IS NULL"                                \
    " OR r.event_stream_ordering < excluded.event_stream_ordering RETURNING 1) SELECT 1 FROM up"
static const struct gg_stmt upsert_unthreaded = {UPSERT("(room_id, receipt_type, user_id) WHERE thread_id IS NULL"), 0};
static const struct gg_stmt upsert_threaded = {UPSERT("(room_id, receipt_type, user_id, thread_id)"), 0};
#define GRAPH(conflict_)                                                                                        \
    "INSERT INTO receipts_graph (room_id, receipt_type, user_id, event_ids, data, thread_id)"                   \
    " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT " conflict_                                                   \
    " DO UPDATE SET event_ids = excluded.event_ids, data = excluded.data"
static const struct gg_stmt graph_unthreaded = {GRAPH("(room_id, receipt_type, user_id) WHERE thread_id IS NULL"), 0};
static const struct gg_stmt graph_threaded = {GRAPH("(room_id, receipt_type, user_id, thread_id)"), 0};

enum { RUN_RECEIPTS = 512 }; /* of one transaction, unless one call brings more */

struct set_receipts {
    struct mx_server *server;
    struct gg_arena *arena;
    const struct mx_receipt *v;
    size_t n;
    struct gg_str *data;
    int64_t *ids;
    struct gg_rows **moved; /* a row, if the receipt moved */
};

static int queue_graph(const struct set_receipts *s, size_t i, struct gg_txn *txn, struct gg_error *err)
{
    const struct mx_receipt *r = &s->v[i];
    struct gg_buf ids = GG_BUF_INIT;
    gg_buf_char(&ids, '[');
    gg_buf_json_string(&ids, r->event_id);
    gg_buf_char(&ids, ']');
    int rc = gg_txn_queue(txn, r->thread_id.s != NULL ? &graph_threaded : &graph_unthreaded,
                          GG_PARAMS(gg_p_str(r->room_id), gg_p_str(r->type), gg_p_str(r->user_id), gg_p_str(gg_buf_view(&ids)),
                                    gg_p_str(s->data[i]), gg_p_str(r->thread_id)), err);
    gg_buf_done(&ids);
    return rc;
}

static int set_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct set_receipts *s = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < s->n; i++) {
        const struct mx_receipt *r = &s->v[i];
        rc = gg_txn_queue_rows(txn, r->thread_id.s != NULL ? &upsert_threaded : &upsert_unthreaded,
                               GG_PARAMS(gg_p_i64(s->ids[i]), gg_p_str(r->room_id), gg_p_str(r->type), gg_p_str(r->user_id),
                                         gg_p_str(r->event_id), gg_p_str(s->data[i]),
                                         gg_p_text(gg_host_instance(s->server->host)), gg_p_str(r->thread_id)),
                               s->arena, &s->moved[i], err);
    }
    if (rc == 0)
        rc = gg_txn_flush(txn, err);
    for (size_t i = 0; rc == 0 && i < s->n; i++)
        if (gg_rows_count(s->moved[i]) > 0)
            rc = queue_graph(s, i, txn, err);
    return rc;
}

static struct gg_str stream_row(const struct set_receipts *s, size_t i)
{
    const struct mx_receipt *r = &s->v[i];
    const struct gg_str parts[] = {r->room_id, r->type, r->user_id, r->event_id, r->thread_id};
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '[');
    for (size_t k = 0; k < GG_COUNT(parts); k++) {
        if (parts[k].s != NULL)
            gg_buf_json_string(&out, parts[k]);
        else
            gg_buf_lit(&out, "null");
        gg_buf_char(&out, ',');
    }
    gg_buf_str(&out, s->data[i]);
    gg_buf_char(&out, ']');
    struct gg_str text = gg_arena_str(s->arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

static void announce(const struct set_receipts *s)
{
    struct gg_fetched *rows = GG_NEW_ARRAY(s->arena, struct gg_fetched, s->n);
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        if (gg_rows_count(s->moved[i]) > 0)
            rows[n++] = (struct gg_fetched){s->ids[i], stream_row(s, i)};
    gg_stream_finish_rows(s->server->receipts, s->ids, s->n, rows, n);
}

/* Receipts that one request, or one transaction of another server, brings. */
struct wanted {
    struct gg_gather_call call;
    const struct mx_receipt *v;
    size_t n;
};

static struct wanted *wanted_of(struct gg_gather_call *call)
{
    return GG_CONTAINER(call, struct wanted, call);
}

/* All of them in the order in which they came. */
static struct set_receipts collect(struct mx_server *server, struct gg_gather_call *const *calls, size_t n_calls,
                                   struct gg_arena *arena)
{
    size_t n = 0;
    for (size_t k = 0; k < n_calls; k++)
        n += wanted_of(calls[k])->n;
    struct mx_receipt *all = GG_NEW_ARRAY(arena, struct mx_receipt, n + 1);
    struct set_receipts s = {.server = server, .arena = arena, .v = all, .data = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                             .ids = GG_NEW_ARRAY(arena, int64_t, n + 1), .moved = GG_NEW_ARRAY(arena, struct gg_rows *, n + 1)};
    for (size_t k = 0; k < n_calls; k++)
        for (size_t i = 0; i < wanted_of(calls[k])->n; i++) {
            all[s.n] = wanted_of(calls[k])->v[i];
            s.data[s.n] = gg_str(gg_arena_printf(arena, "{\"ts\":%lld}", (long long)all[s.n].ts));
            s.n++;
        }
    return s;
}

static int set_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    struct set_receipts s = collect(server, calls, n, arena);
    int rc = gg_stream_allocate(server->receipts, NULL, s.n, s.ids, err);
    if (rc == 0) {
        rc = gg_db_txn(server->db, "insert_receipt", 0, set_txn, &s, err);
        if (gg_maybe_committed(rc))
            announce(&s);
        else
            gg_stream_finish_rows(server->receipts, s.ids, s.n, NULL, 0);
    }
    gg_arena_free(arena);
    return rc;
}

const struct gg_gather_def mx_receipt_gather = {
    .name = "insert_receipt", .run = set_together, .max_weight = RUN_RECEIPTS, .at_once = 1, .linger = true};

int mx_receipts_set(struct mx_server *server, const struct mx_receipt *v, size_t n, struct gg_error *err)
{
    struct wanted wanted = {.call.weight = n, .v = v, .n = n};
    return n > 0 ? gg_gather(server->receipt_writes, &wanted.call, err) : 0;
}

int mx_receipt_set(struct mx_server *server, const struct mx_receipt *receipt, struct gg_error *err)
{
    return mx_receipts_set(server, receipt, 1, err);
}

/* ---- the stream ---- */

static const struct gg_stmt fetch_rows = {
    "SELECT stream_id, room_id, receipt_type, user_id, event_id, thread_id, data FROM receipts_linearized"
    " WHERE stream_id > $1 AND stream_id <= $2 AND coalesce(instance_name, 'master') = $3 ORDER BY stream_id LIMIT $4", GG_LANE_SCAN};

int mx_receipts_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                      struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &fetch_rows, GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_text(instance), gg_p_i64((int64_t)limit)),
                        arena, &rows, err);
    return rc != 0 ? rc : mx_rows_to_fetched(rows, "tttttj", limit, to, arena, out, n_out, reached);
}

void mx_receipts_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                       size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; i < n; i++) {
        struct gg_str room_id = mx_row_text(rows[i].row, 0);
        if (room_id.s == NULL)
            continue;
        if (moved)
            mx_notify_room(server, room_id);
        else
            mx_changes_note(server->receipt_changes, room_id, token);
    }
}
