/* matrix/userdata/account_data.c: global and room account data, and tags: rows and what /sync reads of them
 * (facts database 3.7, 4.10; replication 5.12). */
#include "userdata/account_data.h"

#include "json/text.h"
#include "sync/changes.h"
#include "userdata/streams.h"
#include "userdata/write.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>

/* ---- reading ---- */

/* Tags of a room are one m.tag row, built here from room_tags as it is told by its newest revision. */
static const struct gg_stmt read_since = {
    "SELECT NULL::text AS room_id, account_data_type, content FROM account_data"
    " WHERE user_id = $1 AND stream_id > $2 AND stream_id <= $3"
    " UNION ALL SELECT room_id, account_data_type, content FROM room_account_data"
    " WHERE user_id = $1 AND stream_id > $2 AND stream_id <= $3"
    " UNION ALL SELECT r.room_id, 'm.tag', '{\"tags\":{' || coalesce(string_agg(to_json(t.tag)::text || ':' || t.content, ','), '') || '}}'"
    " FROM room_tags_revisions r LEFT JOIN room_tags t ON t.user_id = r.user_id AND t.room_id = r.room_id"
    " WHERE r.user_id = $1 AND r.stream_id > $2 AND r.stream_id <= $3 GROUP BY r.room_id"
    " ORDER BY room_id NULLS FIRST", GG_LANE_POINT};

int mx_account_data_since(struct mx_server *server, struct gg_str user_id, int64_t from, int64_t to, struct gg_arena *arena,
                          struct mx_data_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_since, GG_PARAMS(gg_p_str(user_id), gg_p_i64(from), gg_p_i64(to)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = 0;
    *out = GG_NEW_ARRAY(arena, struct mx_data_row, gg_rows_count(rows) + 1);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        struct mx_data_row row = {gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2)};
        if (from == 0 && gg_str_is(row.content, "{}"))
            continue; /* an emptied one was deleted (MSC3391): a client that starts afresh need not hear of it */
        (*out)[(*n_out)++] = row;
    }
    return 0;
}

static const struct gg_stmt read_of_rooms = {
    "SELECT room_id, account_data_type, content FROM room_account_data"
    " WHERE user_id = $1 AND room_id = ANY ($2::text[]) AND stream_id > $3 AND stream_id <= $4"
    " UNION ALL SELECT r.room_id, 'm.tag', '{\"tags\":{' || coalesce(string_agg(to_json(t.tag)::text || ':' || t.content, ','), '') || '}}'"
    " FROM room_tags_revisions r LEFT JOIN room_tags t ON t.user_id = r.user_id AND t.room_id = r.room_id"
    " WHERE r.user_id = $1 AND r.room_id = ANY ($2::text[]) AND r.stream_id > $3 AND r.stream_id <= $4 GROUP BY r.room_id"
    " ORDER BY room_id", GG_LANE_POINT};

