/* matrix/sliding/connection_store.c: positions of connections in the database, in the very rows that Synapse keeps
 * (facts database 3.5, 4.21), so that any worker of either kind continues a connection; and the ones of late in memory.
 */
#include "sliding/connection_state.h"

#include "sliding/part.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/json.h>

enum { CACHE_BYTES = 32 << 20, USED_AGAIN_MS = 5 * 60 * 1000, EXPIRY_MS = 7 * 24 * 3600 * 1000 };

static const char *const stream_names[MX_SLIDING_STREAMS] = {"rooms", "receipts", "account_data"};
static const char *const status_names[] = {"never", "live", "previously"};

void mx_connections_make(struct mx_server *server)
{
    server->sliding->positions = mx_cache_new(
        server, &(struct mx_cache_def){"get_and_clear_connection_positions", CACHE_BYTES, mx_connection_unref});
}

/* ---- reading ---- */

static const struct gg_stmt select_position = {
    "SELECT c.connection_key, coalesce(c.last_used_ts, 0),"
    " EXISTS (SELECT 1 FROM sliding_sync_connection_positions o WHERE o.connection_key = c.connection_key AND "
    "o.connection_position <> $1)"
    " OR EXISTS (SELECT 1 FROM sliding_sync_connection_lazy_members l WHERE l.connection_key = c.connection_key AND "
    "l.connection_position = $1)"
    " FROM sliding_sync_connection_positions p JOIN sliding_sync_connections c ON c.connection_key = p.connection_key"
    " WHERE p.connection_position = $1 AND c.user_id = $2 AND c.effective_device_id = $3 AND c.conn_id = $4",
    GG_LANE_POINT};
static const struct gg_stmt select_required = {
    "SELECT required_state_id, required_state FROM sliding_sync_connection_required_state WHERE connection_key = $1",
    GG_LANE_POINT};
static const struct gg_stmt select_configs = {"SELECT room_id, timeline_limit, required_state_id FROM "
                                              "sliding_sync_connection_room_configs WHERE connection_position = $1",
                                              GG_LANE_POINT};
static const struct gg_stmt select_streams = {"SELECT stream, room_id, room_status, last_token FROM "
                                              "sliding_sync_connection_streams WHERE connection_position = $1",
                                              GG_LANE_POINT};

static int unknown_position(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_UNKNOWN_POS", "Unknown position");
}

/* required_state_id -> struct mx_required */
static struct gg_map *required_by_id(const struct gg_rows *rows, struct gg_arena *arena)
{
    struct gg_map *by_id = mx_text_set(arena);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct mx_required *required = GG_NEW(arena, struct mx_required);
        *required = mx_required_read(gg_rows_str(rows, i, 1), arena);
        gg_map_put(by_id, gg_str(gg_arena_printf(arena, "%lld", (long long)gg_rows_i64(rows, i, 0))), required);
    }
    return by_id;
}

static void take_configs(struct mx_connection *c, const struct gg_rows *rows, const struct gg_map *required,
                         struct gg_arena *arena)
{
    struct mx_room_config config;
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct gg_str id = gg_str(gg_arena_printf(arena, "%lld", (long long)gg_rows_i64(rows, i, 2)));
        const struct mx_required *asked = gg_map_get(required, id);
        config = (struct mx_room_config){gg_rows_i64(rows, i, 1), asked != NULL ? *asked : (struct mx_required){0}};
        c->last_config = NULL;
        mx_connection_put(c, gg_rows_str(rows, i, 0))->config = mx_connection_config(c, &config);
    }
    c->last_config = NULL;
}

