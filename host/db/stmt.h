/* db/stmt.h: statements as connections know them.
 *
 * PostgreSQL prepares a statement for fixed parameter types, but a parameter that
 * is NULL says nothing about its type. So each gg_stmt has a short list of
 * variants; a later one knows at least as many types as the one before. */
#ifndef GANGLION_HOST_DB_STMT_H
#define GANGLION_HOST_DB_STMT_H

#include <ganglion/buf.h>
#include <ganglion/db.h>
#include <libpq-fe.h>

struct gg_variant {
    const struct gg_stmt *stmt;
    struct gg_variant *older;
    uint32_t id;      /* small and dense: index into a connection's set of prepared ones */
    char name[16];    /* "g<id>" */
    const char *verb; /* "SELECT", ... for metrics */
    uint32_t n;
    Oid types[GG_MAX_PARAMS]; /* 0: not known, the server infers it */
};

struct gg_stmts;
struct gg_stmts *gg_stmts_new(void);
void gg_stmts_free(struct gg_stmts *stmts);
/* The variant that fits these parameters, made if need be. NULL and err when the
 * parameters are too many or the statement was used with too many shapes. */
struct gg_variant *gg_stmts_get(struct gg_stmts *stmts, const struct gg_stmt *stmt, const struct gg_param *params,
                                size_t n, struct gg_error *err);

/* Parameters in the binary format, as PQsendQueryPrepared wants them. */
struct gg_encoded {
    const char *values[GG_MAX_PARAMS];
    int lengths[GG_MAX_PARAMS], formats[GG_MAX_PARAMS];
};
/* Values point into params or into scratch, which is overwritten. */
int gg_params_encode(struct gg_encoded *out, struct gg_buf *scratch, const struct gg_param *params, size_t n,
                     struct gg_error *err);
Oid gg_param_oid(uint32_t type);

/* Wraps a result for the arena, which clears it when it goes. */
struct gg_rows *gg_rows_wrap(struct gg_arena *arena, PGresult *result);

#endif
