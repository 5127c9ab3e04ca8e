/* listed.c: files as administrators see them. */
#include "storage/media/keep.h"

/* ---- of a user ---- */

#define PAGE(order_)                                                                                                     \
    "SELECT media_id, media_type, media_length, upload_name, created_ts, url_cache, last_access_ts, quarantined_by,"     \
    " safe_from_quarantine, user_id, authenticated, sha256 FROM local_media_repository WHERE user_id = $1 ORDER BY " order_ \
    ", media_id LIMIT $3 OFFSET $2"
#define LISTED(order_)                                                                                                   \
    "WITH page AS (" PAGE(order_) "), counted AS (SELECT count(*) AS total FROM local_media_repository WHERE user_id = $1)," \
    " listed AS (SELECT coalesce(json_agg(page), '[]') AS media, count(*) AS n FROM page) SELECT (json_build_object('media',"  \
    " media, 'total', total)::jsonb || CASE WHEN $2 + $3 < total THEN json_build_object('next_token', $2 + n)::jsonb ELSE '{}'"  \
    " END)::text FROM listed, counted"
#define BOTH(order_) {{LISTED(order_), GG_LANE_SCAN}, {LISTED(order_ " DESC"), GG_LANE_SCAN}}, \
                     {{PAGE(order_), GG_LANE_SCAN}, {PAGE(order_ " DESC"), GG_LANE_SCAN}}

static const struct order {
    const char *name;
    struct gg_stmt listed[2], page[2]; /* [1]: backwards */
} orders[] = {
    {"created_ts", BOTH("created_ts")},           {"media_id", BOTH("media_id")},
    {"upload_name", BOTH("upload_name")},         {"last_access_ts", BOTH("last_access_ts")},
    {"media_length", BOTH("media_length")},       {"media_type", BOTH("media_type")},
    {"quarantined_by", BOTH("quarantined_by")},   {"safe_from_quarantine", BOTH("safe_from_quarantine")},
};

static const struct order *order_of(const char *name, struct gg_error *err)
{
    for (size_t i = 0; i < GG_COUNT(orders); i++)
        if (name == NULL || strcmp(orders[i].name, name) == 0)
            return &orders[i];
    (void)gg_refuse(err, 400, "M_INVALID_PARAM",
                    "Query parameter 'order_by' must be one of ['media_id', 'upload_name', 'created_ts', 'last_access_ts', "
                    "'media_length', 'media_type', 'quarantined_by', 'safe_from_quarantine']");
    return NULL;
}

int mx_media_of_user(struct mx_server *server, struct gg_str user_id, const struct mx_media_page *page, struct gg_arena *arena,
                     struct gg_str *json_out, struct gg_error *err)
{
    const struct order *order = order_of(page->order, err);
    struct gg_rows *rows;
    if (order == NULL)
        return err->code;
    int rc = gg_db_read(server->db, &order->listed[page->backwards],
                        GG_PARAMS(gg_p_str(user_id), gg_p_i64(page->from), gg_p_i64(page->limit)), arena, &rows, err);
    *json_out = rc == 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}

int mx_media_rows_of_user(struct mx_server *server, struct gg_str user_id, const struct mx_media_page *page,
                          struct gg_arena *arena, struct mx_media_row **out, size_t *n_out, struct gg_error *err)
{
    const struct order *order = order_of(page->order, err);
    struct gg_rows *rows;
    if (order == NULL)
        return err->code;
    int rc = gg_db_read(server->db, &order->page[page->backwards],
                        GG_PARAMS(gg_p_str(user_id), gg_p_i64(page->from), gg_p_i64(page->limit)), arena, &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct mx_media_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_media_row){.id = gg_rows_str(rows, i, 0), .file_id = gg_rows_str(rows, i, 0),
                                          .url_cache = gg_rows_str(rows, i, 5)};
    return rc;
}

