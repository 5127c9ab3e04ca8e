/* matrix/storage/pushers.c: rows of pushers and deleted_pushers, their stream, and how far each one is. */
#include "storage/pushers.h"

#include "userdata/streams.h"

#include <ganglion/matrix/cache.h>

/* ---- reading ---- */

#define COLUMNS \
    "id, ts, user_name, kind, app_id, pushkey, app_display_name, device_display_name, profile_tag, lang, device_id, data," \
    " enabled IS FALSE, COALESCE(last_stream_ordering, 0), COALESCE(failing_since, 0)"
static const struct gg_stmt of_user = {"SELECT " COLUMNS " FROM pushers WHERE user_name = $1 ORDER BY id", GG_LANE_POINT};
static const struct gg_stmt of_all = {"SELECT " COLUMNS " FROM pushers WHERE id > $1 ORDER BY id LIMIT $2", GG_LANE_SCAN};

static struct mx_pusher read_row(const struct gg_rows *rows, size_t i)
{
    return (struct mx_pusher){.id = gg_rows_i64(rows, i, 0),
                              .ts = gg_rows_i64(rows, i, 1),
                              .user_id = gg_rows_str(rows, i, 2),
                              .kind = gg_rows_str(rows, i, 3),
                              .app_id = gg_rows_str(rows, i, 4),
                              .pushkey = gg_rows_str(rows, i, 5),
                              .app_display_name = gg_rows_str(rows, i, 6),
                              .device_display_name = gg_rows_str(rows, i, 7),
                              .profile_tag = gg_rows_str(rows, i, 8),
                              .lang = gg_rows_str(rows, i, 9),
                              .device_id = gg_rows_str(rows, i, 10),
                              .data = gg_rows_str(rows, i, 11),
                              .disabled = gg_rows_bool(rows, i, 12),
                              .last_stream_ordering = gg_rows_i64(rows, i, 13),
                              .failing_since = gg_rows_i64(rows, i, 14)};
}

int mx_pushers_list(struct mx_server *server, struct gg_str user_id, int64_t after_id, size_t limit, struct gg_arena *arena,
                    struct mx_pusher **out, size_t *n_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = user_id.s != NULL
                 ? gg_db_read(server->db, &of_user, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err)
                 : gg_db_read(server->db, &of_all, GG_PARAMS(gg_p_i64(after_id), gg_p_i64((int64_t)limit)), arena, &rows, err);
    if (rc < 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct mx_pusher, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = read_row(rows, i);
    return 0;
}

/* ---- the stream: [user, app, key, deleted] ---- */

static const struct gg_stmt select_stream = {
    "SELECT * FROM (SELECT id, user_name, app_id, pushkey, 'false'::text AS deleted FROM pushers WHERE id > $1 AND id <= $2"
    " UNION ALL SELECT stream_id, user_id, app_id, pushkey, 'true' FROM deleted_pushers WHERE stream_id > $1 AND stream_id <= $2)"
    " s ORDER BY id LIMIT $3", GG_LANE_SCAN};

int mx_pushers_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                     struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    return mx_fetch_rows(self, &select_stream, "tttj", from, to, limit, arena, out, n_out, reached, err);
}

/* ---- changes: on the main process ---- */

enum { TRIES = 5 }; /* as often as gg_db_txn runs a body */

struct change {
    struct mx_server *server;
    struct gg_arena *arena;
    struct mx_forget forget;
    const struct mx_pusher *pusher; /* to be set; NULL: removal */
    struct gg_str user_id, app_id, pushkey;
    bool alone;
    int64_t *spent[TRIES]; /* ids of each try: all must be finished */
    size_t n_spent[TRIES], tries, n_removed;
    struct gg_fetched *rows; /* what the ids of the last try stand for */
};

struct gg_fetched mx_pusher_row(int64_t id, struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey, bool deleted,
                                struct gg_arena *arena)
{
    struct gg_buf row = GG_BUF_INIT;
    const struct gg_str texts[] = {user_id, app_id, pushkey};
    for (size_t i = 0; i < GG_COUNT(texts); i++) {
        gg_buf_char(&row, i == 0 ? '[' : ',');
        gg_buf_json_string(&row, texts[i]);
    }
    gg_buf_printf(&row, ",%s]", deleted ? "true" : "false");
    struct gg_fetched one = {id, gg_arena_str(arena, gg_buf_view(&row))};
    gg_buf_done(&row);
    return one;
}

static const struct gg_stmt remove_rows = {
    "DELETE FROM pushers WHERE ($1::text IS NULL OR user_name = $1) AND ($2::text IS NULL OR (app_id = $2 AND pushkey = $3))"
    " AND ($4::text IS NULL OR user_name <> $4) RETURNING user_name, app_id, pushkey", 0};
static const struct gg_stmt tell_removed = {
    "INSERT INTO deleted_pushers (stream_id, user_id, app_id, pushkey, instance_name) SELECT *, $5::text"
    " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[])", 0};
static const struct gg_stmt set_row = {
    "INSERT INTO pushers (id, user_name, kind, app_id, pushkey, app_display_name, device_display_name, profile_tag, lang,"
    " data, ts, last_stream_ordering, enabled, device_id, instance_name) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12,"
    " $13, $14, $15) ON CONFLICT (app_id, pushkey, user_name) DO UPDATE SET id = EXCLUDED.id, kind = EXCLUDED.kind,"
    " app_display_name = EXCLUDED.app_display_name, device_display_name = EXCLUDED.device_display_name,"
    " profile_tag = EXCLUDED.profile_tag, lang = EXCLUDED.lang, data = EXCLUDED.data, ts = EXCLUDED.ts, access_token = NULL,"
    " last_stream_ordering = EXCLUDED.last_stream_ordering, enabled = EXCLUDED.enabled, device_id = EXCLUDED.device_id,"
    " instance_name = EXCLUDED.instance_name", 0};

