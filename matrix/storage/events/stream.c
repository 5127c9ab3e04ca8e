/* matrix/storage/events/stream.c: reads the events and backfill streams back, and makes the event cache follow them. */
#include <stdlib.h>

#include "../../streams/streams.h"
#include "../store.h"
#include "rows.h"

/* ---- events (facts replication 5.1): three parts, merged by token ---- */

#define EV_ROW                                                                                                         \
    "json_build_array('ev', json_build_array(e.event_id, e.room_id, e.type, e.state_key, r.redacts, "                  \
    "rel.relates_to_id,"                                                                                               \
    " m.membership, rej.reason IS NOT NULL, e.outlier))::text"
#define EV_JOINS                                                                                                       \
    " LEFT JOIN redactions r USING (event_id) LEFT JOIN event_relations rel USING (event_id)"                          \
    " LEFT JOIN room_memberships m USING (event_id) LEFT JOIN rejections rej USING (event_id)"

static const struct gg_stmt select_new = {
    "SELECT e.stream_ordering, " EV_ROW " FROM events e" EV_JOINS
    " WHERE e.stream_ordering > $2 AND e.stream_ordering <= $3 AND COALESCE(e.instance_name, 'master') = $1"
    " ORDER BY e.stream_ordering LIMIT $4",
    GG_LANE_POINT};

static const struct gg_stmt select_deltas = {
    "SELECT d.stream_id, json_build_array('state', json_build_array(d.room_id, d.type, d.state_key, d.event_id))::text"
    " FROM current_state_delta_stream d WHERE d.stream_id > $2 AND d.stream_id <= $3"
    " AND COALESCE(d.instance_name, 'master') = $1 ORDER BY d.stream_id LIMIT $4",
    GG_LANE_POINT};

static const struct gg_stmt select_ex_outliers = {
    "SELECT x.event_stream_ordering, " EV_ROW " FROM ex_outlier_stream x JOIN events e USING (event_id)" EV_JOINS
    " WHERE x.event_stream_ordering > $2 AND x.event_stream_ordering <= $3 AND COALESCE(x.instance_name, 'master') = $1"
    " ORDER BY x.event_stream_ordering LIMIT $4",
    GG_LANE_POINT};

enum { PART_LIMIT = 50, NO_LIMIT = 1 << 30 };

struct part {
    struct gg_fetched *rows;
    size_t n;
    int64_t reached;
};

static int read_part(struct mx_server *server, const struct gg_stmt *stmt, const char *instance, int64_t from,
                     int64_t to, size_t limit, struct gg_arena *arena, struct part *out, struct gg_error *err)
{
    return mx_fetch_by(server, stmt, instance, from, to, limit, arena, &out->rows, &out->n, &out->reached, err);
}

/* All changes of one persisted chunk carry one id, which must not be cut in half. */
static int read_deltas(struct mx_server *server, const char *instance, int64_t from, int64_t to, size_t limit,
                       struct gg_arena *arena, struct part *out, struct gg_error *err)
{
    int status = read_part(server, &select_deltas, instance, from, to, limit + 1, arena, out, err);
    if (status || out->n <= limit)
        return status;
    int64_t cut = out->rows[limit].token;
    size_t n = out->n;
    while (n && out->rows[n - 1].token == cut)
        n--;
    if (!n)
        return read_part(server, &select_deltas, instance, from, cut, NO_LIMIT, arena, out, err);
    out->n = n;
    out->reached = out->rows[n - 1].token;
    return 0;
}

static int by_token(const void *a, const void *b)
{
    const struct gg_fetched *x = a, *y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return gg_str_cmp(x->row, y->row); /* "ev" before "state" */
}

static void append_to(struct gg_fetched *rows, size_t *n, const struct part *part, int64_t bound)
{
    for (size_t i = 0; i < part->n; i++)
        if (part->rows[i].token <= bound)
            rows[(*n)++] = part->rows[i];
}

