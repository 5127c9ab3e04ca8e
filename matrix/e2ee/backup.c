/* matrix/e2ee/backup.c: the keys of a backup (facts database 4.13). Who writes locks the row of the version, so that the
 * etag counts every request that changed something. */
#include "e2ee/backup.h"

#include "e2ee/text.h"

enum { MAX_DEPTH = 64 };

/* ---- what a body may be ---- */

static bool read_index(const struct mx_json *session, const char *name, int64_t *out)
{
    const struct mx_json *value = mx_json_member(session, name);
    return value != NULL && value->kind == MX_JSON_NUMBER && mx_json_i64(value->text, out) && *out >= INT32_MIN && *out <= INT32_MAX;
}

static int read_session(const struct mx_json *session, struct gg_str room_id, struct gg_str session_id, struct gg_arena *arena,
                        struct mx_backup_key *out, struct gg_error *err)
{
    *out = (struct mx_backup_key){.room_id = room_id, .session_id = session_id};
    if (session->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 400, "M_BAD_JSON", "A session must be an object");
    const struct mx_json *verified = mx_json_member(session, "is_verified"), *data = mx_json_member(session, "session_data");
    if (!read_index(session, "first_message_index", &out->first_message_index) ||
        !read_index(session, "forwarded_count", &out->forwarded_count))
        return gg_refuse(err, 400, "M_BAD_JSON", "first_message_index and forwarded_count must be whole numbers");
    if (verified == NULL || data == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "%s is missing", verified == NULL ? "is_verified" : "session_data");
    if (verified->kind != MX_JSON_TRUE && verified->kind != MX_JSON_FALSE)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "is_verified must be a boolean");
    out->verified = verified->kind == MX_JSON_TRUE;
    out->session_data = mx_e2ee_text(data, false, arena);
    return 0;
}

static const struct mx_json *object_in(const struct mx_json *parent, const char *name)
{
    const struct mx_json *value = parent->kind == MX_JSON_OBJECT ? mx_json_member(parent, name) : NULL;
    return value != NULL && value->kind == MX_JSON_OBJECT ? value : NULL;
}

static int read_room(const struct mx_json *room, struct gg_str room_id, struct gg_arena *arena, struct mx_backup_key *out,
                     size_t *n, struct gg_error *err)
{
    const struct mx_json *sessions = object_in(room, "sessions");
    int rc = 0;
    if (sessions == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "sessions must be an object");
    for (uint32_t i = 0; rc == 0 && i < sessions->n; i++)
        rc = read_session(sessions->members[i].value, room_id, sessions->members[i].key, arena, &out[(*n)++], err);
    return rc;
}

static int read_rooms(const struct mx_json *root, struct gg_arena *arena, struct mx_backup_key **out, size_t *n,
                      struct gg_error *err)
{
    const struct mx_json *rooms = object_in(root, "rooms");
    size_t total = 0;
    if (rooms == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "rooms must be an object");
    for (uint32_t i = 0; i < rooms->n; i++) {
        const struct mx_json *sessions = object_in(rooms->members[i].value, "sessions");
        total += sessions != NULL ? sessions->n : 0;
    }
    *out = GG_NEW_ARRAY(arena, struct mx_backup_key, total + 1);
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < rooms->n; i++)
        rc = read_room(rooms->members[i].value, rooms->members[i].key, arena, *out, n, err);
    return rc;
}

int mx_backup_read(struct gg_str body, struct gg_str room_id, struct gg_str session_id, struct gg_arena *arena,
                   struct mx_backup_key **out, size_t *n_out, struct gg_error *err)
{
    struct mx_json *root;
    *n_out = 0;
    int rc = mx_json_parse(body, MAX_DEPTH, arena, &root, err);
    if (rc != 0)
        return rc;
    if (room_id.s == NULL)
        return read_rooms(root, arena, out, n_out, err);
    const struct mx_json *sessions = object_in(root, "sessions");
    *out = GG_NEW_ARRAY(arena, struct mx_backup_key, sessions != NULL ? sessions->n + 1 : 1);
    if (session_id.s == NULL)
        return read_room(root, room_id, arena, *out, n_out, err);
    *n_out = 1;
    return read_session(root, room_id, session_id, arena, *out, err);
}

/* ---- writing ---- */

struct writing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id, room_id, session_id;
    int64_t version;
    const char *named; /* the version as the client wrote it */
    const struct mx_backup_key *keys;
    size_t n;
    bool only_newest;
    struct mx_backup_state state;
};

