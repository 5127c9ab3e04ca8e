/* matrix/userdata/tags.c: tags of rooms, which go over the account_data stream (facts database 3.7, replication 5.12). */
#include "userdata/tags.h"

static const struct gg_stmt read_tags = {
    "SELECT '{' || coalesce(string_agg(to_json(tag)::text || ':' || content, ',' ORDER BY tag), '') || '}'"
    " FROM room_tags WHERE user_id = $1 AND room_id = $2", GG_LANE_POINT};

int mx_tags_get(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena,
                struct gg_str *out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &read_tags, GG_PARAMS(gg_p_str(user_id), gg_p_str(room_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 ? gg_rows_str(rows, 0, 0) : GG_STR("{}");
    return rc;
}

static const struct gg_stmt put_tag = {
    "INSERT INTO room_tags (user_id, room_id, tag, content) VALUES ($1, $2, $3, $4)"
    " ON CONFLICT (user_id, room_id, tag) DO UPDATE SET content = excluded.content", 0};
static const struct gg_stmt delete_tag = {"DELETE FROM room_tags WHERE user_id = $1 AND room_id = $2 AND tag = $3", 0};
static const struct gg_stmt put_revision = {
    "INSERT INTO room_tags_revisions (user_id, room_id, stream_id) VALUES ($1, $2, $3)"
    " ON CONFLICT (user_id, room_id) DO UPDATE SET stream_id = excluded.stream_id", 0};

struct set_tag {
    struct gg_str user_id, room_id, tag, content;
    int64_t id;
};

static int set_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    const struct set_tag *t = arg;
    bool put = t->content.s != NULL;
    const struct gg_param params[] = {gg_p_str(t->user_id), gg_p_str(t->room_id), gg_p_str(t->tag), gg_p_str(t->content)};
    int rc = gg_txn_queue(txn, put ? &put_tag : &delete_tag, params, put ? 4 : 3, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &put_revision, GG_PARAMS(gg_p_str(t->user_id), gg_p_str(t->room_id), gg_p_i64(t->id)), err);
    return rc;
}

static void write_row(const struct set_tag *t, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    gg_buf_json_string(out, t->user_id);
    gg_buf_char(out, ',');
    gg_buf_json_string(out, t->room_id);
    gg_buf_lit(out, ",\"m.tag\"]");
}

int mx_tag_set(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str tag, struct gg_str content,
               int64_t *stream_id, struct gg_error *err)
{
    struct set_tag t = {.user_id = user_id, .room_id = room_id, .tag = tag, .content = content};
    int rc = gg_stream_allocate(server->account_data, NULL, 1, &t.id, err);
    if (rc != 0)
        return rc;
    rc = gg_db_txn(server->db, "set_room_tag", 0, set_txn, &t, err);
    if (rc == 0) {
        struct gg_buf row = GG_BUF_INIT;
        write_row(&t, &row);
        gg_stream_finish_rows(server->account_data, &t.id, 1, &(struct gg_fetched){t.id, gg_buf_view(&row)}, 1);
        gg_buf_done(&row);
    } else {
        gg_stream_finish(server->account_data, &t.id, 1);
    }
    *stream_id = t.id;
    return rc;
}