int mx_account_data_of_rooms(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms, size_t n, int64_t from,
                             int64_t to, struct gg_arena *arena, struct mx_data_row **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *found;
    int rc = gg_db_read(server->db, &read_of_rooms,
                        GG_PARAMS(gg_p_str(user_id), gg_p_texts(rooms, n), gg_p_i64(from), gg_p_i64(to)), arena, &found, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(found);
    *out = GG_NEW_ARRAY(arena, struct mx_data_row, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = (struct mx_data_row){gg_rows_str(found, i, 0), gg_rows_str(found, i, 1), gg_rows_str(found, i, 2)};
    return 0;
}

bool mx_account_data_changed(struct mx_server *server, struct gg_str user_id, int64_t from)
{
    return mx_changes_after(server->account_data_changes, user_id, from);
}

/* ---- writing (on the account_data writer) ---- */

struct set_data {
    struct mx_data_write write;
    struct gg_str user_id, room_id, type, content; /* room_id s NULL: global */
};

static const struct gg_stmt upsert_global = {
    "INSERT INTO account_data (user_id, account_data_type, stream_id, content) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (user_id, account_data_type) DO UPDATE SET stream_id = excluded.stream_id, content = excluded.content", 0};
static const struct gg_stmt upsert_room = {
    "INSERT INTO room_account_data (user_id, account_data_type, stream_id, content, room_id) VALUES ($1, $2, $3, $4, $5)"
    " ON CONFLICT (user_id, room_id, account_data_type) DO UPDATE SET stream_id = excluded.stream_id, content = excluded.content", 0};

/* Whom a user ignores is read by everybody who sends to them: kept as rows, replaced as a whole. */
static const struct gg_stmt delete_ignored = {
    "DELETE FROM ignored_users WHERE ignorer_user_id = $1 AND NOT ignored_user_id = ANY ($2::text[]) RETURNING ignored_user_id", 0};
static const struct gg_stmt insert_ignored = {
    "INSERT INTO ignored_users (ignorer_user_id, ignored_user_id) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING"
    " RETURNING ignored_user_id", 0};

static int replace_ignored(struct set_data *d, struct gg_txn *txn, struct gg_error *err)
{
    struct mx_data_write *w = &d->write;
    struct gg_str list = mx_json_get(d->content, "ignored_users");
    struct gg_str *users = GG_NEW_ARRAY(w->arena, struct gg_str, mx_json_length(list) + 1);
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_is_object(list) && mx_json_next(&it)) {
        struct gg_str quoted = gg_strn(it.key.s - 1, it.key.n + 2); /* the key with its quotes is a JSON string */
        struct gg_str user = mx_storable(mx_json_string(quoted, w->arena));
        if (user.s != NULL)
            users[n++] = user;
    }
    const struct gg_stmt *const both[] = {&delete_ignored, &insert_ignored};
    for (size_t k = 0; k < GG_COUNT(both); k++) {
        struct gg_rows *rows;
        int rc = gg_txn_exec(txn, both[k], GG_PARAMS(gg_p_str(d->user_id), gg_p_texts(users, n)), w->arena, &rows, err);
        if (rc != 0)
            return rc;
        for (size_t i = 0; i < gg_rows_count(rows); i++) {
            struct gg_str *key = GG_NEW(w->arena, struct gg_str);
            *key = gg_rows_str(rows, i, 0);
            mx_forget_add(&w->forget, "ignored_by", key, 1);
        }
    }
    mx_forget_add(&w->forget, "ignored_users", &d->user_id, 1);
    return mx_forget_write(&w->forget, txn, err);
}

static int set_body(struct gg_txn *txn, struct mx_data_write *write, struct gg_error *err)
{
    struct set_data *d = GG_CONTAINER(write, struct set_data, write);
    int rc = gg_txn_queue(txn, d->room_id.s != NULL ? &upsert_room : &upsert_global,
                          (const struct gg_param[]){gg_p_str(d->user_id), gg_p_str(d->type), gg_p_i64(write->id), gg_p_str(d->content),
                                                    gg_p_str(d->room_id)},
                          d->room_id.s != NULL ? 5 : 4, err);
    if (rc == 0 && d->room_id.s == NULL && gg_str_is(d->type, "m.ignored_user_list"))
        rc = replace_ignored(d, txn, err);
    return rc;
}

static struct gg_str stream_row(const struct set_data *d)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '[');
    gg_buf_json_string(&out, d->user_id);
    gg_buf_char(&out, ',');
    if (d->room_id.s != NULL)
        gg_buf_json_string(&out, d->room_id);
    else
        gg_buf_lit(&out, "null");
    gg_buf_char(&out, ',');
    gg_buf_json_string(&out, d->type);
    gg_buf_char(&out, ']');
    struct gg_str row = gg_arena_str(d->write.arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return row;
}

int mx_account_data_set(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str type,
                        struct gg_str content, int64_t *stream_id, struct gg_error *err)
{
    struct set_data d = {.write = {.body = set_body, .arena = gg_arena_new(), .bytes = content.n},
                         .user_id = user_id, .room_id = room_id, .type = type, .content = content};
    d.write.row = stream_row(&d);
    int rc = mx_data_write(server, &d.write, err);
    *stream_id = d.write.id;
    gg_arena_free(d.write.arena);
    return rc;
}

static const struct gg_stmt read_global = {"SELECT content FROM account_data WHERE user_id = $1 AND account_data_type = $2", GG_LANE_POINT};
static const struct gg_stmt read_room = {
    "SELECT content FROM room_account_data WHERE user_id = $1 AND account_data_type = $2 AND room_id = $3", GG_LANE_POINT};

int mx_account_data_get(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str type,
                        struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, room_id.s != NULL ? &read_room : &read_global,
                        (const struct gg_param[]){gg_p_str(user_id), gg_p_str(type), gg_p_str(room_id)}, room_id.s != NULL ? 3 : 2,
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    *out = gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : (struct gg_str){0};
    return out->s != NULL ? 0 : gg_refuse(err, 404, "M_NOT_FOUND", "Account data not found");
}

/* ---- the stream ---- */

static const struct gg_stmt fetch_rows = {
    "SELECT stream_id, user_id, room_id, type FROM ("
    " SELECT stream_id, user_id, NULL::text AS room_id, account_data_type AS type FROM account_data WHERE stream_id > $1 AND stream_id <= $2"
    " UNION ALL SELECT stream_id, user_id, room_id, account_data_type FROM room_account_data WHERE stream_id > $1 AND stream_id <= $2"
    " UNION ALL SELECT stream_id, user_id, room_id, 'm.tag' FROM room_tags_revisions WHERE stream_id > $1 AND stream_id <= $2"
    ") a ORDER BY stream_id LIMIT $3", GG_LANE_SCAN};

int mx_account_data_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                          struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    return mx_fetch_rows(self, &fetch_rows, "ttt", from, to, limit, arena, out, n_out, reached, err);
}

void mx_account_data_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                           const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; i < n; i++) {
        struct gg_str user_id = mx_row_text(rows[i].row, 0);
        if (user_id.s == NULL)
            continue;
        if (moved)
            mx_notify_user(server, user_id);
        else
            mx_changes_note(server->account_data_changes, user_id, token);
    }
}
