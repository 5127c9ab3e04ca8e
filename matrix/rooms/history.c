/* matrix/rooms/history.c: pages of a room's history.
 *
 * History order is (topological_ordering, stream_ordering). A "t" position bounds both, a live position ("s", "m")
 * bounds the stream ordering alone, as Synapse reads them. */
#include "rooms/history.h"

#include "rooms/relations.h"
#include "storage/events/placed.h"

#include <ganglion/fiber.h>

#define COLUMNS "SELECT event_id, topological_ordering, stream_ordering, instance_name FROM events "
#define WHERE "WHERE room_id = $1 AND NOT outlier AND rejection_reason IS NULL "
#define BACKWARDS "ORDER BY topological_ordering DESC, stream_ordering DESC LIMIT $4"
#define FORWARDS "ORDER BY topological_ordering, stream_ordering LIMIT $4"
#define STATEMENT(from_, to_, order_) {COLUMNS WHERE "AND " from_ to_ order_, GG_LANE_SCAN}
/* $2 depth, $3 stream: where it starts; $5 depth, $6 stream: where it ends */
#define FROM_LIVE(op_) "stream_ordering " op_ " $3 AND $2::bigint IS NOT NULL "
#define FROM_PLACE(op_) "(topological_ordering, stream_ordering) " op_ " ($2::bigint, $3::bigint) "
#define TO_NONE "AND ($5::bigint + $6::bigint) IS NOT NULL "
#define TO_LIVE(op_) "AND stream_ordering " op_ " $6 AND $5::bigint IS NOT NULL "
#define TO_PLACE(op_) "AND (topological_ordering, stream_ordering) " op_ " ($5::bigint, $6::bigint) "
#define ENDS(from_, op_, order_)                                                                                       \
    {STATEMENT(from_, TO_NONE, order_), STATEMENT(from_, TO_LIVE(op_), order_), STATEMENT(from_, TO_PLACE(op_), order_)}

/* [backwards][from is a "t" position][enum to_form]. An end that is a live position has to be a condition, not where
 * reading stops: where the room's history forks, its order by depth is not that by stream. */
enum to_form { TO_IS_NONE, TO_IS_LIVE, TO_IS_PLACE };
static const struct gg_stmt page_stmts[2][2][3] = {
    {ENDS(FROM_LIVE(">"), "<=", FORWARDS), ENDS(FROM_PLACE(">"), "<=", FORWARDS)},
    {ENDS(FROM_LIVE("<="), ">", BACKWARDS), ENDS(FROM_PLACE("<="), ">", BACKWARDS)},
};

/* Rows of a page, in its order. */
struct rows {
    struct mx_placed *v;
    int64_t *depths;
    size_t n;
};

/* Where a page ends that has been read up to and with this row. */
static struct mx_room_token after_row(const struct rows *rows, size_t i, bool backwards)
{
    struct mx_room_token token = {.depth = rows->depths[i], .at = {.min = rows->v[i].stream - backwards}};
    return token;
}

static bool includes(struct mx_server *server, const struct mx_room_token *at, const struct mx_placed *row)
{
    return mx_position_includes(server, &at->at, row->instance.s != NULL ? row->instance.s : "master", row->stream);
}

/* A live position with several writers holds some events above its minimum and not others; of these the database knows
 * nothing. */
static bool outside(struct mx_server *server, const struct mx_page_query *q, const struct mx_placed *row)
{
    if (q->from.depth < 0 && q->from.at.n_ahead > 0 && includes(server, &q->from, row) != q->backwards)
        return true;
    return q->to != NULL && q->to->depth < 0 && q->to->at.n_ahead > 0 && includes(server, q->to, row) == q->backwards;
}

static enum to_form form_of(const struct mx_room_token *to)
{
    return to == NULL ? TO_IS_NONE : to->depth < 0 ? TO_IS_LIVE : TO_IS_PLACE;
}