static void take_streams(struct mx_connection *c, const struct gg_rows *rows)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct mx_sliding_known *known = mx_connection_put(c, gg_rows_str(rows, i, 1));
        struct gg_str last = gg_rows_str(rows, i, 3);
        for (size_t k = 0; k < MX_SLIDING_STREAMS; k++) {
            if (!gg_str_is(gg_rows_str(rows, i, 0), stream_names[k]))
                continue;
            struct mx_sliding_sent *sent = &known->sent[k];
            sent->status = gg_str_is(gg_rows_str(rows, i, 2), "live") ? MX_SLIDING_LIVE
                           : last.s != NULL                           ? MX_SLIDING_PREVIOUSLY
                                                                      : MX_SLIDING_NEVER;
            sent->last = sent->status == MX_SLIDING_PREVIOUSLY ? gg_arena_str(c->arena, last) : (struct gg_str){0};
        }
    }
}

static int read_position(struct mx_server *server, int64_t key, int64_t position, int64_t last_used,
                         struct mx_connection **out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *required, *configs, *streams;
    int rc = gg_db_read(server->db, &select_required, GG_PARAMS(gg_p_i64(key)), arena, &required, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &select_configs, GG_PARAMS(gg_p_i64(position)), arena, &configs, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &select_streams, GG_PARAMS(gg_p_i64(position)), arena, &streams, err);
    if (rc == 0) {
        *out = mx_connection_new(last_used);
        take_configs(*out, configs, required_by_id(required, arena), arena);
        take_streams(*out, streams);
    }
    gg_arena_free(arena);
    return rc;
}

static void keep(struct mx_server *server, int64_t position, struct mx_connection *c)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "%lld", (long long)position);
    mx_cache_put(server->sliding->positions, gg_str(key), c, mx_connection_bytes(c),
                 mx_cache_tick(server->sliding->positions));
}

static struct mx_connection *kept(struct mx_server *server, int64_t position)
{
    char key[32];
    (void)snprintf(key, sizeof(key), "%lld", (long long)position);
    return mx_cache_get(server->sliding->positions, gg_str(key));
}

/* ---- confirming ---- */

/* Whoever records a position holds the same lock. */
static const struct gg_stmt lock_connection = {
    "SELECT 1 FROM sliding_sync_connections WHERE connection_key = $1 AND $2::bigint IS NOT NULL FOR NO KEY UPDATE", 0};
static const struct gg_stmt drop_others = {
    "DELETE FROM sliding_sync_connection_positions WHERE connection_key = $1 AND connection_position <> $2", 0};
static const struct gg_stmt confirm_members = {"UPDATE sliding_sync_connection_lazy_members SET connection_position = "
                                               "NULL WHERE connection_key = $1 AND connection_position = $2",
                                               0};
static const struct gg_stmt drop_unused = {
    "DELETE FROM sliding_sync_connection_required_state r WHERE r.connection_key = $1 AND NOT EXISTS ("
    " SELECT 1 FROM sliding_sync_connection_room_configs c WHERE c.required_state_id = r.required_state_id) AND "
    "$2::bigint IS NOT NULL",
    0};
static const struct gg_stmt note_used = {
    "UPDATE sliding_sync_connections SET last_used_ts = $2 WHERE connection_key = $1", 0};

struct confirming {
    int64_t key, position, last_used;
    bool settle;
};

static int confirm_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    const struct confirming *c = arg;
    static const struct gg_stmt *const steps[] = {&lock_connection, &drop_others, &confirm_members, &drop_unused};
    int rc = 0;
    for (size_t i = 0; c->settle && rc == 0 && i < GG_COUNT(steps); i++)
        rc = gg_txn_queue(txn, steps[i], GG_PARAMS(gg_p_i64(c->key), gg_p_i64(c->position)), err);
    if (rc == 0 && gg_wall_ms() - c->last_used > USED_AGAIN_MS)
        rc = gg_txn_queue(txn, &note_used, GG_PARAMS(gg_p_i64(c->key), gg_p_i64(gg_wall_ms())), err);
    return rc;
}

static int confirm(struct mx_server *server, struct confirming *c, struct gg_error *err)
{
    if (!c->settle && gg_wall_ms() - c->last_used <= USED_AGAIN_MS)
        return 0;
    return gg_db_txn(server->db, "get_and_clear_connection_positions", GG_TXN_READ_COMMITTED, confirm_txn, c, err);
}