static int lock_version(struct writing *w, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt lock = {
        "SELECT coalesce(etag, 0) FROM e2e_room_keys_versions WHERE user_id = $1 AND version = $2 AND deleted = 0 FOR UPDATE", 0};
    static const struct gg_stmt newest = {
        "SELECT max(version) FROM e2e_room_keys_versions WHERE user_id = $1 AND deleted = 0", 0};
    struct gg_rows *found, *last;
    int rc = gg_txn_queue_rows(txn, &lock, GG_PARAMS(gg_p_str(w->user_id), gg_p_i64(w->version)), w->arena, &found, err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &newest, GG_PARAMS(gg_p_str(w->user_id)), w->arena, &last, err);
    if (rc != 0)
        return rc;
    if (gg_rows_count(found) == 0)
        return w->only_newest ? gg_refuse(err, 404, "M_NOT_FOUND", "Version '%.40s' not found", w->named)
                              : gg_refuse(err, 404, "M_NOT_FOUND", "Unknown backup version");
    w->state.etag = gg_rows_i64(found, 0, 0);
    if (w->only_newest && gg_rows_i64(last, 0, 0) != w->version) {
        char current[40];
        rc = gg_refuse(err, 403, "M_WRONG_ROOM_KEYS_VERSION", "Wrong room_keys version");
        (void)snprintf(current, sizeof(current), "\"%lld\"", (long long)gg_rows_i64(last, 0, 0));
        gg_error_extra(err, "current_version", current);
    }
    return rc;
}

/* The new etag, if something changed, and how many keys there are. */
static int finish(struct writing *w, bool changed, struct gg_txn *txn, struct gg_error *err)
{
    static const struct gg_stmt next = {
        "UPDATE e2e_room_keys_versions SET etag = coalesce(etag, 0) + 1 WHERE user_id = $1 AND version = $2", 0};
    static const struct gg_stmt count = {
        "SELECT count(*) FROM e2e_room_keys WHERE user_id = $1 AND version = $2", 0};
    struct gg_rows *rows;
    int rc = changed ? gg_txn_queue(txn, &next, GG_PARAMS(gg_p_str(w->user_id), gg_p_i64(w->version)), err) : 0;
    if (rc == 0)
        rc = gg_txn_exec(txn, &count, GG_PARAMS(gg_p_str(w->user_id), gg_p_i64(w->version)), w->arena, &rows, err);
    if (rc == 0) {
        w->state.etag += changed;
        w->state.count = gg_rows_i64(rows, 0, 0);
    }
    return rc;
}

static int put_keys(struct writing *w, struct gg_txn *txn, bool *changed, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "INSERT INTO e2e_room_keys AS k (user_id, version, room_id, session_id, first_message_index, forwarded_count,"
        " is_verified, session_data) SELECT DISTINCT ON (room, session) $1, $2, room, session, first::integer, forwarded::integer, verified, data"
        " FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::boolean[], $8::text[])"
        " AS n (room, session, first, forwarded, verified, data)"
        " ON CONFLICT (user_id, version, room_id, session_id) DO UPDATE SET first_message_index = excluded.first_message_index,"
        " forwarded_count = excluded.forwarded_count, is_verified = excluded.is_verified, session_data = excluded.session_data"
        " WHERE (excluded.is_verified AND NOT k.is_verified) OR excluded.first_message_index < k.first_message_index"
        " OR excluded.forwarded_count < k.forwarded_count", 0};
    struct gg_str *texts[3];
    int64_t *numbers[2];
    bool *verified = GG_NEW_ARRAY(w->arena, bool, w->n + 1);
    struct gg_rows *rows;
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        texts[i] = GG_NEW_ARRAY(w->arena, struct gg_str, w->n + 1);
    for (size_t i = 0; i < GG_COUNT(numbers); i++)
        numbers[i] = GG_NEW_ARRAY(w->arena, int64_t, w->n + 1);
    for (size_t i = 0; i < w->n; i++) {
        texts[0][i] = w->keys[i].room_id;
        texts[1][i] = w->keys[i].session_id;
        texts[2][i] = w->keys[i].session_data;
        numbers[0][i] = w->keys[i].first_message_index;
        numbers[1][i] = w->keys[i].forwarded_count;
        verified[i] = w->keys[i].verified;
    }
    int rc = gg_txn_exec(txn, &stmt, GG_PARAMS(gg_p_str(w->user_id), gg_p_i64(w->version), gg_p_texts(texts[0], w->n),
                                               gg_p_texts(texts[1], w->n), gg_p_i64s(numbers[0], w->n), gg_p_i64s(numbers[1], w->n),
                                               gg_p_bools(verified, w->n), gg_p_texts(texts[2], w->n)), w->arena, &rows, err);
    *changed = rc == 0 && gg_rows_affected(rows) > 0;
    return rc;
}

static int put_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct writing *w = arg;
    bool changed = false;
    int rc = lock_version(w, txn, err);
    if (rc == 0 && w->n > 0)
        rc = put_keys(w, txn, &changed, err);
    return rc == 0 ? finish(w, changed, txn, err) : rc;
}

