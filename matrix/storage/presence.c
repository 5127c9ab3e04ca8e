/* storage/presence.c: table presence_stream: the last that was told of each user (facts database 3.11, 4.11). */
#include "storage/presence.h"

#define COLUMNS "stream_id, user_id, state, last_active_ts, last_federation_update_ts, last_user_sync_ts, status_msg, currently_active"

/* ---- writing ---- */

static const struct gg_stmt delete_rows = {"DELETE FROM presence_stream WHERE user_id = ANY ($1::text[])", 0};
static const struct gg_stmt insert_rows = {
    "INSERT INTO presence_stream (" COLUMNS ", instance_name) SELECT r.*, $9 FROM unnest($1::bigint[], $2::text[],"
    " $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::boolean[]) AS r", 0};

struct columns {
    struct mx_server *server;
    size_t n;
    int64_t *ids, *active, *federation, *synced;
    struct gg_str *users, *kinds, *messages;
    bool *currently;
};

static int store_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    const struct columns *c = arg;
    int rc = gg_txn_queue(txn, &delete_rows, GG_PARAMS(gg_p_texts(c->users, c->n)), err);
    if (rc != 0)
        return rc;
    return gg_txn_queue(txn, &insert_rows,
                        GG_PARAMS(gg_p_i64s(c->ids, c->n), gg_p_texts(c->users, c->n), gg_p_texts(c->kinds, c->n),
                                  gg_p_i64s(c->active, c->n), gg_p_i64s(c->federation, c->n), gg_p_i64s(c->synced, c->n),
                                  gg_p_texts(c->messages, c->n), gg_p_bools(c->currently, c->n),
                                  gg_p_text(gg_host_instance(c->server->host))), err);
}

static struct columns columns_of(struct mx_server *server, const struct mx_presence_row *rows, size_t n, struct gg_arena *arena)
{
    struct columns c = {.server = server, .n = n};
    int64_t **numbers[] = {&c.ids, &c.active, &c.federation, &c.synced};
    struct gg_str **texts[] = {&c.users, &c.kinds, &c.messages};
    for (size_t i = 0; i < GG_COUNT(numbers); i++)
        *numbers[i] = GG_NEW_ARRAY(arena, int64_t, n);
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        *texts[i] = GG_NEW_ARRAY(arena, struct gg_str, n);
    c.currently = GG_NEW_ARRAY(arena, bool, n);
    for (size_t i = 0; i < n; i++) {
        c.ids[i] = rows[i].stream_id;
        c.users[i] = rows[i].user_id;
        c.kinds[i] = gg_str(mx_presence_name(rows[i].state.kind));
        c.active[i] = rows[i].state.last_active_ts;
        c.federation[i] = rows[i].state.last_federation_ts;
        c.synced[i] = rows[i].state.last_sync_ts;
        c.messages[i] = rows[i].state.status_msg;
        c.currently[i] = rows[i].state.currently_active;
    }
    return c;
}

int mx_presence_store(struct mx_server *server, const struct mx_presence_row *rows, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct columns columns = columns_of(server, rows, n, arena);
    int rc = gg_db_txn(server->db, "update_presence", GG_TXN_READ_COMMITTED, store_txn, &columns, err);
    gg_arena_free(arena);
    return rc;
}

/* ---- reading ---- */

static int take(int rc, const struct gg_rows *rows, struct gg_arena *arena, struct mx_presence_row **out, size_t *n_out)
{
    size_t n = 0;
    *n_out = 0;
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct mx_presence_row, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        int kind = mx_presence_kind_of(gg_rows_str(rows, i, 2));
        if (kind < 0)
            continue;
        (*out)[n++] = (struct mx_presence_row){
            gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1),
            {(uint8_t)kind, gg_rows_bool(rows, i, 7), gg_rows_i64(rows, i, 3), gg_rows_i64(rows, i, 4),
             gg_rows_i64(rows, i, 5), gg_rows_str(rows, i, 6)}};
    }
    *n_out = n;
    return 0;
}

static const struct gg_stmt select_active = {"SELECT " COLUMNS " FROM presence_stream WHERE state <> 'offline'", GG_LANE_SCAN};

int mx_presence_load(struct mx_server *server, struct gg_arena *arena, struct mx_presence_row **out, size_t *n_out,
                     struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_active, GG_NO_PARAMS, arena, &rows, err);
    return take(rc, rows, arena, out, n_out);
}

