/* matrix/storage/search.c: the full text index. English stems, as the rows are written. */
#include "storage/search.h"

#define QUERY "websearch_to_tsquery('english', $1)"
#define HITS " FROM event_search s, " QUERY " q WHERE s.vector @@ q AND s.room_id = ANY ($2::text[]) AND s.key = ANY ($3::text[])"
#define COLUMNS "SELECT s.event_id, ts_rank_cd(s.vector, q)::text, s.origin_server_ts, s.stream_ordering"

static int read_hits(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n_params,
                     struct gg_arena *arena, struct mx_text_hit **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, params, n_params, arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_text_hit, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_text_hit){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 2), gg_rows_i64(rows, i, 3)};
    return 0;
}

int mx_search_best(struct mx_server *server, const struct mx_text_query *q, size_t limit, struct gg_arena *arena,
                   struct mx_text_hit **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt best = {
        COLUMNS HITS " ORDER BY ts_rank_cd(s.vector, q) DESC, s.origin_server_ts DESC, s.stream_ordering DESC LIMIT $4", GG_LANE_SCAN};
    return read_hits(server, &best, GG_PARAMS(gg_p_str(q->term), gg_p_texts(q->rooms, q->n_rooms), gg_p_texts(q->keys, q->n_keys),
                                              gg_p_i64((int64_t)limit)), arena, out, n_out, err);
}

int mx_search_newest(struct mx_server *server, const struct mx_text_query *q, int64_t ts, int64_t stream, size_t limit,
                     struct gg_arena *arena, struct mx_text_hit **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt newest = {
        COLUMNS HITS " AND (s.origin_server_ts, s.stream_ordering) < ($5::bigint, $6::bigint)"
        " ORDER BY s.origin_server_ts DESC, s.stream_ordering DESC LIMIT $4", GG_LANE_SCAN};
    return read_hits(server, &newest, GG_PARAMS(gg_p_str(q->term), gg_p_texts(q->rooms, q->n_rooms), gg_p_texts(q->keys, q->n_keys),
                                                gg_p_i64((int64_t)limit), gg_p_i64(ts), gg_p_i64(stream)), arena, out, n_out, err);
}

int mx_search_count(struct mx_server *server, const struct mx_text_query *q, int64_t *out, struct gg_error *err)
{
    static const struct gg_stmt count = {"SELECT count(*)" HITS, GG_LANE_SCAN};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &count, GG_PARAMS(gg_p_str(q->term), gg_p_texts(q->rooms, q->n_rooms), gg_p_texts(q->keys, q->n_keys)),
                        arena, &rows, err);
    *out = rc == 0 ? gg_rows_i64(rows, 0, 0) : 0;
    gg_arena_free(arena);
    return rc;
}

/* Matches are marked with two characters for private use, which are taken out of the texts before. */
int mx_search_words(struct mx_server *server, struct gg_str term, const struct gg_str *texts, size_t n, struct gg_arena *arena,
                    const struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    static const struct gg_stmt words = {
        "SELECT DISTINCT lower(m[1]) FROM unnest($2::text[]) t, regexp_matches(ts_headline('english',"
        " translate(t, chr(63741) || chr(63742), ''), " QUERY ", 'HighlightAll=true, StartSel=' || chr(63741) || ', StopSel=' || chr(63742)),"
        " chr(63741) || '([^' || chr(63742) || ']*)' || chr(63742), 'g') m ORDER BY 1 LIMIT 1000", GG_LANE_SCAN};
    struct gg_rows *rows;
    *n_out = 0;
    if (n == 0)
        return 0;
    int rc = gg_db_read(server->db, &words, GG_PARAMS(gg_p_str(term), gg_p_texts(texts, n)), arena, &rows, err);
    if (rc != 0)
        return rc;
    struct gg_str *found = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        found[i] = gg_rows_str(rows, i, 0);
    *out = found;
    *n_out = gg_rows_count(rows);
    return 0;
}
