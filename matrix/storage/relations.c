/* matrix/storage/relations.c: which events relate to which: for what is shown with an event, and by pages. */
#include "storage/relations.h"

/* ---- what is shown with an event ---- */

#define HAS(type_) "EXISTS (SELECT 1 FROM event_relations r WHERE r.relates_to_id = w.id AND r.relation_type = '" type_ "')"
static const struct gg_stmt select_kinds = {
    "SELECT " HAS("m.thread") ", " HAS("m.reference") ", " HAS("m.replace")
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) ORDER BY w.place", GG_LANE_POINT};

int mx_relations_kinds(struct mx_server *server, const struct gg_str *parents, size_t n, struct gg_arena *arena, uint8_t *out,
                       struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, n);
    int rc = n > 0 ? gg_db_read(server->db, &select_kinds, GG_PARAMS(gg_p_texts(parents, n)), arena, &rows, err) : 0;
    for (size_t i = 0; rc == 0 && n > 0 && i < gg_rows_count(rows); i++)
        out[i] = (uint8_t)((gg_rows_bool(rows, i, 0) ? MX_HAS_THREAD : 0) | (gg_rows_bool(rows, i, 1) ? MX_HAS_REFERENCE : 0) |
                           (gg_rows_bool(rows, i, 2) ? MX_HAS_EDIT : 0));
    return rc;
}

static const struct gg_stmt select_edits = {
    "SELECT w.place, (SELECT e.event_id FROM event_relations r JOIN events e USING (event_id)"
    " WHERE r.relates_to_id = p.event_id AND r.relation_type = 'm.replace'"
    " AND e.room_id = p.room_id AND e.sender = p.sender AND e.type = p.type"
    " ORDER BY e.origin_server_ts DESC, e.event_id DESC LIMIT 1)"
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN events p ON p.event_id = w.id", GG_LANE_POINT};

int mx_relations_edits(struct mx_server *server, const struct gg_str *parents, size_t n, struct gg_arena *arena,
                       struct gg_str *out, struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, n * sizeof(*out));
    int rc = n > 0 ? gg_db_read(server->db, &select_edits, GG_PARAMS(gg_p_texts(parents, n)), arena, &rows, err) : 0;
    for (size_t i = 0; rc == 0 && n > 0 && i < gg_rows_count(rows); i++)
        out[gg_rows_i64(rows, i, 0) - 1] = gg_rows_str(rows, i, 1);
    return rc;
}

static const struct gg_stmt select_references = {
    "SELECT w.place, l.event_id FROM unnest($1::text[]) WITH ORDINALITY w(id, place)"
    " CROSS JOIN LATERAL (SELECT e.event_id, e.topological_ordering AS depth, e.stream_ordering AS stream"
    " FROM event_relations r JOIN events e USING (event_id)"
    " WHERE r.relates_to_id = w.id AND r.relation_type = 'm.reference' AND e.sender <> ALL ($2::text[])"
    " ORDER BY e.topological_ordering, e.stream_ordering LIMIT 1000) l ORDER BY w.place, l.depth, l.stream", GG_LANE_POINT};

int mx_relations_references(struct mx_server *server, const struct gg_str *parents, size_t n, const struct mx_id_list *ignored,
                            struct gg_arena *arena, struct mx_id_list *out, struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, n * sizeof(*out));
    if (n == 0)
        return 0;
    int rc = gg_db_read(server->db, &select_references, GG_PARAMS(gg_p_texts(parents, n), gg_p_texts(ignored->ids, ignored->n)),
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct mx_id_list *list = &out[gg_rows_i64(rows, i, 0) - 1];
        ids[i] = gg_rows_str(rows, i, 1);
        if (list->n++ == 0)
            list->ids = &ids[i];
    }
    return 0;
}

#define IN_THREAD " FROM event_relations r JOIN events e USING (event_id) WHERE r.relates_to_id = p.event_id" \
    " AND r.relation_type = 'm.thread' AND e.room_id = p.room_id AND e.sender <> ALL ($3::text[])"
static const struct gg_stmt select_threads = {
    "SELECT w.place, s.count, s.own, (SELECT e.event_id" IN_THREAD
    " ORDER BY e.topological_ordering DESC, e.stream_ordering DESC LIMIT 1)"
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) JOIN events p ON p.event_id = w.id"
    " CROSS JOIN LATERAL (SELECT count(*) AS count, COALESCE(bool_or(e.sender = $2), false) AS own" IN_THREAD ") s", GG_LANE_POINT};

