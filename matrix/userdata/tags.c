/* matrix/userdata/tags.c: tags of rooms, which go over the account_data stream (facts database 3.7, replication 5.12). */
#include "userdata/tags.h"

#include "userdata/write.h"

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

/* Of the database, not of the heads: a room that another process has made a moment ago may be tagged at once. */
static const struct gg_stmt has_membership = {
    "SELECT 1 FROM local_current_membership WHERE user_id = $1 AND room_id = $2", GG_LANE_POINT};

int mx_tags_allowed(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_arena *arena, bool *out,
                    struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &has_membership, GG_PARAMS(gg_p_str(user_id), gg_p_str(room_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0;
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
    struct mx_data_write write;
    struct gg_str user_id, room_id, tag, content;
};

static int set_body(struct gg_txn *txn, struct mx_data_write *write, struct gg_error *err)
{
    const struct set_tag *t = GG_CONTAINER(write, struct set_tag, write);
    bool put = t->content.s != NULL;
    const struct gg_param params[] = {gg_p_str(t->user_id), gg_p_str(t->room_id), gg_p_str(t->tag), gg_p_str(t->content)};
    int rc = gg_txn_queue(txn, put ? &put_tag : &delete_tag, params, put ? 4 : 3, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &put_revision, GG_PARAMS(gg_p_str(t->user_id), gg_p_str(t->room_id), gg_p_i64(write->id)), err);
    return rc;
}

static struct gg_str stream_row(const struct set_tag *t)
{
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_char(&out, '[');
    gg_buf_json_string(&out, t->user_id);
    gg_buf_char(&out, ',');
    gg_buf_json_string(&out, t->room_id);
    gg_buf_lit(&out, ",\"m.tag\"]");
    struct gg_str row = gg_arena_str(t->write.arena, gg_buf_view(&out));
    gg_buf_done(&out);
    return row;
}

int mx_tag_set(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str tag, struct gg_str content,
               int64_t *stream_id, struct gg_error *err)
{
    struct set_tag t = {.write = {.body = set_body, .arena = gg_arena_new(), .bytes = content.n},
                        .user_id = user_id, .room_id = room_id, .tag = tag, .content = content};
    t.write.row = stream_row(&t);
    int rc = mx_data_write(server, &t.write, err);
    *stream_id = t.write.id;
    gg_arena_free(t.write.arena);
    return rc;
}
