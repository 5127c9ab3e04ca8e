/* matrix/storage/federation/staging.c: staged events and received transactions (facts database 4.19). */
#include "storage/federation/staging.h"

static const struct gg_stmt insert_staged = {
    "INSERT INTO federation_inbound_events_staging (origin, room_id, event_id, received_ts, event_json, internal_metadata)"
    " SELECT $1, u.r, u.e, u.t, u.j, u.m FROM unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[])"
    " u(r, e, t, j, m) ON CONFLICT (origin, event_id) DO NOTHING",
    GG_LANE_POINT};

int mx_staging_add(struct mx_server *server, const char *origin, const struct mx_event *const *events, size_t n,
                   int64_t first_ms, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *rooms = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct gg_str *json = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *meta = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    int64_t *times = GG_NEW_ARRAY(arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        rooms[i] = events[i]->room_id;
        ids[i] = events[i]->event_id;
        json[i] = events[i]->json;
        meta[i] = mx_event_meta_text(events[i], arena);
        times[i] = first_ms + (int64_t)i;
    }
    return n ? gg_db_write(server->db, &insert_staged,
                           GG_PARAMS(gg_p_text(origin), gg_p_texts(rooms, n), gg_p_texts(ids, n), gg_p_i64s(times, n),
                                     gg_p_texts(json, n), gg_p_texts(meta, n)),
                           NULL, NULL, err)
             : 0;
}

static const struct gg_stmt select_page = {
    "SELECT origin, event_id, event_json, internal_metadata, received_ts FROM federation_inbound_events_staging"
    " WHERE room_id = $1 ORDER BY received_ts, event_id, origin LIMIT $2::bigint OFFSET $3::bigint",
    GG_LANE_POINT};

int mx_staging_page(struct mx_server *server, struct gg_str room_id, size_t from, size_t max, struct gg_arena *arena,
                    struct mx_staged **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, &select_page,
                        GG_PARAMS(gg_p_str(room_id), gg_p_i64((int64_t)max), gg_p_i64((int64_t)from)), arena, &rows, err);
    if (rc)
        return rc;
    size_t n = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_staged, n + 1);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (struct mx_staged){gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2),
                                       gg_rows_str(rows, i, 3), gg_rows_i64(rows, i, 4)};
    *n_out = n;
    return 0;
}

int mx_staging_next(struct mx_server *server, struct gg_str room_id, size_t max, struct gg_arena *arena,
                    struct mx_staged **out, size_t *n_out, struct gg_error *err)
{
    return mx_staging_page(server, room_id, 0, max, arena, out, n_out, err);
}

static const struct gg_stmt delete_staged = {
    "DELETE FROM federation_inbound_events_staging x USING unnest($2::text[], $3::text[]) u(o, e)"
    " WHERE x.room_id = $1 AND x.origin = u.o AND x.event_id = u.e",
    GG_LANE_POINT};

int mx_staging_remove(struct mx_server *server, struct gg_str room_id, const struct mx_staged *staged, size_t n,
                      struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *origins = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        origins[i] = staged[i].origin;
        ids[i] = staged[i].event_id;
    }
    return n ? gg_db_write(server->db, &delete_staged, GG_PARAMS(gg_p_str(room_id), gg_p_texts(origins, n), gg_p_texts(ids, n)),
                           NULL, NULL, err)
             : 0;
}

static const struct gg_stmt count_staged = {
    "SELECT count(*) FROM (SELECT 1 FROM federation_inbound_events_staging WHERE room_id = $1 LIMIT $2::bigint) x",
    GG_LANE_POINT};

int mx_staging_count(struct mx_server *server, struct gg_str room_id, size_t max, size_t *out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &count_staged, GG_PARAMS(gg_p_str(room_id), gg_p_i64((int64_t)max)), arena, &rows, err);
    *out = rc ? 0 : (size_t)gg_rows_i64(rows, 0, 0);
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt select_rooms = {
    "SELECT DISTINCT ON (room_id) room_id, origin FROM federation_inbound_events_staging ORDER BY room_id, received_ts"
    " LIMIT $1::bigint",
    GG_LANE_SCAN};

int mx_staging_rooms(struct mx_server *server, size_t max, struct gg_arena *arena, struct mx_staged_room **out,
                     size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    *n_out = 0;
    int rc = gg_db_read(server->db, &select_rooms, GG_PARAMS(gg_p_i64((int64_t)max)), arena, &rows, err);
    if (rc)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct mx_staged_room, gg_rows_count(rows) + 1);
    for (; *n_out < gg_rows_count(rows); ++*n_out)
        (*out)[*n_out] = (struct mx_staged_room){gg_rows_str(rows, *n_out, 0), gg_rows_str(rows, *n_out, 1)};
    return 0;
}

/* ---- transactions ---- */

static const struct gg_stmt select_answer = {
    "SELECT response_json FROM received_transactions WHERE transaction_id = $1 AND origin = $2"
    " AND response_json IS NOT NULL AND response_code = 200",
    GG_LANE_POINT};

int mx_received_find(struct mx_server *server, const char *origin, const char *txn_id, struct gg_arena *arena,
                     struct gg_str *out, struct gg_error *err)
{
    struct gg_rows *rows;
    *out = gg_strn(NULL, 0);
    int rc = gg_db_read(server->db, &select_answer, GG_PARAMS(gg_p_text(txn_id), gg_p_text(origin)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows))
        *out = gg_rows_str(rows, 0, 0);
    return rc;
}

static const struct gg_stmt insert_answer = {
    "INSERT INTO received_transactions (transaction_id, origin, ts, response_code, response_json)"
    " VALUES ($1, $2, $3, 200, $4) ON CONFLICT (transaction_id, origin) DO NOTHING",
    GG_LANE_POINT};

int mx_received_keep(struct mx_server *server, const char *origin, const char *txn_id, struct gg_str answer,
                     struct gg_error *err)
{
    return gg_db_write(server->db, &insert_answer,
                       GG_PARAMS(gg_p_text(txn_id), gg_p_text(origin), gg_p_i64(gg_wall_ms()), gg_p_bytes(answer)), NULL,
                       NULL, err);
}
