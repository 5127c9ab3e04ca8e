/* storage/admin/ask.h: questions whose answer PostgreSQL writes as JSON. */
#ifndef MX_STORAGE_ADMIN_ASK_H
#define MX_STORAGE_ADMIN_ASK_H

#include <ganglion/matrix/server.h>

/* The first value of the statement's first row, JSON text in the arena; s NULL: no row, or SQL NULL. */
GG_YIELDS GG_CHECKED int mx_admin_ask(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params,
                                      size_t n, struct gg_arena *arena, struct gg_str *json_out, struct gg_error *err);
/* A write that has nothing to announce; *n_out (may be NULL): rows that it changed. */
GG_YIELDS GG_CHECKED int mx_admin_do(struct mx_server *server, const struct gg_stmt *stmt, const struct gg_param *params,
                                     size_t n, int64_t *n_out, struct gg_error *err);

static inline struct gg_param mx_p_flag(int v) /* -1: NULL */
{
    return v < 0 ? gg_p_null() : gg_p_bool(v != 0);
}

#endif
