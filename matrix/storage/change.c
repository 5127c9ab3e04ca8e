/* matrix/storage/change.c: one statement, and the caches that must hear of it. */
#include "storage/change.h"

#include <ganglion/matrix/cache.h>

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

int mx_change_and_forget(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params, size_t n,
                       const char *const *caches, struct gg_str key, int64_t *n_out, struct gg_error *err)
{
    struct change c = {.server = server, .stmt = stmt, .params = params, .n = n, .caches = caches, .key = key,
                       .arena = gg_arena_new()};
    mx_forget_begin(&c.forget, server, c.arena);
    int status = gg_db_txn(server->db, "change and forget", 0, change_body, &c, err);
    mx_forget_end(&c.forget, gg_maybe_committed(status));
    if (n_out)
        *n_out = c.n_changed;
    gg_arena_free(c.arena);
    return status;
}