int mx_connection_at(struct mx_server *server, const struct mx_connection_name *name, int64_t position,
                     struct gg_arena *arena, const struct mx_connection **out, struct gg_error *err)
{
    struct mx_connection *c = NULL;
    struct gg_rows *rows;
    int rc = 0;
    if (position > 0) {
        rc = gg_db_read(
            server->db, &select_position,
            GG_PARAMS(gg_p_i64(position), gg_p_str(name->user_id), gg_p_str(name->device_id), gg_p_str(name->conn_id)),
            arena, &rows, err);
        if (rc == 0 && gg_rows_count(rows) == 0)
            rc = unknown_position(err);
        if (rc != 0)
            return rc;
        struct confirming confirming = {gg_rows_i64(rows, 0, 0), position, gg_rows_i64(rows, 0, 1),
                                        gg_rows_bool(rows, 0, 2)};
        rc = confirm(server, &confirming, err);
        if (rc == 0 && (c = kept(server, position)) != NULL) {
            *out = mx_connection_lend(c, arena);
            return 0;
        }
        if (rc == 0)
            rc = read_position(server, confirming.key, position, confirming.last_used, &c, err);
    } else {
        c = mx_connection_new(0);
    }
    if (rc != 0)
        return rc;
    *out = mx_connection_lend(c, arena);
    if (position > 0)
        keep(server, position, c);
    else
        mx_connection_unref(c);
    return 0;
}

/* ---- recording ---- */

static const struct gg_stmt drop_connection = {
    "DELETE FROM sliding_sync_connections WHERE user_id = $1 AND effective_device_id = $2 AND conn_id = $3", 0};
static const struct gg_stmt first_position = {
    "WITH c AS (INSERT INTO sliding_sync_connections (user_id, effective_device_id, conn_id, created_ts, last_used_ts)"
    " VALUES ($1, $2, $3, $4, $4) RETURNING connection_key) INSERT INTO sliding_sync_connection_positions "
    "(connection_key, created_ts)"
    " SELECT connection_key, $4 FROM c RETURNING connection_position, connection_key",
    0};
static const struct gg_stmt next_position = {
    "WITH c AS (SELECT c.connection_key FROM sliding_sync_connection_positions p JOIN sliding_sync_connections c"
    " ON c.connection_key = p.connection_key WHERE p.connection_position = $5 AND c.user_id = $1 AND "
    "c.effective_device_id = $2"
    " AND c.conn_id = $3 FOR NO KEY UPDATE OF c) INSERT INTO sliding_sync_connection_positions (connection_key, "
    "created_ts)"
    " SELECT connection_key, $4 FROM c RETURNING connection_position, connection_key",
    0};
static const struct gg_stmt copy_streams = {
    "INSERT INTO sliding_sync_connection_streams (connection_position, stream, room_id, room_status, last_token)"
    " SELECT $1, stream, room_id, room_status, last_token FROM sliding_sync_connection_streams"
    " WHERE connection_position = $2 AND room_id <> ALL ($3::text[])",
    0};
static const struct gg_stmt copy_configs = {
    "INSERT INTO sliding_sync_connection_room_configs (connection_position, room_id, timeline_limit, required_state_id)"
    " SELECT $1, room_id, timeline_limit, required_state_id FROM sliding_sync_connection_room_configs"
    " WHERE connection_position = $2 AND room_id <> ALL ($3::text[])",
    0};
static const struct gg_stmt insert_streams = {
    "INSERT INTO sliding_sync_connection_streams (connection_position, stream, room_id, room_status, last_token)"
    " SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) AS r",
    0};
static const struct gg_stmt insert_required = {
    "INSERT INTO sliding_sync_connection_required_state (connection_key, required_state) SELECT $1, t.text FROM "
    "unnest($2::text[]) AS t (text)"
    " WHERE NOT EXISTS (SELECT 1 FROM sliding_sync_connection_required_state r WHERE r.connection_key = $1 AND "
    "r.required_state = t.text)",
    0};
