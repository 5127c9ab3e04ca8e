/* matrix/cache/forget.c: the caches stream: rows written with a transaction, announced after it, obeyed when received.
 */
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>
#include <stdlib.h>

#include "../parts.h"
#include "../streams/streams.h"
#include "cache.h"

void mx_caches_on(struct mx_server *server, const char *name, mx_forget_fn *fn, void *self)
{
    struct mx_listener *l = gg_xmalloc(sizeof(*l));
    l->fn = fn;
    l->self = self;
    l->next = gg_map_take(server->caches->listeners, gg_str(name));
    gg_map_put(server->caches->listeners, gg_str(name), l);
}

void mx_caches_dispatch(struct mx_server *server, struct gg_str name, const struct gg_str *keys, size_t n)
{
    for (struct mx_listener *l = gg_map_get(server->caches->listeners, name); l; l = l->next)
        l->fn(l->self, keys, n);
}

/* ---- rows of a transaction ---- */

void mx_forget_begin(struct mx_forget *f, struct mx_server *server, struct gg_arena *arena)
{
    memset(f, 0, sizeof(*f));
    f->server = server;
    f->arena = arena;
}

void mx_forget_again(struct mx_forget *f)
{
    f->n = 0;
}

static bool same_row(const struct mx_forget_row *row, const char *name, const struct gg_str *keys, size_t n)
{
    if (strcmp(row->name, name) != 0 || row->n != n || !row->keys != !keys)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!gg_str_eq(row->keys[i], keys[i]))
            return false;
    return true;
}

void mx_forget_add(struct mx_forget *f, const char *name, const struct gg_str *keys, size_t n)
{
    size_t window = f->n > 16 ? f->n - 16 : 0; /* repeats come close together */
    for (size_t i = window; i < f->n; i++)
        if (same_row(&f->rows[i], name, keys, n))
            return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 4;
        struct mx_forget_row *rows = GG_NEW_ARRAY(f->arena, struct mx_forget_row, f->cap);
        if (f->n)
            memcpy(rows, f->rows, f->n * sizeof(*rows));
        f->rows = rows;
    }
    struct gg_str *copy = keys ? GG_NEW_ARRAY(f->arena, struct gg_str, n ? n : 1) : NULL;
    if (keys && n)
        memcpy(copy, keys, n * sizeof(*copy));
    f->rows[f->n++] = (struct mx_forget_row){name, copy, n};
}

/* A text[][] would need equal lengths, so the keys travel as array literals. */
static struct gg_str array_literal(struct gg_arena *arena, const struct mx_forget_row *row)
{
    if (!row->keys)
        return gg_strn(NULL, 0);
    struct gg_buf b = GG_BUF_INIT;
    gg_buf_char(&b, '{');
    for (size_t i = 0; i < row->n; i++) {
        gg_buf_text(&b, i ? ",\"" : "\"");
        for (size_t j = 0; j < row->keys[i].n; j++) {
            char c = row->keys[i].s[j];
            if (c == '"' || c == '\\')
                gg_buf_char(&b, '\\');
            gg_buf_char(&b, c);
        }
        gg_buf_char(&b, '"');
    }
    gg_buf_char(&b, '}');
    struct gg_str out = gg_arena_str(arena, gg_buf_view(&b));
    gg_buf_done(&b);
    return out;
}

static const struct gg_stmt insert_rows = {
    "INSERT INTO cache_invalidation_stream_by_instance (stream_id, instance_name, cache_func, keys, invalidation_ts)"
    " SELECT r.id, $2, r.name, r.keys::text[], $5 FROM unnest($1::bigint[], $3::text[], $4::text[]) r(id, name, keys)",
    GG_LANE_POINT};

int mx_forget_write(struct mx_forget *f, struct gg_txn *txn, struct gg_error *err)
{
    if (!f->n)
        return 0;
    if (f->n_ids + f->n > f->cap_ids) {
        size_t cap = (f->n_ids + f->n) * 2;
        int64_t *ids = GG_NEW_ARRAY(f->arena, int64_t, cap);
        if (f->n_ids)
            memcpy(ids, f->ids, f->n_ids * sizeof(*ids));
        f->ids = ids;
        f->cap_ids = cap;
    }
    int64_t *ids = f->ids + f->n_ids;
    int status = gg_stream_allocate(f->server->caches_stream, txn, f->n, ids, err);
    if (status)
        return status;
    f->n_ids += f->n;
    f->now = gg_wall_ms();
    struct gg_str *names = GG_NEW_ARRAY(f->arena, struct gg_str, f->n);
    struct gg_str *keys = GG_NEW_ARRAY(f->arena, struct gg_str, f->n);
    for (size_t i = 0; i < f->n; i++) {
        names[i] = gg_str(f->rows[i].name);
        keys[i] = array_literal(f->arena, &f->rows[i]);
    }
    return gg_txn_queue(txn, &insert_rows,
                        GG_PARAMS(gg_p_i64s(ids, f->n), gg_p_text(gg_host_instance(f->server->host)),
                                  gg_p_texts(names, f->n), gg_p_texts(keys, f->n), gg_p_i64(f->now)),
                        err);
}