static int read_rows(struct mx_server *server, const struct mx_page_query *q, const struct mx_room_token *from, size_t limit,
                     struct gg_arena *arena, struct rows *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t stream = q->backwards ? mx_position_max(&from->at) : from->at.min;
    int64_t end = q->to == NULL ? 0 : q->backwards ? q->to->at.min : mx_position_max(&q->to->at);
    int rc = gg_db_read(server->db, &page_stmts[q->backwards][from->depth >= 0][form_of(q->to)],
                        GG_PARAMS(gg_p_str(q->room_id), gg_p_i64(from->depth), gg_p_i64(stream), gg_p_i64((int64_t)limit),
                                  gg_p_i64(q->to != NULL ? q->to->depth : 0), gg_p_i64(end)),
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    out->n = gg_rows_count(rows);
    out->v = GG_NEW_ARRAY(arena, struct mx_placed, out->n + 1);
    out->depths = GG_NEW_ARRAY(arena, int64_t, out->n + 1);
    for (size_t i = 0; i < out->n; i++) {
        out->v[i] = (struct mx_placed){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 3), gg_rows_i64(rows, i, 2)};
        out->depths[i] = gg_rows_i64(rows, i, 1);
    }
    return 0;
}

enum { TURN = 100 }; /* events that are looked at before others may run: a filter can be costly */

/* Of the rows read: loads, filters, and appends to the page until it is full; what the filter wants and the user may not
 * see takes a place, too, as in Synapse: else a page of history from before one's time would read all of it. *used_out:
 * rows that it consumed; *matched_out: of these, up to and with the last one that the filter wants. */
static int take(struct mx_server *server, struct gg_str user_id, const struct mx_access *access, const struct mx_page_query *q,
                const struct rows *rows, struct gg_arena *arena, struct mx_page *page, size_t *used_out,
                size_t *matched_out, struct gg_error *err)
{
    size_t n = rows->n;
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    bool *visible = GG_NEW_ARRAY(arena, bool, n + 1);
    int rc = mx_store_placed(server, q->room_id, rows->v, n, arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct mx_event *e = events[i];
        if (i % TURN == TURN - 1 && (rc = gg_yield()) != 0)
            return gg_fail(err, rc, "reading history");
        bool wanted = e != NULL && e->meta.rejected.s == NULL && !e->meta.soft_failed && !outside(server, q, &rows->v[i]) &&
                      (q->filter == NULL || mx_filter_event(q->filter, e));
        events[i] = wanted ? e : NULL;
    }
    if (rc == 0 && q->filter != NULL)
        rc = mx_relations_filter(server, q->filter, events, n, arena, err);
    for (size_t i = 0; i < n; i++)
        visible[i] = events[i] != NULL;
    if (rc == 0 && access != NULL)
        rc = mx_events_visible(server, user_id, access, events, n, arena, visible, err);
    size_t i = 0;
    *matched_out = 0;
    for (; rc == 0 && i < n && page->n_matched < q->limit; i++) {
        if (events[i] == NULL)
            continue;
        page->n_matched++;
        *matched_out = i + 1;
        if (visible[i])
            page->events[page->n++] = events[i];
    }
    *used_out = i;
    return rc;
}

/* A filter that lets little pass must not make one request read a whole room, nor hold all that it read. */
enum { MAX_SEEN = 4000 };

int mx_history_page(struct mx_server *server, struct gg_str user_id, const struct mx_access *access,
                    const struct mx_page_query *q, struct gg_arena *arena, struct mx_page *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    out->events = GG_NEW_ARRAY(arena, const struct mx_event *, q->limit + 1);
    struct mx_room_token last = q->from;
    out->end = q->from;
    out->more = true;
    if (q->filter != NULL && q->filter->types.v != NULL && q->filter->types.n == 0)
        return 0; /* wants nothing: the page ends where it began */
    for (size_t seen = 0; seen < MAX_SEEN && out->more && out->n_matched < q->limit;) {
        size_t want = (q->limit - out->n_matched) + (seen > 0 ? 50 : 0), used = 0, matched = 0;
        struct rows rows;
        int rc = read_rows(server, q, &out->end, want + 1, arena, &rows, err);
        if (rc != 0)
            return rc;
        out->more = rows.n > want;
        rows.n -= out->more;
        if (rows.n == 0)
            break;
        rc = take(server, user_id, access, q, &rows, arena, out, &used, &matched, err);
        if (rc != 0)
            return rc;
        seen += rows.n;
        out->more = out->more || used < rows.n;
        out->end = after_row(&rows, used - 1, q->backwards);
        last = matched > 0 ? after_row(&rows, matched - 1, q->backwards) : last;
    }
    /* At the end of history nothing was stepped over but what the filter keeps out. */
    if (!out->more && out->n_matched > 0)
        out->end = last;
    return 0;
}