static const struct gg_stmt insert_configs = {
    "INSERT INTO sliding_sync_connection_room_configs (connection_position, room_id, timeline_limit, required_state_id)"
    " SELECT $1, r.room_id, r.timeline_limit, s.id FROM unnest($3::text[], $4::bigint[], $5::bigint[]) AS r (room_id, "
    "timeline_limit, i)"
    " JOIN (SELECT t.i, min(q.required_state_id) AS id FROM unnest($6::text[]) WITH ORDINALITY AS t (text, i)"
    " JOIN sliding_sync_connection_required_state q ON q.connection_key = $2 AND q.required_state = t.text GROUP BY "
    "t.i) s ON s.i = r.i",
    0};
static const struct gg_stmt upsert_members = {
    "INSERT INTO sliding_sync_connection_lazy_members AS m (connection_key, connection_position, room_id, user_id, "
    "last_seen_ts)"
    " SELECT $1, $2, r.room_id, r.user_id, $5 FROM unnest($3::text[], $4::text[]) AS r (room_id, user_id)"
    " ON CONFLICT (connection_key, room_id, user_id) DO UPDATE SET last_seen_ts = excluded.last_seen_ts"
    " WHERE m.connection_position IS NULL OR m.connection_position = excluded.connection_position",
    0};
static const struct gg_stmt delete_members = {
    "DELETE FROM sliding_sync_connection_lazy_members m USING unnest($2::text[], $3::text[]) AS r (room_id, user_id)"
    " WHERE m.connection_key = $1 AND m.room_id = r.room_id AND m.user_id = r.user_id",
    0};

struct recording {
    const struct mx_connection_name *name;
    const struct mx_connection_news *news;
    struct gg_arena *arena;
    int64_t before, position, key;
    struct gg_str *rooms; /* that changed */
    struct gg_str *streams, *stream_rooms, *statuses, *lasts;
    size_t n_streams;
    struct gg_str *config_rooms, *texts;
    int64_t *limits, *text_of; /* text_of: place of the text, from 1 */
    size_t n_configs, n_texts;
};

static void list_streams(struct recording *r, const struct mx_sliding_known *known)
{
    for (size_t k = 0; k < MX_SLIDING_STREAMS; k++) {
        const struct mx_sliding_sent *sent = &known->sent[k];
        if (sent->status == MX_SLIDING_NEVER)
            continue;
        r->streams[r->n_streams] = gg_str(stream_names[k]);
        r->stream_rooms[r->n_streams] = known->room_id;
        r->statuses[r->n_streams] = gg_str(status_names[sent->status]);
        r->lasts[r->n_streams++] = sent->last;
    }
}

static void list_config(struct recording *r, const struct mx_sliding_known *known, struct gg_map *places)
{
    if (known->config == NULL)
        return;
    struct gg_buf text = GG_BUF_INIT;
    mx_required_write(&known->config->required, &text);
    uintptr_t place = (uintptr_t)gg_map_get(places, gg_buf_view(&text));
    if (place == 0) {
        r->texts[r->n_texts] = gg_arena_str(r->arena, gg_buf_view(&text));
        place = ++r->n_texts;
        gg_map_put(places, gg_buf_view(&text), (void *)place);
    }
    gg_buf_done(&text);
    r->config_rooms[r->n_configs] = known->room_id;
    r->limits[r->n_configs] = known->config->timeline_limit;
    r->text_of[r->n_configs++] = (int64_t)place;
}

static void list_news(struct recording *r)
{
    size_t n = r->news->n_rooms;
    struct gg_str **texts[] = {&r->rooms, &r->config_rooms, &r->texts};
    struct gg_str **by_stream[] = {&r->streams, &r->stream_rooms, &r->statuses, &r->lasts};
    struct gg_map *places = mx_text_set(r->arena);
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        *texts[i] = GG_NEW_ARRAY(r->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < GG_COUNT(by_stream); i++)
        *by_stream[i] = GG_NEW_ARRAY(r->arena, struct gg_str, n * MX_SLIDING_STREAMS + 1);
    r->limits = GG_NEW_ARRAY(r->arena, int64_t, n + 1);
    r->text_of = GG_NEW_ARRAY(r->arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        r->rooms[i] = r->news->rooms[i]->room_id;
        list_streams(r, r->news->rooms[i]);
        list_config(r, r->news->rooms[i], places);
    }
}