static int delete_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "DELETE FROM e2e_room_keys WHERE user_id = $1 AND version = $2 AND ($3::text IS NULL OR room_id = $3)"
        " AND ($4::text IS NULL OR session_id = $4)", 0};
    struct writing *w = arg;
    int rc = lock_version(w, txn, err);
    if (rc == 0)
        rc = gg_txn_queue(txn, &stmt, GG_PARAMS(gg_p_str(w->user_id), gg_p_i64(w->version), gg_p_str(w->room_id),
                                                gg_p_str(w->session_id)), err);
    return rc == 0 ? finish(w, true, txn, err) : rc;
}

static int run(struct writing *w, const char *name, gg_txn_fn *body, struct mx_backup_state *out, struct gg_error *err)
{
    w->arena = gg_arena_new();
    int rc = gg_db_txn(w->server->db, name, GG_TXN_READ_COMMITTED, body, w, err);
    gg_arena_free(w->arena);
    *out = w->state;
    return rc;
}

int mx_backup_put(struct mx_server *server, struct gg_str user_id, int64_t version, const char *named,
                  const struct mx_backup_key *keys, size_t n, struct mx_backup_state *out, struct gg_error *err)
{
    struct writing w = {.server = server, .user_id = user_id, .version = version, .named = named, .keys = keys, .n = n,
                        .only_newest = true};
    return run(&w, "put_backup_keys", put_body, out, err);
}

int mx_backup_delete(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_str room_id,
                     struct gg_str session_id, struct mx_backup_state *out, struct gg_error *err)
{
    struct writing w = {.server = server, .user_id = user_id, .version = version, .room_id = room_id, .session_id = session_id};
    return run(&w, "delete_backup_keys", delete_body, out, err);
}

/* ---- reading ---- */

static void write_session(const struct gg_rows *rows, size_t i, struct gg_buf *out)
{
    gg_buf_printf(out, "{\"first_message_index\":%lld,\"forwarded_count\":%lld,\"is_verified\":%s,\"session_data\":",
                  (long long)gg_rows_i64(rows, i, 2), (long long)gg_rows_i64(rows, i, 3), gg_rows_bool(rows, i, 4) ? "true" : "false");
    gg_buf_str(out, gg_rows_str(rows, i, 5));
    gg_buf_char(out, '}');
}

/* Rows [*at, ...) of one room. */
static void write_sessions(const struct gg_rows *rows, size_t *at, struct gg_buf *out)
{
    size_t first = *at;
    gg_buf_lit(out, "{\"sessions\":{");
    for (; *at < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, *at, 0), gg_rows_str(rows, first, 0)); (*at)++) {
        gg_buf_text(out, *at > first ? "," : "");
        gg_buf_json_string(out, gg_rows_str(rows, *at, 1));
        gg_buf_char(out, ':');
        write_session(rows, *at, out);
    }
    gg_buf_lit(out, "}}");
}

static void write_rooms(const struct gg_rows *rows, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"rooms\":{");
    for (size_t at = 0; at < gg_rows_count(rows);) {
        gg_buf_text(out, at > 0 ? "," : "");
        gg_buf_json_string(out, gg_rows_str(rows, at, 0));
        gg_buf_char(out, ':');
        write_sessions(rows, &at, out);
    }
    gg_buf_lit(out, "}}");
}

int mx_backup_get(struct mx_server *server, struct gg_str user_id, int64_t version, struct gg_str room_id,
                  struct gg_str session_id, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    static const struct gg_stmt exists = {
        "SELECT 1 FROM e2e_room_keys_versions WHERE user_id = $1 AND version = $2 AND deleted = 0", GG_LANE_POINT};
    static const struct gg_stmt keys = {
        "SELECT room_id, session_id, first_message_index, forwarded_count, is_verified, session_data FROM e2e_room_keys"
        " WHERE user_id = $1 AND version = $2 AND ($3::text IS NULL OR room_id = $3) AND ($4::text IS NULL OR session_id = $4)"
        " ORDER BY room_id, session_id", GG_LANE_SCAN};
    struct gg_rows *rows;
    size_t at = 0;
    int rc = gg_db_read(server->db, &exists, GG_PARAMS(gg_p_str(user_id), gg_p_i64(version)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows) == 0)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown backup version");
    if (rc == 0)
        rc = gg_db_read(server->db, &keys, GG_PARAMS(gg_p_str(user_id), gg_p_i64(version), gg_p_str(room_id), gg_p_str(session_id)),
                        arena, &rows, err);
    if (rc != 0)
        return rc;
    if (room_id.s == NULL)
        write_rooms(rows, out);
    else if (session_id.s == NULL)
        write_sessions(rows, &at, out);
    else if (gg_rows_count(rows) > 0)
        write_session(rows, 0, out);
    else
        return gg_refuse(err, 404, "M_NOT_FOUND", "No room_keys found");
    return 0;
}