int mx_fetch_events(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                    struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out, int64_t *reached_out,
                    struct gg_error *err)
{
    struct part news = {0}, deltas = {0}, ex = {0};
    size_t each = limit / 2 > 0 ? limit / 2 : PART_LIMIT;
    int status = read_part(self, &select_new, instance, from, to, each, arena, &news, err);
    if (!status)
        status = read_deltas(self, instance, from, news.reached, each, arena, &deltas, err);
    if (!status)
        status = read_part(self, &select_ex_outliers, instance, from, deltas.reached, NO_LIMIT, arena, &ex, err);
    if (status)
        return status;
    struct gg_fetched *rows = GG_NEW_ARRAY(arena, struct gg_fetched, news.n + deltas.n + ex.n + 1);
    size_t n = 0;
    append_to(rows, &n, &news, deltas.reached);
    append_to(rows, &n, &deltas, deltas.reached);
    append_to(rows, &n, &ex, deltas.reached);
    qsort(rows, n, sizeof(*rows), by_token);
    *rows_out = rows;
    *n_out = n;
    *reached_out = deltas.reached;
    return 0;
}

/* ---- backfill (5.2): negative in the tables, positive and ascending on the wire ---- */

#define BACKFILL_ROW "json_build_array(e.event_id, e.room_id, e.type, e.state_key, r.redacts, rel.relates_to_id)::text"
#define BACKFILL_JOINS " LEFT JOIN redactions r USING (event_id) LEFT JOIN event_relations rel USING (event_id)"

static const struct gg_stmt select_backfill = {
    "SELECT -e.stream_ordering AS token, " BACKFILL_ROW " FROM events e" BACKFILL_JOINS
    " WHERE e.stream_ordering < -($2::bigint) AND e.stream_ordering >= -($3::bigint) AND COALESCE(e.instance_name, "
    "'master') = $1"
    " UNION ALL SELECT -x.event_stream_ordering, " BACKFILL_ROW
    " FROM ex_outlier_stream x JOIN events e USING (event_id)" BACKFILL_JOINS
    " WHERE x.event_stream_ordering < -($2::bigint) AND x.event_stream_ordering >= -($3::bigint) AND "
    "COALESCE(x.instance_name, 'master') = $1"
    " ORDER BY token LIMIT $4",
    GG_LANE_POINT};

int mx_fetch_backfill(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to,
                      size_t limit, struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out,
                      int64_t *reached_out, struct gg_error *err)
{
    return mx_fetch_by(self, &select_backfill, instance, from, to, limit, arena, rows_out, n_out, reached_out, err);
}

/* ---- the event cache follows ---- */

static void forget_row(struct mx_store *store, const char *instance, int64_t token, const struct mx_event_row *row)
{
    if (row->rejected || row->outlier)
        mx_events_forget(store, row->event_id);
    else
        mx_events_persisted(store, row->event_id, token, instance);
    if (row->redacts.s)
        mx_events_forget(store, row->redacts);
}

static void apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                  size_t n, bool moved)
{
    struct mx_server *server = self;
    if (moved || strcmp(instance, gg_host_instance(server->host)) == 0)
        return; /* what we persist ourselves is in the cache already */
    struct gg_arena *arena = gg_arena_new();
    struct mx_event_row row;
    for (size_t i = 0; i < n; i++) {
        if (stream == server->events) {
            if (mx_event_row_parse(rows[i].row, arena, &row) && row.kind == MX_ROW_EV)
                forget_row(mx_store_of(server), instance, token, &row);
        } else if (mx_backfill_row_parse(rows[i].row, arena, &row)) {
            mx_events_forget(mx_store_of(server), row.event_id);
            if (row.redacts.s)
                mx_events_forget(mx_store_of(server), row.redacts);
        }
    }
    gg_arena_free(arena);
}

void mx_events_follow(struct mx_server *server)
{
    gg_stream_follow(server->events, apply, server);
    gg_stream_follow(server->backfill, apply, server);
}