static int take_position(struct recording *r, struct gg_txn *txn, struct gg_error *err)
{
    const struct mx_connection_name *name = r->name;
    const struct gg_param params[] = {gg_p_str(name->user_id), gg_p_str(name->device_id), gg_p_str(name->conn_id),
                                      gg_p_i64(gg_wall_ms()), gg_p_i64(r->before)};
    struct gg_rows *rows;
    int rc = r->before == 0 ? gg_txn_queue(txn, &drop_connection, params, 3, err) : 0;
    if (rc == 0)
        rc = gg_txn_exec(txn, r->before == 0 ? &first_position : &next_position, params, r->before == 0 ? 4 : 5,
                         r->arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) == 0)
        rc = unknown_position(err);
    if (rc != 0)
        return rc;
    r->position = gg_rows_i64(rows, 0, 0);
    r->key = gg_rows_i64(rows, 0, 1);
    return 0;
}

static int write_rooms(struct recording *r, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_param position = gg_p_i64(r->position), key = gg_p_i64(r->key), texts = gg_p_texts(r->texts, r->n_texts);
    const struct gg_param copy[] = {position, gg_p_i64(r->before), gg_p_texts(r->rooms, r->news->n_rooms)};
    int rc = r->before != 0 ? gg_txn_queue(txn, &copy_streams, copy, GG_COUNT(copy), err) : 0;
    if (rc == 0 && r->before != 0)
        rc = gg_txn_queue(txn, &copy_configs, copy, GG_COUNT(copy), err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &insert_streams,
                          GG_PARAMS(position, gg_p_texts(r->streams, r->n_streams),
                                    gg_p_texts(r->stream_rooms, r->n_streams), gg_p_texts(r->statuses, r->n_streams),
                                    gg_p_texts(r->lasts, r->n_streams)),
                          err);
    if (rc != 0 || r->n_configs == 0)
        return rc;
    rc = gg_txn_queue(txn, &insert_required, GG_PARAMS(key, texts), err);
    return rc != 0
               ? rc
               : gg_txn_queue(txn, &insert_configs,
                              GG_PARAMS(position, key, gg_p_texts(r->config_rooms, r->n_configs),
                                        gg_p_i64s(r->limits, r->n_configs), gg_p_i64s(r->text_of, r->n_configs), texts),
                              err);
}

static void split_members(const struct mx_sliding_member *members, size_t n, struct gg_arena *arena,
                          struct gg_str **rooms, struct gg_str **users)
{
    *rooms = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    *users = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++) {
        (*rooms)[i] = members[i].room_id;
        (*users)[i] = members[i].user_id;
    }
}

static int write_members(struct recording *r, struct gg_txn *txn, struct gg_error *err)
{
    const struct mx_connection_news *news = r->news;
    struct gg_str *rooms, *users;
    int rc = 0;
    if (news->n_lazy > 0) {
        split_members(news->lazy, news->n_lazy, r->arena, &rooms, &users);
        rc = gg_txn_queue(txn, &upsert_members,
                          GG_PARAMS(gg_p_i64(r->key), gg_p_i64(r->position), gg_p_texts(rooms, news->n_lazy),
                                    gg_p_texts(users, news->n_lazy), gg_p_i64(gg_wall_ms())),
                          err);
    }
    if (rc == 0 && news->n_stale > 0) {
        split_members(news->stale, news->n_stale, r->arena, &rooms, &users);
        rc = gg_txn_queue(
            txn, &delete_members,
            GG_PARAMS(gg_p_i64(r->key), gg_p_texts(rooms, news->n_stale), gg_p_texts(users, news->n_stale)), err);
    }
    return rc;
}