int mx_relations_threads(struct mx_server *server, const struct gg_str *roots, size_t n, struct gg_str user_id,
                         const struct mx_id_list *ignored, struct gg_arena *arena, struct mx_thread_summary *out,
                         struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, n * sizeof(*out));
    if (n == 0)
        return 0;
    int rc = gg_db_read(server->db, &select_threads,
                        GG_PARAMS(gg_p_texts(roots, n), gg_p_str(user_id), gg_p_texts(ignored->ids, ignored->n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        out[gg_rows_i64(rows, i, 0) - 1] =
            (struct mx_thread_summary){gg_rows_i64(rows, i, 1), gg_rows_str(rows, i, 3), gg_rows_bool(rows, i, 2)};
    return rc;
}

static const struct gg_stmt select_by = {
    "SELECT EXISTS (SELECT 1 FROM event_relations r JOIN events e USING (event_id) WHERE r.relates_to_id = w.id"
    " AND ($2::text[] = '{}' OR r.relation_type = ANY ($2)) AND ($3::text[] = '{}' OR e.sender = ANY ($3)))"
    " FROM unnest($1::text[]) WITH ORDINALITY w(id, place) ORDER BY w.place", GG_LANE_POINT};

int mx_relations_by(struct mx_server *server, const struct gg_str *parents, size_t n, const struct mx_id_list *rel_types,
                    const struct mx_id_list *senders, struct gg_arena *arena, bool *out, struct gg_error *err)
{
    struct gg_rows *rows;
    memset(out, 0, n * sizeof(*out));
    if (n == 0)
        return 0;
    int rc = gg_db_read(server->db, &select_by, GG_PARAMS(gg_p_texts(parents, n), gg_p_texts(rel_types->ids, rel_types->n),
                                                          gg_p_texts(senders->ids, senders->n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        out[i] = gg_rows_bool(rows, i, 0);
    return rc;
}

/* ---- questions about one event ---- */

static int ask(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n, bool *out,
               struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n, arena, &rows, err);
    *out = rc == 0 && gg_rows_bool(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

int mx_relations_any(struct mx_server *server, struct gg_str parent, bool *out, struct gg_error *err)
{
    static const struct gg_stmt any = {"SELECT EXISTS (SELECT 1 FROM event_relations WHERE relates_to_id = $1)", GG_LANE_POINT};
    return ask(server, &any, GG_PARAMS(gg_p_str(parent)), out, err);
}

int mx_relations_annotated(struct mx_server *server, struct gg_str parent, struct gg_str event_type, struct gg_str key,
                           struct gg_str sender, bool *out, struct gg_error *err)
{
    static const struct gg_stmt annotated = {
        "SELECT EXISTS (SELECT 1 FROM event_relations r JOIN events e USING (event_id) WHERE r.relates_to_id = $1"
        " AND r.relation_type = 'm.annotation' AND r.aggregation_key = $2 AND e.type = $3 AND e.sender = $4)", GG_LANE_POINT};
    return ask(server, &annotated, GG_PARAMS(gg_p_str(parent), gg_p_str(key), gg_p_str(event_type), gg_p_str(sender)), out, err);
}

/* up: the event and what it relates to; top: where that ends. */
#define UP "WITH RECURSIVE up(id, type, step) AS (SELECT $1::text, NULL::text, 0" \
    " UNION ALL SELECT r.relates_to_id, r.relation_type, up.step + 1 FROM up JOIN event_relations r ON r.event_id = up.id" \
    " WHERE up.step < 5), root AS (SELECT id FROM up WHERE type = 'm.thread' ORDER BY step DESC LIMIT 1)"

int mx_relations_in_thread(struct mx_server *server, struct gg_str event_id, struct gg_str thread_id, bool *out, struct gg_error *err)
{
    static const struct gg_stmt in_main = {UP " SELECT NOT EXISTS (SELECT 1 FROM root)", GG_LANE_POINT};
    static const struct gg_stmt in_thread = {
        UP ", top AS (SELECT id FROM up ORDER BY step DESC LIMIT 1)"
        " SELECT COALESCE((SELECT id FROM root), (SELECT id FROM top WHERE EXISTS (SELECT 1 FROM event_relations r"
        " WHERE r.relates_to_id = top.id AND r.relation_type = 'm.thread'))) IS NOT DISTINCT FROM $2", GG_LANE_POINT};
    if (gg_str_is(thread_id, "main"))
        return ask(server, &in_main, GG_PARAMS(gg_p_str(event_id)), out, err);
    return ask(server, &in_thread, GG_PARAMS(gg_p_str(event_id), gg_p_str(thread_id)), out, err);
}

/* ---- pages of relations ---- */

/* $4 and $5: from, $6 and $7: to; NULL: open. A position without a depth bounds the stream alone. */
#define RELATED(step_, stream_step_, back_, stream_back_, order_) \
    "WITH RECURSIVE related(event_id, step) AS (SELECT event_id, 1 FROM event_relations WHERE relates_to_id = $2" \
    " UNION SELECT r.event_id, related.step + 1 FROM related JOIN event_relations r ON r.relates_to_id = related.event_id" \
    " WHERE $9 AND related.step < 3)" \
    " SELECT DISTINCT e.event_id, e.sender, e.topological_ordering, e.stream_ordering FROM related" \
    " JOIN event_relations r ON r.event_id = related.event_id JOIN events e ON e.event_id = related.event_id" \
    " WHERE e.room_id = $1 AND ($3::text IS NULL OR r.relation_type = $3) AND ($10::text IS NULL OR e.type = $10)" \
    " AND ($5::bigint IS NULL OR CASE WHEN $4::bigint < 0 THEN e.stream_ordering " stream_step_ " $5" \
    " ELSE (e.topological_ordering, e.stream_ordering) " step_ " ($4::bigint, $5::bigint) END)" \
    " AND ($7::bigint IS NULL OR CASE WHEN $6::bigint < 0 THEN e.stream_ordering " stream_back_ " $7" \
    " ELSE (e.topological_ordering, e.stream_ordering) " back_ " ($6::bigint, $7::bigint) END)" \
    " ORDER BY e.topological_ordering " order_ ", e.stream_ordering " order_ " LIMIT $8"
static const struct gg_stmt page_stmts[2] = {{RELATED(">", ">", "<=", "<=", "ASC"), GG_LANE_SCAN},
                                             {RELATED("<=", "<=", ">", ">", "DESC"), GG_LANE_SCAN}};

static struct gg_param open_or(bool given, int64_t value)
{
    return given ? gg_p_i64(value) : gg_p_null();
}

int mx_relations_page(struct mx_server *server, const struct mx_relation_query *q, struct gg_arena *arena,
                      struct mx_related_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &page_stmts[q->backwards],
                        GG_PARAMS(gg_p_str(q->room_id), gg_p_str(q->parent), gg_p_str(q->rel_type), open_or(true, q->from_depth),
                                  open_or(q->has_from, q->from_stream), open_or(true, q->to_depth), open_or(q->has_to, q->to_stream),
                                  gg_p_i64((int64_t)q->limit), gg_p_bool(q->recurse), gg_p_str(q->event_type)),
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_related_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_related_row){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 2),
                                            gg_rows_i64(rows, i, 3)};
    return 0;
}

/* ---- pages of threads ---- */

/* $2: who takes part (they began it or answered in it), or NULL; $3, $4: after this one, or NULL. */
static const struct gg_stmt select_page_of_threads = {
    "SELECT t.thread_id, t.topological_ordering, t.stream_ordering FROM threads t WHERE t.room_id = $1"
    " AND ($4::bigint IS NULL OR (t.topological_ordering, t.stream_ordering) < ($3::bigint, $4::bigint))"
    " AND ($2::text IS NULL OR EXISTS (SELECT 1 FROM events e WHERE e.event_id = t.thread_id AND e.sender = $2)"
    " OR EXISTS (SELECT 1 FROM event_relations r JOIN events e USING (event_id) WHERE r.relates_to_id = t.thread_id"
    " AND r.relation_type = 'm.thread' AND e.sender = $2))"
    " ORDER BY t.topological_ordering DESC, t.stream_ordering DESC LIMIT $5", GG_LANE_SCAN};

int mx_threads_page(struct mx_server *server, const struct mx_thread_query *q, struct gg_arena *arena, struct mx_thread_row **out,
                    size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_page_of_threads,
                        GG_PARAMS(gg_p_str(q->room_id), gg_p_str(q->participant), open_or(q->has_from, q->from_depth),
                                  open_or(q->has_from, q->from_stream), gg_p_i64((int64_t)q->limit)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_thread_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_thread_row){gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1), gg_rows_i64(rows, i, 2)};
    return 0;
}