static int allocate(struct gg_txn *txn, struct change *c, size_t n, int64_t **out, struct gg_error *err)
{
    size_t try = c->tries - 1, have = c->n_spent[try];
    int64_t *all = GG_NEW_ARRAY(c->arena, int64_t, have + n);
    struct gg_fetched *rows = GG_NEW_ARRAY(c->arena, struct gg_fetched, have + n);
    if (have > 0) {
        memcpy(all, c->spent[try], have * sizeof(*all));
        memcpy(rows, c->rows, have * sizeof(*rows));
    }
    int rc = gg_stream_allocate(c->server->pushers, txn, n, all + have, err);
    if (rc < 0)
        return rc;
    c->spent[try] = all;
    c->n_spent[try] = have + n;
    c->rows = rows;
    *out = all + have;
    return 0;
}

/* Those that match go, but those of `spare`; each leaves a row that tells the processes that push. */
static int remove_some(struct gg_txn *txn, struct change *c, struct gg_str user_id, struct gg_str spare, struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t *ids;
    int rc = gg_txn_exec(txn, &remove_rows,
                         GG_PARAMS(gg_p_str(user_id), gg_p_str(c->app_id), gg_p_str(c->pushkey), gg_p_str(spare)), c->arena,
                         &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    c->n_removed = n;
    if (n == 0 || (rc = allocate(txn, c, n, &ids, err)) != 0)
        return rc;
    struct gg_str *columns[3];
    for (int k = 0; k < 3; k++) {
        columns[k] = GG_NEW_ARRAY(c->arena, struct gg_str, n);
        for (size_t i = 0; i < n; i++)
            columns[k][i] = gg_rows_str(rows, i, k);
    }
    for (size_t i = 0; i < n; i++) {
        c->rows[i] = mx_pusher_row(ids[i], columns[0][i], columns[1][i], columns[2][i], true, c->arena);
        mx_forget_add(&c->forget, "get_if_user_has_pusher", &columns[0][i], 1);
    }
    return gg_txn_queue(txn, &tell_removed,
                        GG_PARAMS(gg_p_i64s(ids, n), gg_p_texts(columns[0], n), gg_p_texts(columns[1], n),
                                  gg_p_texts(columns[2], n), gg_p_text(gg_host_instance(c->server->host))),
                        err);
}

static int set_one(struct gg_txn *txn, struct change *c, struct gg_error *err)
{
    const struct mx_pusher *p = c->pusher;
    int64_t *id;
    int rc = allocate(txn, c, 1, &id, err);
    if (rc < 0)
        return rc;
    c->rows[c->n_spent[c->tries - 1] - 1] = mx_pusher_row(*id, p->user_id, p->app_id, p->pushkey, false, c->arena);
    mx_forget_add(&c->forget, "get_if_user_has_pusher", &p->user_id, 1);
    return gg_txn_queue(txn, &set_row,
                        GG_PARAMS(gg_p_i64(*id), gg_p_str(p->user_id), gg_p_str(p->kind), gg_p_str(p->app_id),
                                  gg_p_str(p->pushkey), gg_p_str(p->app_display_name), gg_p_str(p->device_display_name),
                                  gg_p_str(p->profile_tag), gg_p_str(p->lang), gg_p_str(p->data), gg_p_i64(p->ts),
                                  gg_p_i64(p->last_stream_ordering), gg_p_bool(!p->disabled), gg_p_str(p->device_id),
                                  gg_p_text(gg_host_instance(c->server->host))),
                        err);
}

static int change_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    int rc = 0;
    c->tries++;
    mx_forget_again(&c->forget);
    if (c->pusher == NULL)
        rc = remove_some(txn, c, c->user_id, gg_strn(NULL, 0), err);
    else if (c->alone)
        rc = remove_some(txn, c, gg_strn(NULL, 0), c->user_id, err);
    if (rc == 0 && c->pusher != NULL)
        rc = set_one(txn, c, err);
    return rc == 0 ? mx_forget_write(&c->forget, txn, err) : rc;
}

static int run(struct change *c, struct gg_error *err)
{
    c->arena = gg_arena_new();
    mx_forget_begin(&c->forget, c->server, c->arena);
    int rc = gg_db_txn(c->server->db, "pushers", 0, change_body, c, err);
    for (size_t i = 0; i < c->tries && i < TRIES; i++) {
        bool written = gg_maybe_committed(rc) && i == c->tries - 1;
        if (c->n_spent[i] > 0)
            gg_stream_finish_rows(c->server->pushers, c->spent[i], c->n_spent[i], c->rows, written ? c->n_spent[i] : 0);
    }
    mx_forget_end(&c->forget, gg_maybe_committed(rc));
    gg_arena_free(c->arena);
    return rc;
}

int mx_pusher_set(struct mx_server *server, const struct mx_pusher *pusher, bool alone, struct gg_error *err)
{
    struct change c = {.server = server, .pusher = pusher, .user_id = pusher->user_id, .app_id = pusher->app_id,
                       .pushkey = pusher->pushkey, .alone = alone};
    return run(&c, err);
}

int mx_pushers_delete(struct mx_server *server, struct gg_str user_id, struct gg_str app_id, struct gg_str pushkey,
                      size_t *n_out, struct gg_error *err)
{
    struct change c = {.server = server, .user_id = user_id, .app_id = app_id, .pushkey = pushkey};
    int rc = run(&c, err);
    if (n_out != NULL)
        *n_out = c.n_removed;
    return rc;
}