static int record_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct recording *r = arg;
    int rc = take_position(r, txn, err);
    if (rc == 0)
        rc = write_rooms(r, txn, err);
    return rc == 0 ? write_members(r, txn, err) : rc;
}

int mx_connection_record(struct mx_server *server, const struct mx_connection_name *name,
                         const struct mx_connection *before, int64_t position, const struct mx_connection_news *news,
                         int64_t *position_out, struct gg_error *err)
{
    *position_out = position;
    if (news->n_rooms == 0 && news->n_lazy == 0 && news->n_stale == 0)
        return 0;
    struct recording r = {.name = name, .news = news, .arena = gg_arena_new(), .before = position};
    list_news(&r);
    int rc = gg_db_txn(server->db, "persist_per_connection_state", GG_TXN_READ_COMMITTED, record_txn, &r, err);
    if (rc == 0) {
        *position_out = r.position;
        keep(server, r.position, mx_connection_after(before, news));
    }
    gg_arena_free(r.arena);
    return rc;
}

/* ---- lazy members ---- */

static const struct gg_stmt select_members = {
    "SELECT r.i, m.last_seen_ts FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS r (room_id, user_id, i)"
    " JOIN sliding_sync_connection_lazy_members m ON m.room_id = r.room_id AND m.user_id = r.user_id AND "
    "m.connection_key ="
    " (SELECT connection_key FROM sliding_sync_connection_positions WHERE connection_position = $1)"
    " WHERE m.connection_position IS NULL OR m.connection_position = $1",
    GG_LANE_POINT};

/* Of those that are not known. A position that begins anew has none. */
static int read_lazy(struct mx_server *server, int64_t position, const struct mx_sliding_member *members, size_t n,
                     struct gg_arena *arena, int64_t *seen, struct gg_error *err)
{
    struct gg_str *rooms, *users;
    struct gg_rows *rows;
    for (size_t i = 0; i < n; i++)
        seen[i] = -1;
    if (n == 0 || position == 0)
        return 0;
    split_members(members, n, arena, &rooms, &users);
    int rc = gg_db_read(server->db, &select_members,
                        GG_PARAMS(gg_p_i64(position), gg_p_texts(rooms, n), gg_p_texts(users, n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        seen[gg_rows_i64(rows, i, 0) - 1] = gg_rows_i64(rows, i, 1);
    return rc;
}

int mx_connection_lazy_seen(struct mx_server *server, const struct mx_connection *connection, int64_t position,
                            const struct mx_sliding_member *members, size_t n, struct gg_arena *arena, int64_t *seen,
                            struct gg_error *err)
{
    struct mx_connection *c =
        (struct mx_connection *)(uintptr_t)connection; /* what is remembered of it stays the same */
    struct mx_sliding_member *unknown = GG_NEW_ARRAY(arena, struct mx_sliding_member, n + 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n + 1), n_unknown = 0;
    int64_t *found = GG_NEW_ARRAY(arena, int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (mx_connection_lazy_known(connection, &members[i], &seen[i]))
            continue;
        places[n_unknown] = i;
        unknown[n_unknown++] = members[i];
    }
    int rc = read_lazy(server, position, unknown, n_unknown, arena, found, err);
    for (size_t i = 0; rc == 0 && i < n_unknown; i++) {
        seen[places[i]] = found[i];
        mx_connection_lazy_note(c, &unknown[i], found[i]);
    }
    return rc;
}

/* ---- the end ---- */

static const struct gg_stmt expire = {
    "DELETE FROM sliding_sync_connections WHERE last_used_ts IS NOT NULL AND last_used_ts < $1", 0};

int mx_connections_expire(struct mx_server *server, struct gg_error *err)
{
    return gg_db_write(server->db, &expire, GG_PARAMS(gg_p_i64(gg_wall_ms() - EXPIRY_MS)), NULL, NULL, err);
}