static const struct gg_stmt select_users = {"SELECT " COLUMNS " FROM presence_stream WHERE user_id = ANY ($1::text[])",
                                            GG_LANE_POINT};

int mx_presence_load_users(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                           struct mx_presence_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_users, GG_PARAMS(gg_p_texts(users, n)), arena, &rows, err);
    return take(rc, rows, arena, out, n_out);
}

/* From the few who are there to their rooms, not from rooms to the many who are not. */
static const struct gg_stmt select_sharing = {
    "SELECT " COLUMNS " FROM presence_stream AS p WHERE (state <> 'offline' OR $3) AND stream_id > $4 AND (user_id = $1"
    " OR EXISTS (SELECT 1 FROM current_state_events AS c WHERE c.type = 'm.room.member' AND c.membership = 'join'"
    " AND c.state_key = p.user_id AND c.room_id = ANY ($2::text[])))", GG_LANE_SCAN};

int mx_presence_load_sharing(struct mx_server *server, struct gg_str self, const struct gg_str *rooms, size_t n, int64_t from,
                             bool all, struct gg_arena *arena, struct mx_presence_row **out, size_t *n_out,
                             struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_sharing,
                        GG_PARAMS(gg_p_str(self), gg_p_texts(rooms, n), gg_p_bool(all || from > 0), gg_p_i64(from)), arena, &rows,
                        err);
    return take(rc, rows, arena, out, n_out);
}

static int take_names(int rc, const struct gg_rows *rows, struct gg_arena *arena, struct gg_str **out, size_t *n_out)
{
    *n_out = 0;
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

static const struct gg_stmt select_share = {
    "SELECT DISTINCT state_key FROM current_state_events WHERE type = 'm.room.member' AND membership = 'join'"
    " AND state_key = ANY ($1::text[]) AND room_id = ANY ($2::text[])", GG_LANE_POINT};

int mx_presence_share(struct mx_server *server, const struct gg_str *users, size_t n_users, const struct gg_str *rooms,
                      size_t n_rooms, struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_share, GG_PARAMS(gg_p_texts(users, n_users), gg_p_texts(rooms, n_rooms)), arena,
                        &rows, err);
    return take_names(rc, rows, arena, out, n_out);
}

static const struct gg_stmt select_in_rooms = {
    "SELECT u FROM unnest($1::text[]) AS u WHERE EXISTS (SELECT FROM current_state_events WHERE type = 'm.room.member'"
    " AND membership = 'join' AND state_key = u)", GG_LANE_POINT};

int mx_presence_in_rooms(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                         struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_in_rooms, GG_PARAMS(gg_p_texts(users, n)), arena, &rows, err);
    return take_names(rc, rows, arena, out, n_out);
}

static const struct gg_stmt select_rooms = {
    "SELECT room_id FROM current_state_events WHERE type = 'm.room.member' AND membership = 'join' AND state_key = $1",
    GG_LANE_POINT};

int mx_presence_rooms_of(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str **out,
                         size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_rooms, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    return take_names(rc, rows, arena, out, n_out);
}

/* ---- the stream ---- */

static const struct gg_stmt fetch_rows = {
    "SELECT " COLUMNS " FROM presence_stream WHERE stream_id > $1 AND stream_id <= $2 ORDER BY stream_id LIMIT $3", GG_LANE_SCAN};

int mx_presence_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                      struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    struct mx_server *server = self;
    struct mx_presence_row *list = NULL;
    struct gg_rows *rows;
    size_t n;
    int rc = gg_db_read(server->db, &fetch_rows, GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_i64((int64_t)limit)), arena, &rows, err);
    rc = take(rc, rows, arena, &list, &n);
    if (rc != 0)
        return rc;
    struct gg_buf row = GG_BUF_INIT;
    *out = GG_NEW_ARRAY(arena, struct gg_fetched, n + 1);
    for (size_t i = 0; i < n; i++) {
        gg_buf_clear(&row);
        mx_presence_write_row(&row, list[i].user_id, &list[i].state);
        (*out)[i] = (struct gg_fetched){list[i].stream_id, gg_arena_str(arena, gg_buf_view(&row))};
    }
    gg_buf_done(&row);
    *n_out = n;
    *reached = gg_rows_count(rows) == limit && n > 0 ? list[n - 1].stream_id : to;
    return 0;
}