static const struct gg_stmt ids_of_user = {
    "SELECT media_id FROM local_media_repository WHERE user_id = $1 AND media_id > $2 AND NOT safe_from_quarantine AND"
    " quarantined_by IS NULL ORDER BY media_id LIMIT $3", GG_LANE_SCAN};

int mx_media_ids_of_user(struct mx_server *server, struct gg_str user_id, struct gg_str after, size_t limit,
                         struct gg_arena *arena, struct gg_str **ids_out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &ids_of_user, GG_PARAMS(gg_p_str(user_id), gg_p_str(after), gg_p_i64((int64_t)limit)), arena,
                        &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *ids_out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*ids_out)[i] = gg_rows_str(rows, i, 0);
    return rc;
}

/* ---- one file ---- */

#define COMMON                                                                                                           \
    "'media_type', media_type, 'media_length', media_length, 'upload_name', upload_name, 'created_ts', created_ts,"      \
    " 'last_access_ts', last_access_ts, 'quarantined_by', quarantined_by, 'authenticated', authenticated, 'sha256', sha256"
static const struct gg_stmt info_local = {
    "SELECT json_build_object('media_info', json_build_object('media_origin', NULL, 'user_id', user_id, 'media_id', media_id,"
    " 'filesystem_id', NULL, 'url_cache', url_cache, 'safe_from_quarantine', safe_from_quarantine, " COMMON "))::text FROM"
    " local_media_repository WHERE $1::text IS NULL AND media_id = $2", GG_LANE_POINT};
static const struct gg_stmt info_remote = {
    "SELECT json_build_object('media_info', json_build_object('media_origin', media_origin, 'user_id', NULL, 'media_id', media_id,"
    " 'filesystem_id', filesystem_id, 'url_cache', NULL, 'safe_from_quarantine', NULL, " COMMON "))::text FROM"
    " remote_media_cache WHERE media_origin = $1 AND media_id = $2", GG_LANE_POINT};

int mx_media_info(struct mx_server *server, struct gg_str origin, struct gg_str id, struct gg_arena *arena,
                  struct gg_str *json_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, origin.s != NULL ? &info_remote : &info_local, GG_PARAMS(gg_p_str(origin), gg_p_str(id)), arena,
                        &rows, err);
    *json_out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return rc;
}

static const struct gg_stmt protect = {
    "UPDATE local_media_repository SET safe_from_quarantine = $2 WHERE media_id = $1 RETURNING 1"};

int mx_media_protect(struct mx_server *server, struct gg_str id, bool safe, bool *found_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &protect, GG_PARAMS(gg_p_str(id), gg_p_bool(safe)), arena, &rows, err);
    *found_out = rc == 0 && gg_rows_count(rows) > 0;
    gg_arena_free(arena);
    return rc;
}

/* ---- of a room ---- */

static const struct gg_stmt events_of_room = {
    "SELECT j.json, e.topological_ordering, e.stream_ordering FROM events e JOIN event_json j USING (event_id) WHERE e.room_id ="
    " $1 AND e.contains_url = true AND e.outlier = false AND (e.topological_ordering, e.stream_ordering) < ($2, $3) ORDER BY"
    " e.topological_ordering DESC, e.stream_ordering DESC LIMIT $4", GG_LANE_SCAN};

int mx_media_events_of_room(struct mx_server *server, struct gg_str room_id, struct mx_media_walk *walk, size_t limit,
                            struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &events_of_room,
                        GG_PARAMS(gg_p_str(room_id), gg_p_i64(walk->depth), gg_p_i64(walk->place), gg_p_i64((int64_t)limit)), arena,
                        &rows, err);
    *n_out = rc == 0 ? gg_rows_count(rows) : 0;
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++) {
        (*out)[i] = gg_rows_str(rows, i, 0);
        walk->depth = gg_rows_i64(rows, i, 1);
        walk->place = gg_rows_i64(rows, i, 2);
    }
    walk->done = *n_out < limit;
    return rc;
}
