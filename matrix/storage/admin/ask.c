/* ask.c: questions whose answer PostgreSQL writes as JSON, and small writes. */
#include "storage/admin/ask.h"

#include <ganglion/matrix/cache.h>

int mx_admin_ask(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                 struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int status = gg_db_read(server->db, stmt, params, n, arena, &rows, err);
    *json_out = (struct gg_str){0};
    if (!status && gg_rows_count(rows))
        *json_out = gg_rows_str(rows, 0, 0);
    return status;
}

int mx_admin_do(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                int64_t *n_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int status = gg_db_write(server->db, stmt, params, n, arena, &rows, err);
    if (!status && n_out)
        *n_out = gg_rows_affected(rows);
    gg_arena_free(arena);
    return status;
}

struct change {
    struct mx_server *server;
    const struct gg_stmt *stmt;
    const struct gg_param *params;
    size_t n;
    const char *const *caches;
    struct gg_str key;
    int64_t n_changed;
    struct gg_arena *arena;
    struct mx_forget forget;
};

static int change_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    struct gg_rows *rows;
    mx_forget_again(&c->forget);
    int status = gg_txn_exec(txn, c->stmt, c->params, c->n, c->arena, &rows, err);
    if (status)
        return status;
    c->n_changed = gg_rows_affected(rows);
    for (const char *const *name = c->caches; *name; name++)
        mx_forget_add(&c->forget, *name, &c->key, 1);
    return mx_forget_write(&c->forget, txn, err);
}

int mx_admin_do_forget(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                       const char *const *caches, struct gg_str key, int64_t *n_out, struct gg_error *err)
{
    struct change c = {.server = server, .stmt = stmt, .params = params, .n = n, .caches = caches, .key = key,
                       .arena = gg_arena_new()};
    mx_forget_begin(&c.forget, server, c.arena);
    int status = gg_db_txn(server->db, "admin change", 0, change_body, &c, err);
    mx_forget_end(&c.forget, status == 0);
    if (n_out)
        *n_out = c.n_changed;
    gg_arena_free(c.arena);
    return status;
}