/* [cache_func, keys or null, invalidation_ts] (facts replication 6.1). */
static struct gg_str row_json(const struct mx_forget *f, const struct mx_forget_row *row)
{
    struct gg_buf b = GG_BUF_INIT;
    gg_buf_char(&b, '[');
    gg_buf_json_string(&b, gg_str(row->name));
    gg_buf_text(&b, row->keys ? ",[" : ",null");
    for (size_t i = 0; i < row->n; i++) {
        if (i)
            gg_buf_char(&b, ',');
        gg_buf_json_string(&b, row->keys[i]);
    }
    gg_buf_text(&b, row->keys ? "]," : ",");
    gg_buf_i64(&b, f->now);
    gg_buf_char(&b, ']');
    struct gg_str out = gg_arena_str(f->arena, gg_buf_view(&b));
    gg_buf_done(&b);
    return out;
}

void mx_forget_end(struct mx_forget *f, bool committed)
{
    if (!f->server || !f->n_ids)
        return;
    size_t n_lost = committed ? f->n_ids - f->n : f->n_ids;
    if (n_lost)
        gg_stream_finish(f->server->caches_stream, f->ids, n_lost);
    if (!committed)
        return;
    const int64_t *ids = f->ids + n_lost;
    struct gg_fetched *rows = GG_NEW_ARRAY(f->arena, struct gg_fetched, f->n);
    for (size_t i = 0; i < f->n; i++)
        rows[i] = (struct gg_fetched){ids[i], row_json(f, &f->rows[i])};
    gg_stream_finish_rows(f->server->caches_stream, ids, f->n, rows, f->n);
}

int mx_caches_invalidate(struct mx_forget *f, struct mx_server *server, struct gg_txn *txn, struct gg_arena *arena,
                         const char *name, const struct gg_str *keys, size_t n, struct gg_error *err)
{
    if (!f->server)
        mx_forget_begin(f, server, arena);
    mx_forget_again(f);
    mx_forget_add(f, name, keys, n);
    return mx_forget_write(f, txn, err);
}

/* ---- rows of others, and our own after commit ---- */

static void apply_row(struct mx_server *server, struct gg_str row, struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(row);
    if (!mx_json_next(&it))
        return;
    struct gg_str name = mx_json_string(it.value, arena);
    if (!name.s || !mx_json_next(&it))
        return;
    if (!mx_json_is_array(it.value)) {
        mx_caches_dispatch(server, name, NULL, 0);
        return;
    }
    size_t n = mx_json_length(it.value), i = 0;
    struct gg_str *keys = GG_NEW_ARRAY(arena, struct gg_str, n ? n : 1);
    struct mx_json_iter each = mx_json_iter(it.value);
    while (mx_json_next(&each))
        if ((keys[i] = mx_json_string(each.value, arena)).s)
            i++;
    mx_caches_dispatch(server, name, keys, i);
}

static void apply_rows(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                       const struct gg_row *rows, size_t n, bool moved)
{
    if (moved)
        return;
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < n; i++)
        apply_row(self, rows[i].row, arena);
    gg_arena_free(arena);
}

/* No upper bound: rows above the announced position are sent, and sent again (facts replication 6.1). */
static const struct gg_stmt select_rows = {
    "SELECT stream_id, json_build_array(cache_func, keys, invalidation_ts)::text"
    " FROM cache_invalidation_stream_by_instance WHERE stream_id > $2 AND instance_name = $1"
    " AND $3::bigint IS NOT NULL ORDER BY stream_id LIMIT $4",
    GG_LANE_POINT};

int mx_fetch_caches(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                    struct gg_arena *arena, struct gg_fetched **rows_out, size_t *n_out, int64_t *reached_out,
                    struct gg_error *err)
{
    int status = mx_fetch_by(self, &select_rows, instance, from, to, limit, arena, rows_out, n_out, reached_out, err);
    if (!status && *n_out && (*rows_out)[*n_out - 1].token > *reached_out)
        *reached_out = (*rows_out)[*n_out - 1].token;
    return status;
}

/* ---- the part ---- */

static void listeners_free(void *value)
{
    for (struct mx_listener *l = value; l;) {
        struct mx_listener *next = l->next;
        free(l);
        l = next;
    }
}

static int make(struct mx_server *server, struct gg_error *err)
{
    server->caches = gg_xcalloc(1, sizeof(*server->caches));
    gg_list_init(&server->caches->all);
    server->caches->listeners = gg_map_new(listeners_free);
    gg_stream_follow(server->caches_stream, apply_rows, server);
    return 0;
}

static void free_part(struct mx_server *server)
{
    mx_caches_free_all(server->caches);
    gg_map_free(server->caches->listeners);
    free(server->caches);
    server->caches = NULL;
}

const struct mx_part mx_part_caches = {"caches", make, NULL, NULL, free_part};
