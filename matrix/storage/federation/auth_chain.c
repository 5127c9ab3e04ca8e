/* matrix/storage/federation/auth_chain.c: the auth chain of many events, by the chain cover index (facts database 5.3). */
#include "storage/federation/graph.h"

#include <ganglion/map.h>

/* Of each chain all up to the highest sequence that is reached: from an event itself up to the one before it, over links up to
 * where they lead. The last column: of an event without a place, itself. */
static const struct gg_stmt by_cover = {
    "WITH RECURSIVE given AS MATERIALIZED (SELECT w.id, c.chain_id, c.sequence_number FROM unnest($1::text[]) w(id)"
    " LEFT JOIN event_auth_chains c ON c.event_id = w.id),"
    " tops AS (SELECT chain_id, max(sequence_number) top FROM given WHERE chain_id IS NOT NULL GROUP BY chain_id),"
    " r(chain, top) AS (SELECT l.target_chain_id, l.target_sequence_number FROM tops JOIN event_auth_chain_links l"
    " ON l.origin_chain_id = tops.chain_id AND l.origin_sequence_number <= tops.top"
    " UNION SELECT l.target_chain_id, l.target_sequence_number FROM r JOIN event_auth_chain_links l"
    " ON l.origin_chain_id = r.chain AND l.origin_sequence_number <= r.top),"
    " reached AS (SELECT chain, max(top) top FROM (SELECT chain_id AS chain, top - 1 AS top FROM tops UNION ALL SELECT chain, top"
    " FROM r) x GROUP BY chain)"
    " SELECT e.event_id, NULL FROM reached JOIN event_auth_chains e ON e.chain_id = reached.chain AND e.sequence_number <= reached.top"
    " UNION ALL SELECT NULL, id FROM given WHERE chain_id IS NULL", GG_LANE_SCAN};

/* Where auth events have been missing there are no places: their own list of auth events is walked. */
static const struct gg_stmt by_lists = {
    "WITH RECURSIVE a(id) AS (SELECT auth_id FROM event_auth WHERE event_id = ANY($1::text[])"
    " UNION SELECT x.auth_id FROM event_auth x JOIN a ON x.event_id = a.id)"
    " SELECT id FROM a JOIN events e ON e.event_id = a.id", GG_LANE_SCAN};

static void collect(struct gg_map *found, const struct gg_rows *rows)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        if (!gg_rows_null(rows, i, 0))
            gg_map_put(found, gg_rows_str(rows, i, 0), NULL);
}

static int add_unplaced(struct mx_server *server, const struct gg_rows *rows, struct gg_map *found, struct gg_arena *arena,
                        struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_rows_count(rows) + 1);
    struct gg_rows *more;
    size_t n = 0;
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        if (!gg_rows_null(rows, i, 1))
            ids[n++] = gg_rows_str(rows, i, 1);
    int rc = n > 0 ? gg_db_read(server->db, &by_lists, GG_PARAMS(gg_p_texts(ids, n)), arena, &more, err) : 0;
    if (rc == 0 && n > 0)
        collect(found, more);
    return rc;
}

static int find(struct mx_server *server, const struct gg_str *ids, size_t n, struct gg_map *found, struct gg_arena *arena,
                struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = n > 0 ? gg_db_read(server->db, &by_cover, GG_PARAMS(gg_p_texts(ids, n)), arena, &rows, err) : 0;
    if (rc != 0 || n == 0)
        return rc;
    collect(found, rows);
    return add_unplaced(server, rows, found, arena, err);
}

static void list(const struct gg_map *found, struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out)
{
    struct gg_str id;
    *n_out = 0;
    *ids_out = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(found) + 1);
    for (size_t i = 0; gg_map_next(found, &i, &id, NULL);)
        (*ids_out)[(*n_out)++] = gg_arena_str(arena, id);
}

int mx_graph_auth_chain(struct mx_server *server, const struct gg_str *ids, size_t n, struct gg_arena *arena,
                        struct gg_str **ids_out, size_t *n_out, struct gg_error *err)
{
    struct gg_map *found = gg_map_new(NULL);
    int rc = find(server, ids, n, found, arena, err);
    if (rc == 0)
        list(found, arena, ids_out, n_out);
    gg_map_free(found);
    return rc;
}

int mx_graph_auth_chain_of(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                           struct gg_str **ids_out, size_t *n_out, struct gg_error *err)
{
    struct gg_map *found = gg_map_new(NULL);
    for (size_t i = 0; i < event->n_auth; i++)
        gg_map_put(found, event->auth_events[i], NULL);
    int rc = find(server, event->auth_events, event->n_auth, found, arena, err);
    if (rc == 0)
        list(found, arena, ids_out, n_out);
    gg_map_free(found);
    return rc;
}
